//! Tells people and programs what happened to a recording: one try each. Trying again is the outbox's.

mod io_info;
mod email;
mod links;
mod mail;
mod notice;
mod room;
mod settings;
mod smtp;
mod storage_hook;
mod transcription;
mod webhook;
mod words;

pub use links::{Links, Sign};
pub use settings::{
    Encryption, Mail, MailSection, Sections, Settings, Smtp, StorageHook, Transcription, Transport, Webhooks,
};

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::error::{Attempt, Error, ErrorKind, Result, Undelivered};
use crate::http;
use crate::livekit::Server;
use crate::psrpc::Bus;
use crate::recording::{Event, Recording, Target};

/// Knows how to reach everybody.
#[derive(Clone)]
pub struct Notifier {
    parts: Arc<Parts>,
}

struct Parts {
    settings: Settings,
    livekit: Server,
    links: Links,
    web: reqwest::Client,
    mailer: mail::Mailer,
    rooms: room::Rooms,
    io_info: Option<io_info::IoInfo>,
}

impl Notifier {
    /// Checks what can be checked without asking anybody; errors name the field. `data_dir` is where emails go that are
    /// written into a folder; `bus` is the way to the LiveKit server's `IOInfo`.
    pub fn new(settings: Settings, data_dir: &Path, livekit: Server, links: Links, bus: Option<&Bus>) -> Result<Self> {
        if let Some(webhooks) = &settings.webhooks {
            webhooks.key(&livekit)?;
        }
        let web = http::built(http::client())?;
        let mailer = mail::Mailer::new(&settings.mail, data_dir, links.host())?;
        let rooms = room::Rooms::new(&livekit)?;
        let io_info = bus.map(io_info::IoInfo::new);
        Ok(Self { parts: Arc::new(Parts { settings, livekit, links, web, mailer, rooms, io_info }) })
    }

    /// Tells one of them, once.
    pub async fn notify(&self, event: Event, to: &Target, about: &Recording) -> Attempt {
        let Parts { settings, livekit, links, web, mailer, rooms, io_info } = &*self.parts;
        match to {
            Target::Mail => mailer.send(event, about, &links.page(about)).await,
            Target::Webhook(url) => {
                let configured = settings.webhooks.as_ref().filter(|hooks| hooks.urls.contains(url));
                let requested = about.options.origin.webhook() == Some(url.as_str());
                let key = match configured {
                    Some(hooks) => hooks.key(livekit)?,
                    None if requested => Webhooks::default().key(livekit)?,
                    None => return Err(gone("webhooks.urls", to)),
                };
                webhook::post(web, url, &key, event, about, &about.key).await
            }
            Target::Room => rooms.notify(event, about, Timestamp::now()).await,
            Target::StorageHook(url) => match settings.storage_hook.as_ref().filter(|hook| hook.url == *url) {
                Some(hook) => storage_hook::post(web, hook, about).await,
                None => Err(gone("storage_hook.url", to)),
            },
            Target::Transcription => match &settings.transcription {
                Some(service) => transcription::order(web, service, about, links).await,
                None => Err(gone("transcription", to)),
            },
            Target::LiveKit => match io_info {
                Some(io_info) => io_info.notify(event, about, &about.key).await,
                // It will be, or was, configured.
                None => {
                    Err(Error::new(ErrorKind::Unavailable, "redis: not configured; the LiveKit server is not notified")
                        .into())
                }
            },
        }?;
        tracing::debug!(recording = %about.id, to = to.shown(), event = event.name(), "notification sent");
        Ok(())
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("settings", &self.parts.settings).finish_non_exhaustive()
    }
}

/// A job of an earlier configuration.
fn gone(field: &str, to: &Target) -> Undelivered {
    let why = format!("{} is no longer configured; nobody is notified", to.shown());
    Undelivered::Never(Error::invalid(field, why))
}
