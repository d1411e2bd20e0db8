//! The LiveKit server as notices and webhooks need it.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::secret::Secret;

/// Where LiveKit's HTTP API is, and the key that opens it.
#[derive(Clone, Debug)]
pub struct LiveKit {
    /// `http://` or `https://`; `ws://` and `wss://` mean the same places.
    pub url: String,
    /// API key.
    pub api_key: String,
    /// Its secret.
    pub api_secret: Secret,
    /// PEM file with the certificate authority to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate: tests only.
    pub insecure: bool,
}

impl LiveKit {
    /// Where a method of the room service is called.
    pub(super) fn room_service(&self, method: &str) -> Result<url::Url> {
        let http = match self.url.split_once("://") {
            Some(("ws" | "http", rest)) => format!("http://{rest}"),
            Some(("wss" | "https", rest)) => format!("https://{rest}"),
            Some(_) | None => return Err(self.wrong("does not begin with ws://, wss://, http:// or https://")),
        };
        let url = format!("{}/twirp/livekit.RoomService/{method}", http.trim_end_matches('/'));
        url::Url::parse(&url).map_err(|e| self.wrong(&format!("is not a URL ({e})")))
    }

    fn wrong(&self, why: &str) -> Error {
        Error::invalid("livekit.url", format!("{:?} {why}; use one such as wss://livekit.example.org", self.url))
    }
}
