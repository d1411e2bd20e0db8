//! TLS to the server with the trust the operator configured, for a client that can only speak plain TCP.
//!
//! LiveKit's signalling client takes the system's certificates or none at all. So for `wss://` it talks to a port on
//! loopback, and this tunnel speaks TLS on its behalf, with a private authority where needed. For `ws://` it only finds out which of a
//! name's addresses answers.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::dial::dial;
use crate::error::{Error, ErrorKind, Result};
use crate::livekit::{ServerAddress, Site, client_config};

/// Shaking hands takes at most this long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// An HTTP request's head is not larger.
const MAX_HEAD: usize = 32 * 1024;

/// A loopback port whose connections end at the server, encrypted for `wss://`. Closed when dropped.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// On 127.0.0.1.
    pub port: u16,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Shakes hands once, so that an untrusted certificate or an unreachable host is said here and now.
    pub async fn open(site: &Site, endpoint: &ServerAddress) -> Result<Self> {
        let tls = if endpoint.tls { Some(TlsConnector::from(Arc::new(client_config(site)?))) } else { None };
        let far = Far { tls, endpoint: endpoint.clone() };
        drop(far.connect().await?);
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot listen on loopback for the tunnel: {e}")))?;
        let port = listener
            .local_addr()
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the tunnel has no address: {e}")))?
            .port();
        let far = Arc::new(far);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = far.clone();
                tokio::spawn(async move {
                    if let Err(e) = far.serve(near).await {
                        tracing::debug!(error = %e, "tunnel: connection ended");
                    }
                });
            }
        });
        Ok(Self { port, task })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The far end.
struct Far {
    /// Not for `ws://`.
    tls: Option<TlsConnector>,
    endpoint: ServerAddress,
}

/// A connection to it.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Far {
    async fn connect(&self) -> Result<Box<dyn Wire>> {
        let ServerAddress { host, .. } = &self.endpoint;
        let at = self.endpoint.authority();
        let unreachable = |e: String| Error::of_field(ErrorKind::Unavailable, "url", format!("cannot reach {at}: {e}"));
        let tcp = dial(&at).await.map_err(|e| unreachable(e.to_string()))?;
        let Some(connector) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Error::invalid("url", format!("{host} is not a host name")))?;
        let secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(name, tcp))
            .await
            .map_err(|_| unreachable("no TLS handshake".into()))?
            .map_err(|e| unreachable(format!("{e}; a private certificate authority goes into ca_file")))?;
        Ok(Box::new(secured))
    }

    /// Forwards one connection. The first request's `Host` must name the server, not the tunnel: proxies route by it.
    async fn serve(&self, mut near: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|w| w == b"\r\n\r\n") {
            if head.len() > MAX_HEAD || near.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let mut far = self.connect().await.map_err(std::io::Error::other)?;
        far.write_all(&with_host(&head, &self.endpoint)).await?;
        copy_bidirectional(&mut near, &mut far).await?;
        Ok(())
    }
}

/// The request head with `Host` replaced.
fn with_host(head: &[u8], endpoint: &ServerAddress) -> Vec<u8> {
    let usual = if endpoint.tls { 443 } else { 80 };
    let host = if endpoint.port == usual { endpoint.host.clone() } else { endpoint.authority() };
    let mut out = Vec::with_capacity(head.len() + host.len());
    for line in head.split_inclusive(|b| *b == b'\n') {
        if line.len() >= 5 && line[..5].eq_ignore_ascii_case(b"host:") {
            out.extend_from_slice(format!("Host: {host}\r\n").as_bytes());
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_names_the_server() {
        let endpoint = ServerAddress { tls: true, host: "lk.example.org".into(), port: 443, path: String::new() };
        let head = b"GET /rtc HTTP/1.1\r\nhost: 127.0.0.1:40000\r\nUpgrade: websocket\r\n\r\n";
        let out = String::from_utf8(with_host(head, &endpoint)).unwrap();
        assert_eq!(out, "GET /rtc HTTP/1.1\r\nHost: lk.example.org\r\nUpgrade: websocket\r\n\r\n");
    }
}
