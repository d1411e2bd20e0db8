//! Letters to owners: by SMTP, into a folder, or into memory for tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, MultiPartKind, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::mpsc::UnboundedSender;

use super::letter::{Letter, Setting, mask};
use super::settings::{Encryption, Mail, Smtp, Transport};
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Event, Owner, Recording};

/// Sends letters, each once.
pub(super) struct Mailer {
    settings: Mail,
    way: Way,
}

enum Way {
    Nowhere,
    Folder(PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>, Duration),
    Memory(UnboundedSender<Vec<u8>>),
}

impl Mailer {
    pub fn new(settings: &Mail, data_dir: &Path) -> Result<Self> {
        let way = match &settings.transport {
            Transport::None => Way::Nowhere,
            Transport::Folder(Some(folder)) => Way::Folder(folder.clone()),
            Transport::Folder(None) => Way::Folder(data_dir.join("mail")),
            Transport::Smtp(smtp) => Way::Smtp(Box::new(transport(smtp)?), smtp.timeout),
            Transport::Memory(sender) => Way::Memory(sender.clone()),
        };
        Ok(Self { settings: settings.clone(), way })
    }

    /// Writes to the owner. `InvalidArgument` when the address is none, or the mail server refuses it for good.
    pub async fn send(&self, event: Event, about: &Recording, link: &str) -> Result<()> {
        let Some(owner) = &about.options.owner else { return Ok(()) };
        let message = self.message(event, about, owner, link)?;
        let to = mask(&owner.email);
        match &self.way {
            Way::Nowhere => return Err(Error::invalid("mail.transport", "none; no letter leaves")),
            Way::Folder(folder) => {
                let name = format!("{}-{}.eml", about.id, event.name());
                write(folder.clone(), name, message.formatted()).await?;
            }
            Way::Memory(sender) => {
                let unavailable = |_| Error::new(ErrorKind::Unavailable, "mail: nobody reads the memory any more");
                sender.send(message.formatted()).map_err(unavailable)?;
            }
            Way::Smtp(transport, patience) => {
                let late = |_| Error::new(ErrorKind::Unavailable, "mail: the mail server took too long");
                let sent = tokio::time::timeout(*patience, transport.send(message)).await.map_err(late)?;
                sent.map_err(|e| refusal(&e, &owner.email))?;
            }
        }
        tracing::info!(recording = %about.id, to, "the letter has left");
        Ok(())
    }

    fn message(&self, event: Event, about: &Recording, owner: &Owner, link: &str) -> Result<Message> {
        let from = &self.settings.from;
        let support = self.settings.support.as_ref().map(ToString::to_string);
        let setting = Setting {
            link,
            brand: &self.settings.brand,
            support: support.as_deref(),
            domain: from.email.domain(),
            zone: owner.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok()),
        };
        let letter = Letter::write(event, about, owner, &setting)?;
        let address = owner.email.parse().map_err(|e| {
            Error::invalid("options.owner.email", format!("{} is no mail address ({e})", mask(&owner.email)))
        })?;
        let parts = MultiPart::builder()
            .kind(MultiPartKind::Alternative)
            .boundary(letter.boundary)
            .singlepart(SinglePart::plain(letter.text))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(letter.html));
        let name = owner.name.as_deref().map(|name| name.replace(char::is_control, " "));
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(name, address))
            .subject(letter.subject)
            .message_id(Some(letter.message_id))
            .date(letter.date.into())
            .header(AutoSubmitted)
            .header(ContentLanguage(letter.language))
            .multipart(parts)
            .map_err(|e| Error::invalid("mail", format!("the letter cannot be written: {e}")))
    }
}

/// RFC 3834: nobody wants an absence note as an answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// RFC 3282.
#[derive(Clone)]
struct ContentLanguage(&'static str);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(_: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Err("this header is only written".into())
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.to_owned())
    }
}

fn transport(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let tls = || -> Result<TlsParameters> {
        let mut builder = TlsParameters::builder(smtp.host.clone());
        if let Some(path) = &smtp.ca_file {
            let wrong = |why: String| Error::invalid("mail.smtp.ca_file", format!("{}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
            let certificate = Certificate::from_pem(&pem).map_err(|e| wrong(format!("not PEM: {e}")))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|e| Error::invalid("mail.smtp", format!("no TLS with {}: {e}", smtp.host)))
    };
    let tls = match smtp.encryption {
        Encryption::None => Tls::None,
        Encryption::StartTls => Tls::Required(tls()?),
        Encryption::Tls => Tls::Wrapper(tls()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(smtp.timeout));
    if let Some((user, password)) = &smtp.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

/// What the mail server's answer means. Only a refusal of this letter or its recipient is for ever (RFC 5321, 4.2.3); a
/// password that is wrong today may be right tomorrow. The answer may repeat the address, which logs do not show.
fn refusal(error: &lettre::transport::smtp::Error, address: &str) -> Error {
    let code = error.status().map(u16::from);
    let kind = match code {
        Some(550..=553 | 555 | 556) => ErrorKind::InvalidArgument,
        // Without a better word: said of a letter, but also of a server that does not talk to us.
        Some(554) => ErrorKind::InvalidArgument,
        Some(_) | None => ErrorKind::Unavailable,
    };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let text = text.replace(address, &mask(address)).replace(char::is_control, " ");
    Error::new(kind, format!("mail to {}: {text}", mask(address)))
}

/// Whole or not at all; a second time replaces the first.
async fn write(folder: PathBuf, name: String, letter: Vec<u8>) -> Result<()> {
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let part = folder.join(format!(".{name}.part"));
        std::fs::write(&part, letter)?;
        std::fs::rename(part, folder.join(name))
    });
    let written = written.await.map_err(|e| Error::new(ErrorKind::Internal, format!("mail: {e}")))?;
    written.map_err(|e| Error::new(ErrorKind::Unavailable, format!("mail: cannot write into the folder: {e}")))
}
