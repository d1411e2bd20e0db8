//! nginx with `docker/nginx.conf`, and a client that sends what it is told, byte for byte.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// The name that the file has.
pub const NAME: &str = "record.example.org";
/// Whose connections these are when nothing else is said.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// nginx in front of a sidecar. It ends with this.
pub struct Front {
    child: Child,
    folder: TempDir,
    http: SocketAddr,
    https: SocketAddr,
    /// What says the least that a proxy can say: HTTP/1.1, no header of its own, our address as Host.
    pub silent: SocketAddr,
    tls: Arc<ClientConfig>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A loopback address that nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap()
}

/// The one who runs this, by `id`'s flag.
fn own(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().expect("id is installed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Front {
    /// In front of the sidecar at this address, whose files are in this folder or in this bucket (`host:port/bucket`).
    pub fn start(sidecar: SocketAddr, files: &Path, bucket: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        let certified = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        fs::write(place("certificate.pem"), certified.cert.pem()).unwrap();
        fs::write(place("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let (http, https, silent) = (free(), free(), free());

        let mut text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/nginx.conf")).unwrap();
        for (here, there) in [
            ("listen [::]:80", format!("listen {}", free())),
            ("listen [::]:443", format!("listen {}", free())),
            ("listen 80", format!("listen {http}")),
            ("listen 443", format!("listen {https}")),
            ("server 127.0.0.1:7990;", format!("server {sidecar};")),
            ("/etc/letsencrypt/live/record.example.org/fullchain.pem", place("certificate.pem")),
            ("/etc/letsencrypt/live/record.example.org/privkey.pem", place("key.pem")),
            ("/var/log/nginx/greffier.log", place("access.log")),
            ("alias /srv/recordings/;", format!("alias {}/;", files.display())),
            ("http://minio:9000/recordings/;", format!("http://{bucket}/;")),
        ] {
            assert!(text.contains(here), "docker/nginx.conf has no {here:?}");
            text = text.replace(here, &there);
        }
        fs::write(place("greffier.conf"), text).unwrap();
        // What a distribution's nginx.conf says, and a proxy that does not show itself.
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {};\n", place(name)))
            .collect();
        let main = format!(
            "daemon off;\nuser {} {};\npid {};\nworker_processes 1;\nevents {{ worker_connections 256; }}\n\
             http {{\n{temporary}include {};\n\
             server {{ listen {silent}; location / {{ proxy_http_version 1.1; proxy_pass http://{sidecar}; }} }}\n}}\n",
            own("-un"),
            own("-gn"),
            place("nginx.pid"),
            place("greffier.conf"),
        );
        fs::write(place("nginx.conf"), main).unwrap();

        let log = fs::File::create(place("error.log")).unwrap();
        let child = Command::new("nginx")
            .args(["-p", &place(""), "-c", &place("nginx.conf"), "-e", "stderr"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("nginx is missing: run `make debian` ({error})"));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(certified.cert.der().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
        let mut front = Self { child, folder, http, https, silent, tls };
        let began = Instant::now();
        while [http, https, silent].iter().any(|address| std::net::TcpStream::connect(address).is_err()) {
            let ended = front.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(20),
                "nginx: {ended:?}\n{}",
                front.errors()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        front
    }

    /// The access log, and whatever else nginx wrote.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn errors(&self) -> String {
        self.log("error.log")
    }

    /// A request over TLS, with this path as it is.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send_from(CLIENT, method, path, headers, body).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "").await
    }

    /// The same, over a connection from this address.
    pub async fn send_from(
        &self,
        client: Ipv4Addr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let stream = self.tls(client, NAME).await.expect("a TLS connection");
        exchange(stream, method, path, headers, body).await.expect("an answer")
    }

    /// A TLS connection for this name.
    pub async fn tls(
        &self,
        client: Ipv4Addr,
        name: &str,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        connector.connect(name, connect(client, self.https).await).await
    }

    /// A request without TLS; nothing when the connection ends without an answer.
    pub async fn plain(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        exchange(connect(CLIENT, self.http).await, "GET", path, headers, "").await
    }

    /// A request by way of the proxy that says nothing of itself.
    pub async fn silently(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        exchange(connect(CLIENT, self.silent).await, method, path, headers, "").await.expect("an answer")
    }
}

async fn connect(client: Ipv4Addr, server: SocketAddr) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((client, 0).into()).unwrap();
    socket.connect(server).await.expect("nginx takes connections")
}

/// One request on this connection. `None` when it ends without an answer.
pub async fn exchange(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("Host", NAME);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    let answered = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.ok()?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("the whole body").to_bytes();
        connection.abort();
        Some(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    };
    tokio::time::timeout(Duration::from_secs(20), answered).await.expect("an answer in time")
}

impl Drop for Front {
    fn drop(&mut self) {
        // A killed master would leave its worker behind.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- nginx ---\n{}\n{}", self.log("access.log"), self.errors());
        }
    }
}
