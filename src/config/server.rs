//! The LiveKit server as the user names it, checked before anything is tried.

use std::path::PathBuf;

use url::Url;

use crate::error::{Error, Result};
use crate::room::Server;
use crate::secret::Secret;

/// A server whose address and key look right, or an error that names the field and the fix.
pub fn server(
    url: &str,
    api_key: &str,
    api_secret: Secret,
    ca_file: Option<PathBuf>,
    insecure: bool,
) -> Result<Server> {
    check_url(url)?;
    if api_key.is_empty() {
        return Err(Error::invalid("api_key", "missing; give --api-key, LIVEKIT_API_KEY or livekit.api_key"));
    }
    if api_secret.expose().is_empty() {
        return Err(Error::invalid(
            "api_secret",
            "missing; give --api-secret, LIVEKIT_API_SECRET or livekit.api_secret",
        ));
    }
    if let Some(path) = &ca_file {
        let pem = std::fs::read_to_string(path)
            .map_err(|e| Error::invalid("ca_file", format!("cannot read {}: {e}", path.display())))?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Error::invalid("ca_file", format!("{} holds no PEM certificate", path.display())));
        }
    }
    Ok(Server { url: url.to_owned(), api_key: api_key.to_owned(), api_secret, ca_file, insecure })
}

fn check_url(url: &str) -> Result<()> {
    let example = "use one such as ws://127.0.0.1:7880 or wss://livekit.example.org";
    if url.is_empty() {
        return Err(Error::invalid("url", format!("missing; give --url, LIVEKIT_URL or livekit.url: {example}")));
    }
    let parsed =
        Url::parse(url).map_err(|e| Error::invalid("url", format!("{url:?} is not a URL ({e}); {example}")))?;
    if !matches!(parsed.scheme(), "ws" | "wss" | "http" | "https") {
        return Err(Error::invalid("url", format!("{:?} is not ws, wss, http or https; {example}", parsed.scheme())));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(Error::invalid("url", format!("{url:?} names no host; {example}")));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Error::invalid("url", format!("it holds a user or password; LiveKit takes none there; {example}")));
    }
    Ok(())
}
