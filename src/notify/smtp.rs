//! One email to one mail server. Which answers judge the email, and which only the moment or ourselves.

use std::net::IpAddr;

use lettre::Message;
use lettre::transport::smtp::Error as Refusal;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::net::UdpSocket;

use super::email::mask;
use super::settings::{Encryption, Smtp};
use crate::error::{Attempt, Error, ErrorKind, Result, Undelivered, chain};

/// The way to the server.
pub(super) struct Server {
    settings: Smtp,
    tls: Option<TlsParameters>,
    /// What EHLO says; without one, the address that the server sees.
    name: Option<String>,
}

/// How far the talk had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Greeting, EHLO, STARTTLS, AUTH, MAIL: about us, or about nobody.
    Before,
    /// RCPT, DATA and the email.
    Email,
}

impl Server {
    /// `domains` may stand in EHLO, the best first.
    pub fn new(settings: &Smtp, domains: &[&str]) -> Result<Self> {
        let tls = match settings.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => Some(tls(settings)?),
        };
        let usual = || domains.iter().find_map(|domain| full_name(domain));
        Ok(Self { settings: settings.clone(), tls, name: settings.ehlo_name.clone().or_else(usual) })
    }

    /// Sends it. Never again when the server refuses this email or its recipient for good.
    pub async fn send(&self, email: &Message, recipient: &str) -> Attempt {
        let mut stage = Stage::Before;
        let talk = self.talk(email, &mut stage);
        let late = |_| Error::new(ErrorKind::Unavailable, "mail: the mail server took too long");
        let sent = tokio::time::timeout(self.settings.timeout, talk).await.map_err(late)?;
        sent.map_err(|e| refusal(&e, stage, recipient))
    }

    async fn talk(&self, email: &Message, stage: &mut Stage) -> std::result::Result<(), Refusal> {
        let Smtp { host, port, encryption, credentials, timeout, ehlo_name: _, ca_file: _ } = &self.settings;
        let name = self.name().await;
        let (at_once, later) = match encryption {
            Encryption::None => (None, None),
            Encryption::StartTls => (None, self.tls.clone()),
            Encryption::Tls => (self.tls.clone(), None),
        };
        let place = (host.as_str(), *port);
        let mut server = AsyncSmtpConnection::connect_tokio1(place, Some(*timeout), &name, at_once, None).await?;
        if let Some(tls) = later {
            server.starttls(tls, &name).await?;
        }
        if let Some((user, password)) = credentials {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            server.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        let (envelope, bytes) = (email.envelope(), email.formatted());
        let mut parameters = Vec::new();
        let ascii = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
        if !envelope.from().into_iter().chain(envelope.to()).all(ascii)
            && server.server_info().supports_feature(Extension::SmtpUtfEight)
        {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !bytes.is_ascii() && server.server_info().supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        server.command(Mail::new(envelope.from().cloned(), parameters)).await?;
        *stage = Stage::Email;
        for to in envelope.to() {
            server.command(Rcpt::new(to.clone(), Vec::new())).await?;
        }
        server.command(Data).await?;
        server.message(&bytes).await?;
        // It has the email; how it takes the farewell changes nothing.
        server.abort().await;
        Ok(())
    }

    /// RFC 5321, 4.1.4: a domain of ours, and without one an address literal.
    async fn name(&self) -> ClientId {
        if let Some(name) = &self.name {
            return ClientId::Domain(name.clone());
        }
        let seen = async {
            let socket = UdpSocket::bind(("::", 0)).await.or(UdpSocket::bind(("0.0.0.0", 0)).await)?;
            // Nothing is sent: the system says from where it would be.
            socket.connect((self.settings.host.as_str(), self.settings.port)).await?;
            socket.local_addr()
        };
        match seen.await.map(|address| address.ip().to_canonical()) {
            Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
            Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
            Err(_) => ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST),
        }
    }
}

