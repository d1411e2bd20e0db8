//! The section `mail`: emails to owners and how they leave.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use serde::{Deserialize, Deserializer};

use crate::document::{checked, filled};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// How long an email may take unless it is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Letters to owners.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `mail.transport` and what belongs to it.
    pub transport: Transport,
    /// `mail.from`: an address, with or without a name.
    pub from: Mailbox,
    /// `mail.brand`: who writes, such as the name of the service.
    pub brand: String,
    /// `mail.support`: where people get help.
    pub support: Option<Address>,
}

/// How emails leave.
#[derive(Clone, Debug)]
pub enum Transport {
    /// `none`: not at all.
    None,
    /// `folder`: as `.eml` files in `mail.folder`; `mail` in the data directory unless told otherwise.
    Folder(Option<PathBuf>),
    /// `smtp`: by a mail server.
    Smtp(Smtp),
    /// To whoever holds the other end, for tests.
    Memory(tokio::sync::mpsc::UnboundedSender<Vec<u8>>),
}

/// `mail.smtp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// `host`: also the name its certificate must bear.
    pub host: String,
    /// `port`: 25, 587 or 465 unless told otherwise, by `encryption`.
    pub port: u16,
    /// `encryption`.
    pub encryption: Encryption,
    /// `username` and `password`.
    pub credentials: Option<(String, Secret)>,
    /// `ca_file`: PEM of the authority to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// `ehlo_name`: who we say we are; the domain of `mail.from`, or of `public_url`, unless told otherwise.
    pub ehlo_name: Option<String>,
    /// `timeout` in seconds: for a whole email; 30 unless told otherwise.
    pub timeout: Duration,
}

/// `mail.smtp.encryption`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// `none`: in clear. A password is not sent in clear to another machine.
    None,
    /// `starttls`: TLS, required, after a greeting in clear.
    #[default]
    StartTls,
    /// `tls`: from the first byte.
    Tls,
}

/// The section `mail` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Section {
    transport: Kind,
    folder: Option<PathBuf>,
    #[serde(deserialize_with = "sender")]
    from: Option<Mailbox>,
    brand: Option<String>,
    #[serde(deserialize_with = "address")]
    support: Option<Address>,
    smtp: SmtpSection,
}

/// `mail.transport`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    None,
    #[default]
    Folder,
    Smtp,
}

/// `mail.smtp` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SmtpSection {
    host: String,
    port: Option<u32>,
    encryption: Encryption,
    username: Option<String>,
    password: Option<Secret>,
    #[serde(deserialize_with = "filled")]
    ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "ehlo_name")]
    ehlo_name: Option<String>,
    #[serde(deserialize_with = "timeout")]
    timeout: Option<Duration>,
}

impl Default for Mail {
    /// Letters into a folder.
    fn default() -> Self {
        Self {
            transport: Transport::Folder(None),
            from: "Greffier <greffier@localhost>".parse().expect("it is an address"),
            brand: "Greffier".to_owned(),
            support: None,
        }
    }
}

impl Encryption {
    /// The port where it is usual (RFC 6409, RFC 8314).
    const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

impl Mail {
    /// What the section says.
    pub(super) fn read(section: Section) -> Result<Self> {
        let usual = Self::default();
        if section.transport == Kind::Smtp && section.from.is_none() {
            return Err(Error::invalid("from", "missing; give the sender, such as Meet <meet@example.org>"));
        }
        let transport = match section.transport {
            Kind::None => Transport::None,
            Kind::Folder => Transport::Folder(section.folder),
            Kind::Smtp => Transport::Smtp(Smtp::read(section.smtp).map_err(|e| e.below("smtp."))?),
        };
        Ok(Self {
            transport,
            from: section.from.unwrap_or(usual.from),
            brand: section.brand.unwrap_or(usual.brand),
            support: section.support,
        })
    }
}

impl Smtp {
    fn read(section: SmtpSection) -> Result<Self> {
        let SmtpSection { host, port, encryption, username, password, ca_file, ehlo_name, timeout } = section;
        if host.trim().is_empty() {
            return Err(Error::invalid("host", "missing; give the mail server's name, such as smtp.example.org"));
        }
        let usual = encryption.port();
        let port = match port.map(|port| (port, u16::try_from(port))) {
            None => usual,
            Some((_, Ok(port))) if port > 0 => port,
            Some((port, _)) => {
                return Err(Error::invalid("port", format!("{port} is no port; use 1 to 65535, usually {usual}")));
            }
        };
        let credentials = match (username, password) {
            (Some(username), Some(password)) => Some((username, password)),
            (None, None) => None,
            (Some(_), None) => return Err(Error::invalid("password", "missing; username is given")),
            (None, Some(_)) => return Err(Error::invalid("username", "missing; password is given")),
        };
        let near = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
        if credentials.is_some() && encryption == Encryption::None && !near {
            return Err(Error::invalid("encryption", "none would send the password in clear; use starttls or tls"));
        }
        let timeout = timeout.unwrap_or(TIMEOUT);
        Ok(Self { host, port, encryption, credentials, ca_file, ehlo_name, timeout })
    }
}

fn sender<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Mailbox>, D::Error> {
    let fix = "use one such as Meet <meet@example.org>";
    checked(value, |text: Option<String>| {
        text.map(|text| text.parse().map_err(|e| format!("{text:?} is no address ({e}); {fix}"))).transpose()
    })
}

fn address<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Address>, D::Error> {
    checked(value, |text: Option<String>| {
        text.map(|text| text.parse().map_err(|e| format!("{text:?} is no address ({e})"))).transpose()
    })
}

/// Seconds.
fn timeout<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Duration>, D::Error> {
    checked(value, |seconds: Option<u32>| match seconds {
        Some(n) if !(1..=300).contains(&n) => Err(format!("{n} is out of range; use 1 to 300 seconds")),
        seconds => Ok(seconds.map(|n| Duration::from_secs(n.into()))),
    })
}

/// A domain or an address literal (RFC 5321, 4.1.3); nothing that could end the line.
fn ehlo_name<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<String>, D::Error> {
    checked(value, |name: Option<String>| {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if name.len() > 255 || !name.chars().all(fits) {
            let fix = "use one such as mail.example.org, or an address such as [192.0.2.1]";
            return Err(format!("{name:?} is no domain; {fix}"));
        }
        Ok(Some(match name.parse() {
            Ok(IpAddr::V4(address)) => format!("[{address}]"),
            Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Err(_) => name,
        }))
    })
}
