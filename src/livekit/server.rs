//! Which LiveKit server, and with which key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, Result};
use crate::secret::Secret;

/// For error messages.
const EXAMPLE: &str = "use one such as ws://127.0.0.1:7880 or wss://livekit.example.org";

/// A LiveKit server and the key that opens its rooms: the section `livekit`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    /// `ws://`, `wss://`, `http://` or `https://`.
    pub url: String,
    /// LiveKit API key.
    pub api_key: String,
    /// Its secret.
    pub api_secret: Secret,
    /// PEM file with the certificate authority to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate: tests only.
    pub insecure: bool,
}

/// A server as anybody may know it: without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// `ws://`, `wss://`, `http://` or `https://`.
    pub url: String,
    /// PEM file with the certificate authority to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate: tests only.
    pub insecure: bool,
}

impl Server {
    /// Where it is, and whose certificates are trusted.
    pub fn site(&self) -> Site {
        Site { url: self.url.clone(), ca_file: self.ca_file.clone(), insecure: self.insecure }
    }

    /// Checks what can be checked without asking the server; errors name the field and the fix.
    pub fn validate(&self) -> Result<()> {
        if self.url.is_empty() {
            return Err(Error::invalid("url", format!("missing; give --url, LIVEKIT_URL or livekit.url: {EXAMPLE}")));
        }
        self.endpoint()?;
        let keys = [("api_key", self.api_key.as_str()), ("api_secret", self.api_secret.expose())];
        if let Some((field, _)) = keys.iter().find(|(_, value)| value.trim().is_empty()) {
            let (flag, variable) = (field.replace('_', "-"), field.to_uppercase());
            let why = format!("missing; give --{flag}, LIVEKIT_{variable} or livekit.{field}");
            return Err(Error::invalid(field, why));
        }
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read_to_string(path)
                .map_err(|e| Error::invalid("ca_file", format!("cannot read {}: {e}", path.display())))?;
            if !pem.contains("-----BEGIN CERTIFICATE-----") {
                return Err(Error::invalid("ca_file", format!("{} holds no PEM certificate", path.display())));
            }
        }
        Ok(())
    }

    /// Where to connect to. `InvalidArgument` names `url`.
    pub fn endpoint(&self) -> Result<ServerAddress> {
        self.site().endpoint()
    }
}

impl Site {
    /// Where to connect to. `InvalidArgument` names `url`.
    pub fn endpoint(&self) -> Result<ServerAddress> {
        let wrong = |why: &str| Error::invalid("url", format!("{:?} {why}; {EXAMPLE}", self.url));
        let url = Url::parse(&self.url).map_err(|e| wrong(&format!("is not a URL ({e})")))?;
        if !url.username().is_empty() || url.password().is_some() {
            // Not printed: it may be a secret.
            return Err(Error::invalid(
                "url",
                format!("it holds a user or password; LiveKit takes none there; {EXAMPLE}"),
            ));
        }
        let tls = match url.scheme() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(wrong("does not begin with ws://, wss://, http:// or https://")),
        };
        let host = url.host_str().ok_or_else(|| wrong("has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| wrong("has no port"))?;
        Ok(ServerAddress { tls, host, port, path: url.path().trim_end_matches('/').to_owned() })
    }
}

/// A checked URL, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Encrypted.
    pub tls: bool,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Without a slash at the end.
    pub path: String,
}

impl ServerAddress {
    /// Where its HTTP API begins: a URL without a slash at the end.
    pub fn http_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    /// `host:port`; IPv6 addresses are in brackets already.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        let api_secret = Secret::new("secret");
        Server { url: url.into(), api_key: "key".into(), api_secret, ca_file: None, insecure: false }
    }

    #[test]
    fn urls_are_taken_apart() {
        let e = server("wss://lk.example.org/base/").endpoint().unwrap();
        assert_eq!((e.tls, e.authority().as_str(), e.path.as_str()), (true, "lk.example.org:443", "/base"));
        assert_eq!(e.http_url(), "https://lk.example.org:443/base");
        assert_eq!(server("ws://lk:7880").endpoint().unwrap().http_url(), "http://lk:7880");
        assert_eq!(server("ws://[::1]:7880").endpoint().unwrap().authority(), "[::1]:7880");
    }

    #[test]
    fn bad_input_names_the_field() {
        for url in ["", "localhost:7880", "ftp://x", "ws://", "http//x"] {
            let error = server(url).validate().unwrap_err().message;
            assert!(error.starts_with("url: "), "{url}: {error}");
        }
        let mut keyless = server("ws://x");
        keyless.api_key = " ".into();
        assert!(keyless.validate().unwrap_err().message.starts_with("api_key: "));
        assert!(!format!("{keyless:?}").contains("secret\""));
    }
}
