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
use crate::{accounts::Code, playback::BaseUrl};

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
        let within = |to_do: &str| format!("Open this page within {minutes} minutes to {to_do}.");
        let by_hand = format!("Where it asks for a code, that is {}", code.expose());
        let not_you = "If you did not ask for this, do nothing: nothing has changed.".to_owned();
        let (subject, sentences) = match letter {
            Letter::Confirm { .. } => (
                "Confirm your address",
                vec![
                    "Your account is made. Please confirm that this address is yours.".to_owned(),
                    within("confirm it"),
                    by_hand,
                ],
            ),
            Letter::ConfirmNew { .. } => (
                "Confirm your new address",
                vec![
                    "Somebody, most likely you, wants this to be the address of their account.".to_owned(),
                    within("confirm it"),
                    by_hand,
                    not_you,
                ],
            ),
            Letter::Reset { .. } => (
                "Choose another password",
                vec![
                    "Somebody, most likely you, wants another password for your account.".to_owned(),
                    within("choose one"),
                    by_hand,
                    not_you,
                ],
            ),
            Letter::PasswordChanged { .. } => (
                "Your password was changed",
                vec![
                    "The password of your account was changed, and other devices were signed out.".to_owned(),
                    "If that was not you, choose another one at once: log in here, or say that you forgot it."
                        .to_owned(),
                ],
            ),
            Letter::EmailChanging { .. } => (
                "Your address is about to change",
                vec![
                    "Somebody who knows your password wants your account to have another address.".to_owned(),
                    "If that was not you, log in here and choose another password.".to_owned(),
                ],
            ),
            Letter::Approved { .. } => {
                ("You are let in", vec!["An administrator has let you in. You can log in now.".to_owned()])
            }
        };
        let link = match letter.purpose() {
            Some(Purpose::Confirm) => base.verify(code),
            Some(Purpose::Reset) => base.reset(code),
            None => base.log_in(),
        };
        mail::Letter {
            subject: subject.to_owned(),
            greeting: format!("Hello {},", addressed.first_name),
            sentences,
            link: Some(link),
            choices: None,
        }
    }
}
