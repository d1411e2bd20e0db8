//! Who is notified and how: the sections `mail`, `webhooks`, `room_notices`, `storage_hook` and `transcription`.

mod mail;

pub use mail::{Encryption, Mail, Section as MailSection, Smtp, Transport};

use serde::{Deserialize, Deserializer};
use url::Url;

use crate::document::checked;
use crate::error::{Error, Result};
use crate::livekit::Server;
use crate::recording::Target;
use crate::secret::Secret;

/// The bucket a backend of La Suite Meet expects unless told otherwise.
const BUCKET: &str = "meet-media-storage";

/// Everything about telling.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `mail`.
    pub mail: Mail,
    /// `webhooks`.
    pub webhooks: Option<Webhooks>,
    /// `room_notices`: are participants told by room metadata and data messages? Yes unless told otherwise.
    pub room_notices: bool,
    /// `storage_hook`.
    pub storage_hook: Option<StorageHook>,
    /// `transcription`.
    pub transcription: Option<Transcription>,
}

/// `webhooks`, as LiveKit's server has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Webhooks {
    /// `urls`.
    #[serde(deserialize_with = "urls")]
    pub urls: Vec<String>,
    /// `api_key`: signs them; LiveKit's unless told otherwise.
    pub api_key: Option<String>,
    /// `api_secret`: needed for a key that is not LiveKit's.
    pub api_secret: Option<Secret>,
}

/// What webhooks are signed with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub api_key: String,
    pub api_secret: Secret,
}

/// `storage_hook`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StorageHook {
    /// `url`.
    #[serde(deserialize_with = "url")]
    pub url: String,
    /// `token`: sent as bearer.
    pub token: Option<Secret>,
    /// `bucket`: the name the backend expects.
    pub bucket: String,
}

/// `transcription`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Transcription {
    /// `endpoint`: where transcripts are ordered.
    #[serde(deserialize_with = "url")]
    pub endpoint: String,
    /// `api_token`: sent as bearer.
    pub api_token: Option<Secret>,
    /// `language`: of those who name none; the first two letters of the owner's locale without it.
    pub language: Option<String>,
    /// `form_link`: where people say how content they are.
    #[serde(deserialize_with = "link")]
    pub form_link: Option<String>,
    /// `auto_create_summary`: also a summary.
    pub auto_create_summary: bool,
}

impl Default for Settings {
    /// Letters into a folder, notices in the room, nobody else.
    fn default() -> Self {
        let mail = Mail::default();
        Self { mail, webhooks: None, room_notices: true, storage_hook: None, transcription: None }
    }
}

impl Default for StorageHook {
    /// None yet, but its bucket.
    fn default() -> Self {
        Self { url: String::new(), token: None, bucket: BUCKET.to_owned() }
    }
}

/// The sections as they are written. What lacks its address is not used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sections {
    /// `mail`.
    pub mail: MailSection,
    /// `webhooks`.
    pub webhooks: Webhooks,
    /// `room_notices`.
    pub room_notices: Option<bool>,
    /// `storage_hook`.
    pub storage_hook: StorageHook,
    /// `transcription`.
    pub transcription: Transcription,
}

impl Settings {
    /// What the sections say.
    pub fn read(sections: Sections) -> Result<Self> {
        let Sections { mail, webhooks, room_notices, storage_hook, transcription } = sections;
        Ok(Self {
            mail: Mail::read(mail).map_err(|e| e.below("mail."))?,
            webhooks: Some(webhooks).filter(|hooks| !hooks.urls.is_empty()),
            room_notices: room_notices.unwrap_or(true),
            storage_hook: Some(storage_hook).filter(|hook| !hook.url.is_empty()),
            transcription: Some(transcription).filter(|service| !service.endpoint.is_empty()),
        })
    }

    /// Who is to be notified, for the policy.
    pub fn targets(&self) -> Vec<Target> {
        let mail = match self.mail.transport {
            Transport::None => None,
            Transport::Folder(_) | Transport::Smtp(_) | Transport::Memory(_) => Some(Target::Mail),
        };
        let webhooks = self.webhooks.iter().flat_map(|hooks| hooks.urls.iter().cloned().map(Target::Webhook));
        let hook = self.storage_hook.as_ref().map(|hook| Target::StorageHook(hook.url.clone()));
        let room = self.room_notices.then_some(Target::Room);
        let transcription = self.transcription.as_ref().map(|_| Target::Transcription);
        mail.into_iter().chain(webhooks).chain(room).chain(hook).chain(transcription).collect()
    }
}

impl Webhooks {
    /// What they are signed with: LiveKit's key unless another is given with its secret.
    pub(super) fn key(&self, livekit: &Server) -> Result<Key> {
        let api_key = self.api_key.clone().unwrap_or_else(|| livekit.api_key.clone());
        let api_secret = match &self.api_secret {
            Some(secret) => secret.clone(),
            None if api_key == livekit.api_key => livekit.api_secret.clone(),
            None => {
                let why = format!("{api_key:?} is not livekit.api_key; use that one or give webhooks.api_secret too");
                return Err(Error::invalid("webhooks.api_key", why));
            }
        };
        Ok(Key { api_key, api_secret })
    }
}

