//! A real mail server: PyPI's aiosmtpd, with TLS by a private authority and passwords.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

/// The one account of a server that asks for a password.
pub const USER: &str = "greffier";
/// Its password.
pub const PASSWORD: &str = "correct horse";

/// A running mail server on a free loopback port, under the name `localhost`. Killed when dropped.
pub struct MailServer {
    /// Where it listens.
    pub port: u16,
    /// PEM of the authority that signed its certificate.
    pub ca_file: PathBuf,
    child: Child,
    lines: Receiver<String>,
    folder: TempDir,
}

/// An email as it arrived.
pub struct Arrived {
    /// The envelope, and over which connection: `from`, `to`, `tls`, `authenticated`.
    pub envelope: Value,
    /// Header and body.
    pub text: String,
}

impl MailServer {
    /// `encryption`: `none`, `starttls` or `tls`. With `password` it takes emails only after [`USER`] has shown [`PASSWORD`].
    pub fn start(encryption: &str, password: bool) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (ca_file, certificate, key) = certificates(folder.path());
        let interpreter = super::tool("venv/bin/python").expect("the mail server is missing: run `make tools`");
        let mut command = Command::new(interpreter);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/mail_server.py"))
            .args(["--encryption", encryption])
            .args([Path::new("--certificate"), &certificate, Path::new("--key"), &key]);
        if password {
            command.args(["--user", USER, "--password", PASSWORD]);
        }
        let log = File::create(folder.path().join("log")).expect("a log file");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { port: 0, ca_file, child, lines, folder };
        server.port = server.line().parse().expect("its first line is the port");
        if encryption != "tls" {
            server.greets();
        }
        server
    }

    /// It has greeted somebody.
    fn greets(&self) {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("a greeting");
        assert!(line.starts_with("220"), "{line}");
    }

    /// The next email that it takes.
    pub fn email(&self) -> Arrived {
        arrived(&self.line())
    }

    /// What is there already.
    pub fn so_far(&self) -> Vec<Arrived> {
        self.lines.try_iter().map(|line| arrived(&line)).collect()
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|error| {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            panic!("the mail server says nothing ({error}); if aiosmtpd is missing, run `make tools`\n{log}")
        })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arrived(line: &str) -> Arrived {
    let envelope: Value = serde_json::from_str(line).expect("a line of JSON per letter");
    let data = STANDARD.decode(envelope["data"].as_str().expect("the letter")).expect("base64");
    Arrived { envelope, text: String::from_utf8(data).expect("letters are text") }
}

/// Authority, certificate of `localhost`, its key.
fn certificates(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let mut ca = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
    let write = |name: &str, pem: String| {
        let path = folder.join(name);
        std::fs::write(&path, pem).expect("a file in the temporary folder");
        path
    };
    (write("ca.pem", ca.pem()), write("leaf.pem", leaf.pem()), write("key.pem", key.serialize_pem()))
}
