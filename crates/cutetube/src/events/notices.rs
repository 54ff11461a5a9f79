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
use crate::playback::BaseUrl;

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
    let author = &told.author;
    let title = told.title.as_ref();
    let title = title.map_or_else(|| "a video that is gone".to_owned(), |title| format!("“{title}”"));
    let said = quoted(&told.text);
    let (subject, sentences) = match notice {
        Notice::Comment { .. } => (
            format!("{author} says something about {title}"),
            vec![format!("{author} says about your video {title}:"), said],
        ),
        Notice::Reply { .. } => (
            format!("{author} answers you"),
            vec![format!("{author} answers what you said about {title}:"), said],
        ),
        Notice::Decided { .. } => {
            let outcome = match told.decision {
                Some(Decision::Removed) => "It was removed. Thank you for telling us.",
                Some(Decision::Kept) | None => {
                    "It may stay: whoever runs this site finds nothing wrong with it."
                }
            };
            (
                "What became of your report".to_owned(),
                vec![format!("You reported what {author} said about {title}:"), said, outcome.to_owned()],
            )
        }
    };
    mail::Letter {
        subject,
        greeting: format!("Hello {},", told.first_name),
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
fn quoted(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("“{}…”", line.get(..end).unwrap_or_default()),
        None => format!("“{line}”"),
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
