//! Mails: to the owners of videos here, about accounts in [`letters`](super::letters).

use std::time::{Duration, SystemTime};

use anyhow::Context;
use askama::Template;
use catalog::{
    events::EventKind,
    names::{Email, PersonName},
};
use db::Timestamp;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};

use super::{
    courier::{Failure, Sent},
    message::{Data, Message, VideoMessage},
};
use crate::{
    config::{Smtp, SmtpTls},
    playback::BaseUrl,
    texts::{self, filters, text},
    tls,
};

/// Sends mails through one server.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    patience: Duration,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    letter: &'a Letter,
}

/// What a mail says.
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) greeting: String,
    pub(super) sentences: Vec<String>,
    pub(super) link: Option<String>,
    /// Where its receiver chooses to get no more of them; absent from letters that come in any case.
    pub(super) choices: Option<String>,
}

/// What a mail says besides, on its way.
pub(super) struct Envelope<'a> {
    /// Tells mails apart; sent again, it is the same mail.
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) to: &'a Email,
}

impl Mailer {
    /// `None` when no mail server is configured.
    pub(super) fn new(config: &Smtp, patience: Duration) -> anyhow::Result<Option<Self>> {
        let (Some(host), Some(from)) = (&config.host, &config.from) else { return Ok(None) };
        tls::provide();
        let from: Mailbox = from.parse().context("`smtp.from` is no address")?;
        let tls = |host: &String| TlsParameters::new(host.clone()).context("TLS cannot be used for mails");
        let tls = match config.tls {
            SmtpTls::Starttls => Tls::Required(tls(host)?),
            SmtpTls::Implicit => Tls::Wrapper(tls(host)?),
            SmtpTls::Off => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(patience))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let (Some(username), Some(password)) = (&config.username, &config.password) {
            transport =
                transport.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        Ok(Some(Self { transport: transport.build(), from, patience }))
    }

    /// Sends one mail. Its id and its date are those of the event: sent again, it is the same mail.
    pub(super) async fn send(
        &self,
        message: &Message,
        happened_at: Timestamp,
        address: &Email,
        first_name: &PersonName,
        base: &BaseUrl,
    ) -> Result<Sent, Failure> {
        let Data::Video(video) = &message.data else {
            return Err(Failure::hopeless("there is nothing to say in a mail"));
        };
        let letter = Letter::new(message.kind, video, first_name, base);
        let envelope = Envelope { id: message.id.to_string(), at: happened_at, to: address };
        self.post(&envelope, &letter).await
    }

    /// Sends one mail.
    pub(super) async fn post(&self, envelope: &Envelope<'_>, letter: &Letter) -> Result<Sent, Failure> {
        let mail = self
            .write(envelope, letter)
            .map_err(|error| Failure::hopeless(format!("the mail cannot be written: {error:#}")))?;
        // The transport's own limit is for each step of the conversation.
        match tokio::time::timeout(self.patience * 4, self.transport.send(mail)).await {
            Ok(Ok(answer)) => Ok(Sent { status: Some(answer.code().into()) }),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::again("the mail server did not answer in time")),
        }
    }

    /// Connects, and sends nothing.
    pub(super) async fn probe(&self) -> anyhow::Result<()> {
        let answered = self.transport.test_connection().await.context("the mail server cannot be used")?;
        anyhow::ensure!(answered, "the mail server hangs up");
        Ok(())
    }

    fn write(&self, envelope: &Envelope<'_>, letter: &Letter) -> anyhow::Result<lettre::Message> {
        let Envelope { id, at, to } = envelope;
        let millis = u64::try_from(at.unix_millis()).unwrap_or_default();
        let to: Address = to.as_str().parse().context("the address cannot be used")?;
        let mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(
                Text { letter }.render()?,
                Html { letter }.render()?,
            ))?;
        Ok(mail)
    }
}

impl Letter {
    fn new(kind: EventKind, video: &VideoMessage, first_name: &PersonName, base: &BaseUrl) -> Self {
        let (subject, sentence) = match kind {
            EventKind::Ready => (text("mail-ready"), text("mail-ready-sentence")),
            EventKind::Failed => (text("mail-failed"), text("mail-failed-sentence")),
            EventKind::Uploaded => (text("mail-uploaded"), text("mail-uploaded-sentence")),
            EventKind::Processing => (text("mail-processing"), text("mail-processing-sentence")),
            EventKind::Deleted | EventKind::Test => (text("mail-deleted"), text("mail-deleted-sentence")),
        };
        let said = |message: texts::Text| message.with("title", &video.title).to_string();
        Self {
            subject: said(subject),
            greeting: greeting(first_name),
            sentences: std::iter::once(said(sentence)).chain(video.error.clone()).collect(),
            link: video.watch.clone(),
            choices: Some(base.letters()),
        }
    }
}

/// How every letter begins.
pub(super) fn greeting(first_name: &PersonName) -> String {
    text("mail-greeting").with("name", first_name).to_string()
}

/// A server that says never (5xx) is believed; whatever else went wrong may pass.
fn failure(error: &smtp::Error) -> Failure {
    let mut sentence = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !sentence.contains(&said) {
            sentence = format!("{sentence}: {said}");
        }
        cause = inner.source();
    }
    let failure = if error.is_permanent() { Failure::hopeless(sentence) } else { Failure::again(sentence) };
    match error.status() {
        Some(code) => failure.with_status(code.into()),
        None => failure,
    }
}

/// Nobody's absence note is wanted in return (RFC 3834, section 5).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