/// A domain as EHLO takes it: with a dot, in ASCII. The name of a container has none.
fn full_name(domain: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://{}/", domain.trim_end_matches('.'))).ok()?;
    let name = url.domain()?;
    let invented = [".local", ".internal", ".localhost", ".localdomain", ".invalid"];
    (name.contains('.') && !invented.iter().any(|end| name.ends_with(end))).then(|| name.to_owned())
}

fn tls(smtp: &Smtp) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(path) = &smtp.ca_file {
        let wrong = |why: String| Error::invalid("mail.smtp.ca_file", format!("{}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
        let certificate = Certificate::from_pem(&pem).map_err(|e| wrong(format!("not PEM: {e}")))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|e| Error::invalid("mail.smtp", format!("no TLS with {}: {e}", smtp.host)))
}

/// What the mail server's answer means; it may repeat the address, which logs do not show.
fn refusal(error: &Refusal, stage: Stage, address: &str) -> Undelivered {
    let text = chain(error);
    let code = error.status().map(u16::from);
    let shown = text.replace(address, &mask(address)).replace(char::is_control, " ");
    let shown = format!("mail to {}: {shown}", mask(address));
    if code.is_some_and(|code| is_final(stage, code, &text)) {
        Undelivered::Never(Error::new(ErrorKind::InvalidArgument, shown))
    } else {
        Undelivered::Retry(Error::new(ErrorKind::Unavailable, shown))
    }
}

/// Only a refusal of this email or its recipient is for ever (RFC 5321, 4.2.1). What a server says before speaks of us, of our
/// settings or of its bad day; and Postfix keeps what it has against our name, our address or our sender until RCPT.
fn is_final(stage: Stage, code: u16, text: &str) -> bool {
    let judges = matches!(code, 550..=556);
    let text = text.to_ascii_lowercase();
    let of_us =
        ["helo", "client host", "sender", "relay", "authenticat", "blocked", "blacklist", "spamhaus", "reverse"];
    // RFC 3463: X.1.0 to X.1.6 and X.1.10 are of the recipient's address, X.2 of its mailbox.
    let of_recipient = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2."].iter().any(|code| text.contains(code));
    stage == Stage::Email && judges && (of_recipient || !of_us.iter().any(|word| text.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_judgement_of_the_letter_is_final() {
        use Stage::{Before, Email};
        let table = [
            (Email, 550, "5.1.1 <a@b>: Recipient address rejected: User unknown", true),
            (Email, 550, "no such user", true),
            (Email, 552, "5.2.2 mailbox full", true),
            (Email, 554, "5.6.0 content rejected", true),
            (Email, 504, "5.5.2 <box>: Helo command rejected: need fully-qualified hostname", false),
            (Email, 550, "5.7.1 <box>: Helo command rejected: Host not found", false),
            (Email, 554, "5.7.1 <a@b>: Relay access denied", false),
            (Email, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", false),
            (Email, 553, "5.7.1 <x@y>: Sender address rejected: not owned by user", false),
            (Email, 530, "5.7.0 Authentication required", false),
            (Email, 451, "4.7.1 greylisted", false),
            (Email, 421, "too busy", false),
            (Before, 554, "no SMTP service here", false),
            (Before, 550, "bad EHLO", false),
            (Before, 504, "need a name", false),
            (Before, 535, "wrong password", false),
            (Before, 553, "sender not allowed", false),
        ];
        for (stage, code, text, wanted) in table {
            assert_eq!(is_final(stage, code, text), wanted, "{stage:?} {code} {text}");
        }
    }

    #[test]
    fn a_name_for_ehlo_has_a_dot() {
        let table = [
            ("meet.example.org", Some("meet.example.org")),
            ("example.org.", Some("example.org")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("localhost", None),
            ("3f2a9c1b", None),
            ("greffier.local", None),
            ("127.0.0.1", None),
            ("", None),
        ];
        for (domain, wanted) in table {
            assert_eq!(full_name(domain).as_deref(), wanted, "{domain}");
        }
    }
}
