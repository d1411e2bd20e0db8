//! What callers over HTTP may not ask, though the LiveKit server may: it has judged its clients itself.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::Egress;
use crate::egress::{Start, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// How long a name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(3);

/// Who asks for an egress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The LiveKit server, through Redis.
    Server,
    /// Whoever showed a token at our own door, perhaps for this room only.
    Caller {
        /// The token's room.
        room: Option<String>,
    },
}

impl By {
    /// The LiveKit server?
    pub fn is_server(&self) -> bool {
        match self {
            Self::Server => true,
            Self::Caller { .. } => false,
        }
    }
}

impl Egress {
    /// Refuses to be sent to hosts within, and to lend our own credentials.
    pub(super) async fn check_targets(&self, start: &Start) -> Result<()> {
        if let Some(url) = start.options.asked.as_ref().and_then(|asked| asked.webhook.as_deref()) {
            self.check_target("webhooks.url", url).await?;
        }
        let Some(store) = &start.store else { return Ok(()) };
        let text = |path: &str| store.pointer(path).and_then(Value::as_str).unwrap_or_default();
        for (section, field) in
            [("s3", "access_key"), ("s3", "secret"), ("gcp", "credentials_json"), ("azure", "account_key")]
        {
            if store.get(section).is_some() && text(&format!("/{section}/{field}")).is_empty() {
                return Err(Error::invalid(
                    field,
                    "missing; a request over HTTP brings the credentials of its storage",
                ));
            }
        }
        match text("/s3/endpoint") {
            "" => Ok(()),
            endpoint => self.check_target("endpoint", endpoint).await,
        }
    }

    /// Whoever is let into one room writes over nothing that is not known to be that room's.
    pub(super) async fn check_key(&self, by: &By, start: &Start, storage: &Storage, key: &str) -> Result<()> {
        storage.check_key(key).map_err(|e| Error::new(e.kind, e.message.replacen("key: ", "filepath: ", 1)))?;
        let (By::Caller { room: Some(room) }, None) = (by, &start.store) else { return Ok(()) };
        let is_others = match self.control.with_key(key)? {
            Some(recording) => recording.request.room != *room,
            None => storage.is_there(key).await,
        };
        if is_others {
            let why = "filepath: is there already, and not a recording of the token's room";
            return Err(Error::new(ErrorKind::PermissionDenied, why));
        }
        Ok(())
    }

    async fn check_target(&self, field: &str, url: &str) -> Result<()> {
        let (name, port) = match self.targets.check(field, url)? {
            Verdict::Allowed => return Ok(()),
            Verdict::Resolve(name, port) => (name, port),
        };
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name, port))).await;
        let addresses: Vec<IpAddr> = match found {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            Ok(Err(_)) | Err(_) => return Err(Error::invalid(field, "there is no such host")),
        };
        self.targets.check_addresses(field, &addresses)
    }
}

/// What a storage within says is not for whoever sent us there.
pub(super) fn not_taken(error: &Error) -> Error {
    tracing::info!(%error, "the storage of a request is of no use");
    Error::new(ErrorKind::InvalidArgument, "output: a file cannot be written there; greffier's log says why")
}
