//! The section `mail`: emails to owners and how they leave.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;

use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::secret::Secret;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// `none`: in clear. A password is not sent in clear to another machine.
    None,
    /// `starttls`: TLS, required, after a greeting in clear.
    StartTls,
    /// `tls`: from the first byte.
    Tls,
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

impl Mail {
    pub(super) fn read(mut fields: Fields, unknown: &mut Vec<String>) -> Result<Self> {
        let usual = Self::default();
        let mut smtp = fields.section("smtp")?;
        let transport = fields.text("transport")?.unwrap_or_else(|| "folder".to_owned());
        let folder = fields.text("folder")?.map(PathBuf::from);
        let is_smtp = transport == "smtp";
        let transport = match transport.as_str() {
            "none" => Transport::None,
            "folder" => Transport::Folder(folder),
            "smtp" => Transport::Smtp(Smtp::read(&mut smtp)?),
            other => {
                let why = format!("there is no transport {other:?}; use folder, smtp or none");
                return Err(Error::invalid(&fields.path_of("transport"), why));
            }
        };
        if is_smtp {
            unknown.extend(smtp.left());
        }
        let path = fields.path_of("from");
        let from = match fields.text("from")? {
            Some(text) => text.parse().map_err(|e| {
                Error::invalid(&path, format!("{text:?} is no address ({e}); use one such as Meet <meet@example.org>"))
            })?,
            None if is_smtp => {
                return Err(Error::invalid(&path, "missing; give the sender, such as Meet <meet@example.org>"));
            }
            None => usual.from,
        };
        let path = fields.path_of("support");
        let support = fields
            .text("support")?
            .map(|text| text.parse().map_err(|e| Error::invalid(&path, format!("{text:?} is no address ({e})"))));
        let mail = Self {
            transport,
            from,
            brand: fields.text("brand")?.unwrap_or(usual.brand),
            support: support.transpose()?,
        };
        unknown.extend(fields.left());
        Ok(mail)
    }
}

impl Smtp {
    fn read(fields: &mut Fields) -> Result<Self> {
        let host = fields.text("host")?.filter(|host| !host.trim().is_empty()).ok_or_else(|| {
            Error::invalid(&fields.path_of("host"), "missing; give the mail server's name, such as smtp.example.org")
        })?;
        let path = fields.path_of("encryption");
        let (encryption, usual) = match fields.text("encryption")?.as_deref() {
            Some("none") => (Encryption::None, 25),
            Some("starttls") | None => (Encryption::StartTls, 587),
            Some("tls") => (Encryption::Tls, 465),
            Some(other) => {
                return Err(Error::invalid(&path, format!("there is no {other:?}; use none, starttls or tls")));
            }
        };
        let path = fields.path_of("port");
        let port = match fields.number("port")? {
            Some(port) => u16::try_from(port)
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| Error::invalid(&path, format!("{port} is no port; use 1 to 65535, usually {usual}")))?,
            None => usual,
        };
        let (username, password) = (fields.text("username")?, fields.text("password")?.map(Secret::new));
        let credentials = match (username, password) {
            (Some(username), Some(password)) => Some((username, password)),
            (None, None) => None,
            (Some(_), None) => return Err(Error::invalid(&fields.path_of("password"), "missing; username is given")),
            (None, Some(_)) => return Err(Error::invalid(&fields.path_of("username"), "missing; password is given")),
        };
        let near = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
        if credentials.is_some() && encryption == Encryption::None && !near {
            let path = fields.path_of("encryption");
            return Err(Error::invalid(&path, "none would send the password in clear; use starttls or tls"));
        }
        let path = fields.path_of("timeout");
        let seconds = fields.number("timeout")?.unwrap_or(30);
        if !(1..=300).contains(&seconds) {
            return Err(Error::invalid(&path, format!("{seconds} is out of range; use 1 to 300 seconds")));
        }
        let ca_file = fields.text("ca_file")?.map(PathBuf::from);
        let timeout = Duration::from_secs(seconds.into());
        let ehlo_name = ehlo_name(fields)?;
        Ok(Self { host, port, encryption, credentials, ca_file, ehlo_name, timeout })
    }
}

/// A domain or an address literal (RFC 5321, 4.1.3); nothing that could end the line.
fn ehlo_name(fields: &mut Fields) -> Result<Option<String>> {
    let path = fields.path_of("ehlo_name");
    let Some(name) = fields.text("ehlo_name")?.filter(|name| !name.is_empty()) else { return Ok(None) };
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if name.len() > 255 || !name.chars().all(fits) {
        let why = format!("{name:?} is no domain; use one such as mail.example.org, or an address such as [192.0.2.1]");
        return Err(Error::invalid(&path, why));
    }
    let address = name.parse::<std::net::IpAddr>();
    Ok(Some(match address {
        Ok(std::net::IpAddr::V4(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => name,
    }))
}
