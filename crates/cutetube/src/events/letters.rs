//! Letters to people about their accounts: what they say, and the links in them.

use std::time::Duration;

use catalog::{
    endings,
    letters::{self, Addressed, Letter, Purpose},
};
use jobs::Job;

use super::{
    courier::{Courier, Failure},
    mail::{self, Envelope},
};
use crate::{
    accounts::Code,
    playback::BaseUrl,
    texts::{Text, text},
};

impl Courier {
    /// Writes a letter and sends it. Where there is no mail server, whoever reads the log is told its link: that is how
    /// the people of a small server help each other, and the one place where a secret is logged.
    pub(super) async fn write(&self, job: &Job, letter: &Letter) -> catalog::Result<()> {
        let db = &self.state.db;
        let code = Code::new();
        let lifetime = Duration::from_secs(self.state.config.accounts.link_minutes.saturating_mul(60));
        let Some(addressed) = letters::address(db, letter, &code.hash(), lifetime).await? else {
            return endings::done(db, &job.lease).await;
        };
        let text = Self::text(letter, &addressed, &BaseUrl::of_letters(&self.state.config), &code, lifetime);
        let Some(mailer) = &self.mailer else {
            if let (Some(link), Some(_)) = (&text.link, letter.purpose()) {
                let to = &addressed.email;
                tracing::warn!("no mail server is configured; the letter to `{to}` has this link: {link}");
            }
            return endings::done(db, &job.lease).await;
        };
        let envelope =
            Envelope { id: format!("letter-{}", job.lease.id), at: addressed.at, to: &addressed.email };
        match mailer.post(&envelope, &text).await {
            Ok(_) => endings::done(db, &job.lease).await,
            Err(failure) => {
                letters::withdraw(db, &code.hash()).await?;
                self.not_sent(job, failure).await
            }
        }
    }

    pub(super) async fn not_sent(&self, job: &Job, failure: Failure) -> catalog::Result<()> {
        let (db, lease) = (&self.state.db, &job.lease);
        let sentence = failure.to_string();
        tracing::warn!(job.id = %lease.id, "letter `{}` was not sent: {sentence}", lease.id);
        if failure.is_hopeless() {
            return endings::reject(db, lease, &sentence).await;
        }
        endings::retry(db, lease, &sentence, self.wait_after(job.failures)).await.map(drop)
    }

    fn text(
        letter: &Letter,
        addressed: &Addressed,
        base: &BaseUrl,
        code: &Code,
        lifetime: Duration,
    ) -> mail::Letter {
        let minutes = lifetime.as_secs() / 60;
        let within = |to_do: Text| to_do.count("minutes", minutes);
        let by_hand = text("mail-code").with("code", code.expose());
        let not_you = text("mail-not-you");
        let (subject, sentences) = match letter {
            Letter::Confirm { .. } => (
                text("common-confirm-address"),
                vec![text("mail-confirm"), within(text("mail-confirm-within")), by_hand],
            ),
            Letter::ConfirmNew { .. } => (
                text("mail-confirm-new-subject"),
                vec![text("mail-confirm-new"), within(text("mail-confirm-within")), by_hand, not_you],
            ),
            Letter::Reset { .. } => (
                text("common-choose-password"),
                vec![text("mail-reset"), within(text("mail-reset-within")), by_hand, not_you],
            ),
            Letter::PasswordChanged { .. } => {
                (text("mail-password-subject"), vec![text("mail-password"), text("mail-password-not-you")])
            }
            Letter::EmailChanging { .. } => {
                (text("mail-email-subject"), vec![text("mail-email"), text("mail-email-not-you")])
            }
            Letter::Approved { .. } => (text("mail-approved-subject"), vec![text("mail-approved")]),
        };
        let link = match letter.purpose() {
            Some(Purpose::Confirm) => base.verify(code),
            Some(Purpose::Reset) => base.reset(code),
            None => base.log_in(),
        };
        mail::Letter {
            subject: subject.to_string(),
            greeting: mail::greeting(&addressed.first_name),
            sentences: sentences.iter().map(Text::to_string).collect(),
            link: Some(link),
            choices: None,
        }
    }
}
