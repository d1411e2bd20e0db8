//! What the configuration says about the API: where it is, who may pass, which storage events it takes.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::api::auth::{ApiToken, Entry, Scopes, Tokenless, TrustedProxies};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// `listen`, `api_token`, `api_tokens`, `public_url`, `trusted_proxies`, `media_url` and what `recording` says about the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// `api_tokens` and `api_token`: what a client may show as `Authorization: Bearer …`, besides LiveKit's access tokens.
    pub tokens: Vec<ApiToken>,
    /// What those get who show no token, by `allow_unauthenticated_loopback`, `public_url` and `trusted_proxies`.
    pub tokenless: Tokenless,
    /// `public_url`: where people reach the pages, without a slash at the end.
    pub public_url: Option<String>,
    /// `trusted_proxies`: for whom requests of theirs are is believed.
    pub trusted_proxies: TrustedProxies,
    /// `media_url`: the path below which a proxy serves the files it asks `media-auth` about; with slashes around.
    pub media_url: String,
    /// `recording.enabled`: `RECORDING_ENABLE`.
    pub enabled: bool,
    /// Storage events.
    pub events: StorageEvents,
}

/// What the configuration says about the API, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sections {
    /// `listen`.
    pub listen: String,
    /// `api_token`.
    pub api_token: Option<Secret>,
    /// `api_tokens`.
    pub api_tokens: Vec<Entry>,
    /// `allow_unauthenticated_loopback`.
    pub allow_unauthenticated_loopback: Option<bool>,
    /// `public_url`.
    pub public_url: Option<String>,
    /// `trusted_proxies`.
    pub trusted_proxies: Vec<String>,
    /// `media_url`.
    pub media_url: Option<String>,
}

/// Which storage events are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageEvents {
    /// `RECORDING_STORAGE_EVENT_ENABLE`.
    pub enabled: bool,
    /// `RECORDING_STORAGE_EVENT_TOKEN`, of which only the hash is kept; none when `RECORDING_ENABLE_STORAGE_EVENT_AUTH` is off.
    pub token: Option<ApiToken>,
    /// `RECORDING_EVENT_PARSER_CLASS`.
    pub parser: Parser,
}

/// Who sends storage events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// MinIO: the object's type is in the event.
    #[default]
    Minio,
    /// AWS and Ceph: the type follows from the key.
    S3,
}

/// The shortest token that is accepted.
const TOKEN_BYTES: usize = 16;

impl Settings {
    /// The API at `listen` with this one token; see [`Settings::read`] for the rest.
    pub fn new(listen: &str, token: Option<Secret>) -> Result<Self> {
        Self::read(Sections { listen: listen.to_owned(), api_token: token, ..Sections::default() })
    }

    /// What the options say. An API that can be reached from elsewhere must know tokens.
    pub fn read(sections: Sections) -> Result<Self> {
        let listen = &sections.listen;
        let address: SocketAddr = listen.parse().map_err(|_| {
            Error::invalid("listen", format!("{listen:?} is not an address and port; use 127.0.0.1:7990"))
        })?;
        let entries = sections.api_tokens.into_iter().enumerate();
        let token = |(n, entry)| ApiToken::read(entry).map_err(|e| e.below(&format!("api_tokens[{n}].")));
        let mut tokens = entries.map(token).collect::<Result<Vec<_>>>()?;
        if let Some(token) = sections.api_token {
            if token.expose().len() < TOKEN_BYTES {
                let fix = "make one with `openssl rand -hex 32`";
                return Err(Error::invalid("api_token", format!("shorter than {TOKEN_BYTES} characters; {fix}")));
            }
            tokens.push(ApiToken::hashing("api_token", token.expose(), Scopes::ALL));
        }
        let local = address.ip().is_loopback();
        let open = sections.allow_unauthenticated_loopback;
        if open == Some(true) && !local {
            let why = format!("{address} can be reached from elsewhere; listen on 127.0.0.1 or leave it out");
            return Err(Error::invalid("allow_unauthenticated_loopback", why));
        }
        if tokens.is_empty() && !local && open.is_none() {
            let fix = "set api_token (GREFFIER_API_TOKEN) or listen on 127.0.0.1";
            return Err(Error::invalid("listen", format!("{address} can be reached from elsewhere; {fix}")));
        }
        let open = open.unwrap_or(tokens.is_empty());
        let public_url = sections.public_url.filter(|url| !url.is_empty());
        let public_url = public_url.map(|url| crate::api::public_url(&url)).transpose()?;
        let trusted_proxies = TrustedProxies::read(&sections.trusted_proxies)?;
        Ok(Self {
            listen: address,
            tokens,
            tokenless: Tokenless::of(open, public_url.as_deref(), &trusted_proxies),
            public_url,
            trusted_proxies,
            media_url: media_url(sections.media_url)?,
            enabled: true,
            events: StorageEvents::default(),
        })
    }
}

fn media_url(text: Option<String>) -> Result<String> {
    let path = text.unwrap_or_else(|| "/media/".to_owned());
    if path.starts_with('/') && path.ends_with('/') && path.len() > 1 {
        return Ok(path);
    }
    Err(Error::invalid("media_url", format!("{path:?} is not a path such as /media/, with slashes around")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(listen: &str, value: Value) -> Result<Settings> {
        Settings::read(Sections { listen: listen.to_owned(), ..crate::document::read(value, "")? })
    }

    #[test]
    fn who_can_be_reached_asks_for_tokens() {
        let hash = "0".repeat(64);
        let tokens = json!({"api_tokens": [{"name": "backend", "sha256": hash, "scopes": ["record"]}]});
        let tokenless = |listen, root| read(listen, root).unwrap().tokenless;
        assert_eq!(tokenless("127.0.0.1:1", Value::Null), Tokenless::Local);
        assert_eq!(tokenless("127.0.0.1:1", json!({"public_url": "https://r.example.org"})), Tokenless::Published);
        assert_eq!(tokenless("127.0.0.1:1", json!({"trusted_proxies": ["10.0.0.0/8"]})), Tokenless::Published);
        assert_eq!(tokenless("127.0.0.1:1", tokens.clone()), Tokenless::Refused);
        assert_eq!(tokenless("0.0.0.0:1", tokens), Tokenless::Refused);
        let closed = json!({"allow_unauthenticated_loopback": false});
        assert_eq!(tokenless("0.0.0.0:1", closed.clone()), Tokenless::Refused, "LiveKit's tokens are enough");
        assert_eq!(tokenless("127.0.0.1:1", closed), Tokenless::Refused);
        let error = |listen, root| read(listen, root).unwrap_err().message;
        assert!(error("0.0.0.0:1", Value::Null).starts_with("listen: "));
        let open = json!({"allow_unauthenticated_loopback": true});
        assert!(error("0.0.0.0:1", open).starts_with("allow_unauthenticated_loopback: "));
        assert!(error("x", Value::Null).starts_with("listen: "));
        assert!(error("127.0.0.1:1", json!({"media_url": "media"})).starts_with("media_url: "));
        assert!(error("127.0.0.1:1", json!({"api_tokens": [{}]})).starts_with("api_tokens[0].name: missing"));
        assert!(error("127.0.0.1:1", json!({"api_tokens": [{"x": 1}]})).starts_with("api_tokens[0].x: there is no"));
        assert!(error("127.0.0.1:1", json!({"api_tokens": {"x": 1}})).starts_with("api_tokens: expected a list"));
        assert!(
            Settings::new("127.0.0.1:1", Some(Secret::new("short"))).unwrap_err().message.starts_with("api_token: ")
        );
    }
}
