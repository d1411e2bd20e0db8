//! A way to the server that can be cut, slowed, stopped or spoilt, and one that speaks TLS with a certificate of a private
//! authority.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// Forwards every connection to the server, until it is cut.
pub struct Proxy {
    /// `ws://127.0.0.1:port`.
    pub url: String,
    /// The port it listens on.
    pub port: u16,
    server: Arc<AtomicU16>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    weather: Arc<Weather>,
}

/// What happens to the bytes on their way.
#[derive(Default)]
struct Weather {
    /// Nothing passes, and nobody is notified.
    stopped: AtomicBool,
    /// Each piece waits so many milliseconds.
    delay_ms: AtomicU64,
    /// The server gets the next large piece with one byte changed.
    spoil: AtomicBool,
    /// The connection ends once the server has got so many bytes more; 0 for never.
    cut_after: AtomicU64,
    /// How many bytes the server got.
    passed: AtomicU64,
    /// How many bytes came back from it.
    returned: AtomicU64,
}

impl Proxy {
    /// In front of the server that listens on this loopback port.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let port = listener.local_addr().expect("its address").port();
        let url = format!("ws://127.0.0.1:{port}");
        let weather = Arc::new(Weather::default());
        let above = weather.clone();
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = open.clone();
        let server = Arc::new(AtomicU16::new(server));
        let leads_to = server.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, leads_to.load(Relaxed))) else { continue };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                kept.lock().expect("not poisoned").extend([clone(&near), clone(&far)]);
                let (near2, far2) = (clone(&near), clone(&far));
                let (up, down) = (above.clone(), above.clone());
                std::thread::spawn(move || copy(near, far, &up, true));
                std::thread::spawn(move || copy(far2, near2, &down, false));
            }
        });
        Self { url, port, server, open, weather }
    }

    /// Ends every connection; new ones lead to this loopback port.
    pub fn lead_to(&self, server: u16) {
        self.cut(|| self.server.store(server, Relaxed));
    }

    /// Half-open: connections stay, new ones are taken, and nothing passes; until it is ended by `false`.
    pub fn stop_passing(&self, stopped: bool) {
        self.weather.stopped.store(stopped, Relaxed);
    }

    /// Each piece waits so long on its way.
    pub fn delay(&self, delay: Duration) {
        self.weather.delay_ms.store(u64::try_from(delay.as_millis()).expect("a short delay"), Relaxed);
    }

    /// The server gets the next large piece with one byte changed.
    pub fn spoil_next(&self) {
        self.weather.spoil.store(true, Relaxed);
    }

    /// The connection ends once the server has got so many bytes more.
    pub fn cut_after(&self, bytes: u64) {
        self.weather.cut_after.store(bytes, Relaxed);
    }

    /// How many bytes the server got.
    pub fn passed(&self) -> u64 {
        self.weather.passed.load(Relaxed)
    }

    /// How many bytes came back from the server.
    pub fn returned(&self) -> u64 {
        self.weather.returned.load(Relaxed)
    }

    /// Ends every connection; new ones are let through once `meanwhile` is done.
    pub fn cut(&self, meanwhile: impl FnOnce()) {
        let mut open = self.open.lock().expect("not poisoned");
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        meanwhile();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, weather: &Weather, up: bool) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        std::thread::sleep(Duration::from_millis(weather.delay_ms.load(Relaxed)));
        while weather.stopped.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if up {
            if length > 8 * 1024 && weather.spoil.swap(false, Relaxed) {
                buffer[length - 1] ^= 1;
            }
            let (passing, left) = (length as u64, weather.cut_after.load(Relaxed));
            weather.cut_after.store(left.saturating_sub(passing), Relaxed);
            if left > 0 && left <= passing {
                break;
            }
            weather.passed.fetch_add(passing, Relaxed);
        } else {
            weather.returned.fetch_add(length as u64, Relaxed);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// An API with TLS in front of the server, its certificate signed by an authority nobody knows.
pub struct TlsFront {
    /// `wss://localhost:port`.
    pub url: String,
    /// PEM of the authority.
    pub ca_file: PathBuf,
    _folder: TempDir,
}

impl TlsFront {
    /// In front of the server that listens on this loopback port.
    pub fn start(server: u16) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut ca = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
        let folder = TempDir::new().expect("a temporary folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca.pem()).expect("the authority is written");
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .expect("a TLS configuration");
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let url = format!("wss://localhost:{}", listener.local_addr().expect("its address").port());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let config = config.clone();
                std::thread::spawn(move || forward(config, near, server));
            }
        });
        Self { url, ca_file, _folder: folder }
    }
}

/// One thread for both directions: it looks at each side for a moment in turn.
fn forward(config: Arc<ServerConfig>, near: TcpStream, server: u16) {
    use std::io::{ErrorKind, Read};
    let moment = Some(std::time::Duration::from_millis(5));
    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { return };
    let Ok(session) = ServerConnection::new(config) else { return };
    let mut near = StreamOwned::new(session, near);
    if near.sock.set_read_timeout(moment).is_err() || far.set_read_timeout(moment).is_err() {
        return;
    }
    let mut buffer = [0; 16 * 1024];
    let later = |e: &std::io::Error| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    loop {
        match near.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if far.write_all(&buffer[..n]).is_err() => return,
            Ok(_) => {}
            Err(e) if later(&e) => {}
            Err(_) => return,
        }
        match far.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if near.write_all(&buffer[..n]).and_then(|()| near.flush()).is_err() => return,
            Ok(_) => {}
            Err(e) if later(&e) => {}
            Err(_) => return,
        }
    }
}
