//! Letters to owners: by SMTP, into a folder, or into memory for tests.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use lettre::Message;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, MultiPartKind, SinglePart};
use tokio::sync::mpsc::UnboundedSender;

use super::email::{Email, Setting, mask};
use super::settings::{Mail, Transport};
use super::smtp::Server;
use crate::error::{Attempt, Error, ErrorKind, Result, Undelivered};
use crate::recording::{Event, Owner, Recording};

/// Sends emails, each once.
pub(super) struct Mailer {
    settings: Mail,
    way: Way,
}

enum Way {
    Nowhere,
    Folder(PathBuf),
    Smtp(Box<Server>),
    Memory(UnboundedSender<Vec<u8>>),
}

impl Mailer {
    /// `public_host`: under which people reach us, when that is known.
    pub fn new(settings: &Mail, data_dir: &Path, public_host: Option<&str>) -> Result<Self> {
        let domains: Vec<_> = [Some(settings.from.email.domain()), public_host].into_iter().flatten().collect();
        let way = match &settings.transport {
            Transport::None => Way::Nowhere,
            Transport::Folder(Some(folder)) => Way::Folder(folder.clone()),
            Transport::Folder(None) => Way::Folder(data_dir.join("mail")),
            Transport::Smtp(smtp) => Way::Smtp(Box::new(Server::new(smtp, &domains)?)),
            Transport::Memory(sender) => Way::Memory(sender.clone()),
        };
        Ok(Self { settings: settings.clone(), way })
    }

    /// Writes to the owner. Never again when the address is none, or the mail server refuses it for good.
    pub async fn send(&self, event: Event, about: &Recording, link: &str) -> Attempt {
        let Some(owner) = &about.options.owner else { return Ok(()) };
        let message = self.message(event, about, owner, link)?;
        let to = mask(&owner.email);
        match &self.way {
            Way::Nowhere => {
                return Err(Undelivered::Never(Error::invalid("mail.transport", "none; no email is sent")));
            }
            Way::Folder(folder) => {
                let name = format!("{}-{}.eml", about.id, event.name());
                write(folder.clone(), name, message.formatted()).await?;
            }
            Way::Memory(sender) => {
                let unavailable = |_| Error::new(ErrorKind::Unavailable, "mail: the memory transport has no reader");
                sender.send(message.formatted()).map_err(unavailable)?;
            }
            Way::Smtp(server) => server.send(&message, &owner.email).await?,
        }
        tracing::info!(recording = %about.id, to, "email sent");
        Ok(())
    }

    fn message(&self, event: Event, about: &Recording, owner: &Owner, link: &str) -> Attempt<Message> {
        let from = &self.settings.from;
        let support = self.settings.support.as_ref().map(ToString::to_string);
        let setting = Setting {
            link,
            brand: &self.settings.brand,
            support: support.as_deref(),
            domain: from.email.domain(),
            zone: owner.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok()),
        };
        let email = Email::write(event, about, owner, &setting)?;
        let address = owner.email.parse().map_err(|e| {
            let why = format!("{} is no mail address ({e})", mask(&owner.email));
            Undelivered::Never(Error::invalid("options.owner.email", why))
        })?;
        let parts = MultiPart::builder()
            .kind(MultiPartKind::Alternative)
            .boundary(email.boundary)
            .singlepart(SinglePart::plain(email.text))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(email.html));
        let name = owner.name.as_deref().map(|name| name.replace(char::is_control, " "));
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(name, address))
            .subject(email.subject)
            .message_id(Some(email.message_id))
            .date(email.date.into())
            .header(AutoSubmitted)
            .header(ContentLanguage(email.language))
            .multipart(parts)
            .map_err(|e| Undelivered::Never(Error::invalid("mail", format!("the email cannot be composed: {e}"))))
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

/// Whole or not at all; a second time replaces the first.
async fn write(folder: PathBuf, name: String, email: Vec<u8>) -> Result<()> {
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let part = folder.join(format!(".{name}.part"));
        std::fs::write(&part, email)?;
        std::fs::rename(part, folder.join(name))
    });
    let written = written.await.map_err(|e| Error::new(ErrorKind::Internal, format!("mail: {e}")))?;
    written.map_err(|e| Error::new(ErrorKind::Unavailable, format!("mail: cannot write into the folder: {e}")))
}