impl Transcription {
    /// A service at this address, which asks for no token.
    pub fn new(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), ..Self::default() }
    }
}

fn url<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<String, D::Error> {
    link(value).map(Option::unwrap_or_default)
}

fn link<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<String>, D::Error> {
    checked(value, |text: Option<String>| text.map(|text| check_url(&text).map(|()| text)).transpose())
}

fn urls<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Vec<String>, D::Error> {
    checked(value, |urls: Vec<String>| urls.iter().try_for_each(|url| check_url(url)).map(|()| urls))
}

/// URLs are shown in logs, so there is no place for passwords in them.
fn check_url(text: &str) -> std::result::Result<(), String> {
    let wrong = |why: &str| format!("{why}; use one such as https://meet.example.org/hook");
    let url = Url::parse(text).map_err(|e| wrong(&format!("{text:?} is not a URL ({e})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a user or password; give a token instead"));
    }
    match url.scheme() {
        "http" | "https" => Ok(()),
        _ => Err(wrong(&format!("{text:?} does not begin with http:// or https://"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<(Settings, Vec<String>)> {
        let mut unknown = Vec::new();
        let sections = crate::document::read_known(value, "", &mut unknown)?;
        Ok((Settings::read(sections)?, unknown))
    }

    #[test]
    fn nothing_said_means_emails_in_a_folder_and_notices_in_the_room() {
        let (settings, unknown) = read(json!({})).unwrap();
        assert_eq!(settings.targets(), [Target::Mail, Target::Room]);
        assert!(matches!(settings.mail.transport, Transport::Folder(None)) && unknown.is_empty());
    }

    #[test]
    fn everything_can_be_said() {
        let (settings, unknown) = read(json!({
            "mail": { "transport": "smtp", "from": "Meet <meet@example.org>", "brand": "Meet", "colour": "red",
                "support": "help@example.org",
                "smtp": { "host": "mx", "encryption": "tls", "username": "u", "password": "hidden", "pot": 1 } },
            "webhooks": { "urls": ["https://a/hook", "http://b/"], "api_key": "k" },
            "room_notices": false,
            "storage_hook": { "url": "https://meet/hook", "token": "hidden" },
            "transcription": { "endpoint": "https://summary/", "api_token": "hidden" },
        }))
        .unwrap();
        assert_eq!(unknown, ["mail.colour", "mail.smtp.pot"]);
        let wanted = [
            Target::Mail,
            Target::Webhook("https://a/hook".into()),
            Target::Webhook("http://b/".into()),
            Target::StorageHook("https://meet/hook".into()),
            Target::Transcription,
        ];
        assert_eq!(settings.targets(), wanted);
        assert!(!format!("{settings:?}").contains("hidden"));
        let Transport::Smtp(smtp) = settings.mail.transport else { panic!("smtp") };
        assert_eq!((smtp.port, smtp.timeout.as_secs()), (465, 30));
    }

    #[test]
    fn bad_input_names_the_field() {
        let smtp = |smtp: Value| json!({ "mail": { "transport": "smtp", "from": "a@b.c", "smtp": smtp } });
        let table = [
            (json!({ "mail": { "transport": "pigeon" } }), "mail.transport: "),
            (json!({ "mail": { "from": "nobody" } }), "mail.from: "),
            (json!({ "mail": { "support": "no" } }), "mail.support: "),
            (json!({ "mail": { "transport": "smtp", "smtp": { "host": "mx" } } }), "mail.from: missing"),
            (smtp(json!({})), "mail.smtp.host: missing"),
            (smtp(json!({ "host": "mx", "encryption": "ssl" })), "mail.smtp.encryption: "),
            (smtp(json!({ "host": "mx", "port": 0 })), "mail.smtp.port: "),
            (smtp(json!({ "host": "mx", "timeout": 0 })), "mail.smtp.timeout: "),
            (smtp(json!({ "host": "mx", "username": "u" })), "mail.smtp.password: "),
            (
                smtp(json!({ "host": "mx", "encryption": "none", "username": "u", "password": "p" })),
                "mail.smtp.encryption: none would send the password in clear",
            ),
            (json!({ "webhooks": { "urls": ["ftp://x/"] } }), "webhooks.urls: "),
            (json!({ "storage_hook": { "url": "https://u:p@x/" } }), "storage_hook.url: it holds a user or password"),
            (json!({ "transcription": { "endpoint": 1 } }), "transcription.endpoint: expected a string"),
            (json!({ "transcription": { "form_link": "x" } }), "transcription.form_link: \"x\" is not a URL"),
            (json!({ "webhooks": { "urls": ["https://x/", 1] } }), "webhooks.urls[1]: expected a string"),
            (smtp(json!({ "host": "mx", "ehlo_name": "a b" })), "mail.smtp.ehlo_name: \"a b\" is no domain"),
        ];
        for (value, wanted) in table {
            let error = read(value).unwrap_err().message;
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
