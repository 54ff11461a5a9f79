//! Letters to people about what others say, and what was decided about it.

use catalog::{
    comments::Decision,
    endings,
    notices::{self, Notice, Told},
};
use jobs::Job;

use super::{
    courier::Courier,
    mail::{self, Envelope},
};
use crate::{
    playback::BaseUrl,
    texts::{Text, text},
};

/// How much of a comment is told, in characters: who wants to know more follows the link.
const LONGEST_QUOTE: usize = 300;

impl Courier {
    /// Writes a notice and sends it, if its receiver still wants it and there is something to tell.
    pub(super) async fn tell(&self, job: &Job, notice: &Notice) -> catalog::Result<()> {
        let db = &self.state.db;
        let Some(mailer) = &self.mailer else { return endings::done(db, &job.lease).await };
        let Some(told) = notices::open(db, notice).await? else {
            return endings::done(db, &job.lease).await;
        };
        let letter = letter(notice, &told, &BaseUrl::of_letters(&self.state.config));
        let envelope = Envelope { id: format!("notice-{}", job.lease.id), at: told.at, to: &told.email };
        match mailer.post(&envelope, &letter).await {
            Ok(_) => endings::done(db, &job.lease).await,
            Err(failure) => self.not_sent(job, failure).await,
        }
    }
}

fn letter(notice: &Notice, told: &Told, base: &BaseUrl) -> mail::Letter {
    let title = match &told.title {
        Some(title) => text("mail-video").with("title", title),
        None => text("mail-video-gone"),
    };
    let about = |message: Text| message.with("author", &told.author).with("title", &title).to_string();
    let said = quoted(&told.text);
    let (subject, sentences) = match notice {
        Notice::Comment { .. } => {
            (about(text("mail-comment")), vec![about(text("mail-comment-sentence")), said])
        }
        Notice::Reply { .. } => (about(text("mail-reply")), vec![about(text("mail-reply-sentence")), said]),
        Notice::Decided { .. } => {
            let outcome = match told.decision {
                Some(Decision::Removed) => text("mail-report-removed"),
                Some(Decision::Kept) | None => text("mail-report-kept"),
            };
            let sentences = vec![about(text("mail-report-sentence")), said, outcome.to_string()];
            (text("mail-report").to_string(), sentences)
        }
    };
    mail::Letter {
        subject,
        greeting: mail::greeting(&told.first_name),
        sentences,
        link: told.title.as_ref().map(|_| match notice {
            Notice::Comment { comment } | Notice::Reply { comment } => {
                format!("{}#comment-{comment}", base.watch(told.video))
            }
            Notice::Decided { .. } => base.watch(told.video),
        }),
        choices: Some(base.letters()),
    }
}

/// In one line.
fn quoted(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => {
            text("mail-quote-cut").with("text", line.get(..end).unwrap_or_default()).to_string()
        }
        None => text("mail-quote").with("text", line).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use catalog::{
        ids::{CommentId, ModerationId, UserId, VideoId},
        names::{Email, PersonName, Title, Username},
    };
    use db::Timestamp;

    use super::*;

    fn check(notice: &Notice, decision: Option<Decision>, text: &str) -> String {
        let told = Told {
            email: Email::parse("ada@example.org").unwrap(),
            first_name: PersonName::parse("Ada").unwrap(),
            at: Timestamp::from_unix_micros(1_700_000_000_000_000),
            video: VideoId::new(1, &[1; 10]),
            title: decision.is_none_or(|_| text.len() < 100).then(|| Title::parse("The <sea>").unwrap()),
            author: Username::parse("bob").unwrap(),
            text: text.to_owned(),
            decision,
        };
        let letter = letter(notice, &told, &BaseUrl::RELATIVE);
        let mail::Letter { subject, greeting, sentences, link, choices } = letter;
        format!("{subject}\n{greeting}\n{}\n{link:?}\n{choices:?}", sentences.join("\n"))
    }

    #[test]
    fn letters_say_what_happened_and_where_to_turn_them_off() {
        let comment = CommentId::new(2, &[2; 10]);
        let decided =
            Notice::Decided { user: UserId::new(3, &[3; 10]), entry: ModerationId::new(4, &[4; 10]) };
        let all = [
            check(&Notice::Comment { comment }, None, "Where\nis that?"),
            check(&Notice::Reply { comment }, None, "In Rimini."),
            check(&decided, Some(Decision::Removed), "Rude"),
            check(&decided, Some(Decision::Kept), &"long ".repeat(100)),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
