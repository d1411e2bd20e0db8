//! What a peer connection sends and receives by: UDP sockets, and TCP connections where UDP does not pass.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use str0m::net::{Protocol, Transmit};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::stream::{Stream, Streamed};
use crate::error::{Error, ErrorKind, Result};

/// A server sends from the addresses it names, and from a few that it does not know of (behind NAT). Whoever else sends to us
/// is a stranger: of so many we ask the kernel and remember the answer, of no more.
const UNNAMED: usize = 32;
/// TCP connections to one server.
const STREAMS: usize = 8;
/// Packets of TCP connections that wait to be taken.
const STREAMED: usize = 256;

/// One UDP socket for each IP version, bound to every address of the machine, and the TCP connections.
pub(super) struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    routes: Routes,
    streams: HashMap<SocketAddr, Stream>,
    streamed: mpsc::Receiver<Streamed>,
    /// Given to each stream.
    sender: mpsc::Sender<Streamed>,
}

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// One packet, of this length, in the buffer.
    Packet { proto: Protocol, length: usize, source: SocketAddr, destination: SocketAddr },
    /// A TCP connection stands, from this address of ours.
    Open { remote: SocketAddr, local: SocketAddr },
}

/// Which address of ours faces which of theirs: asked of the kernel once each.
#[derive(Default)]
struct Routes {
    known: HashMap<IpAddr, IpAddr>,
    unnamed: usize,
}

impl Routes {
    /// To an address that the server has named.
    fn to(&mut self, remote: IpAddr, ask: impl FnOnce() -> Option<IpAddr>) -> Option<IpAddr> {
        match self.known.get(&remote) {
            Some(ip) => Some(*ip),
            None => Some(*self.known.entry(remote).or_insert(ask()?)),
        }
    }

    /// To whoever has sent us a datagram, which anybody can, under any address.
    fn back(&mut self, source: IpAddr, ask: impl FnOnce() -> Option<IpAddr>) -> Option<IpAddr> {
        let known = self.known.contains_key(&source);
        if !known && self.unnamed >= UNNAMED {
            return None;
        }
        self.unnamed += usize::from(!known);
        self.to(source, ask)
    }
}

impl Sockets {
    /// Opens them; one IP version suffices.
    pub async fn open() -> Result<Self> {
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await;
        let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok();
        match (v4, &v6) {
            (Err(e), None) => Err(Error::new(ErrorKind::ResourceExhausted, format!("cannot open a UDP socket: {e}"))),
            (v4, _) => {
                let (sender, streamed) = mpsc::channel(STREAMED);
                let (routes, streams) = (Routes::default(), HashMap::new());
                Ok(Self { v4: v4.ok(), v6, routes, streams, streamed, sender })
            }
        }
    }

    /// Opens a TCP connection to the server's passive candidate; [`Arrival::Open`] follows, if it can be had. False when there
    /// is one, or when there are too many.
    pub fn connect(&mut self, remote: SocketAddr) -> bool {
        if self.streams.len() >= STREAMS || self.streams.contains_key(&remote) {
            return false;
        }
        self.streams.insert(remote, Stream::connect(remote, self.sender.clone()));
        true
    }

    fn for_address(&self, address: IpAddr) -> Option<&UdpSocket> {
        match address {
            IpAddr::V4(_) => self.v4.as_ref(),
            IpAddr::V6(_) => self.v6.as_ref(),
        }
    }

    /// Our address and port as `remote`, which the server has named, sees them (host candidate).
    pub fn local_for(&mut self, remote: SocketAddr) -> Option<SocketAddr> {
        let port = self.port(remote)?;
        let ip = self.routes.to(remote.ip(), || route_to(remote))?;
        Some(SocketAddr::new(ip, port))
    }

    /// ICE begins anew: forgets which of our addresses faces whom, since the machine's may have changed, and closes the TCP
    /// connections, each of which belongs to the ICE credentials it began with.
    pub fn forget(&mut self) {
        self.routes = Routes::default();
        self.streams.clear();
    }

    fn port(&self, remote: SocketAddr) -> Option<u16> {
        Some(self.for_address(remote.ip())?.local_addr().ok()?.port())
    }

    /// A datagram that cannot be sent now is lost, as on any network.
    pub fn send(&self, transmit: &Transmit) {
        if transmit.proto != Protocol::Udp {
            if let Some(stream) = self.streams.get(&transmit.destination) {
                stream.send(&transmit.contents);
            }
            return;
        }
        let Some(socket) = self.for_address(transmit.destination.ip()) else { return };
        if let Err(e) = socket.try_send_to(&transmit.contents, transmit.destination) {
            tracing::trace!(to = %transmit.destination, error = %e, "datagram not sent");
        }
    }

    /// The next packet or connection. `buffer` holds the largest packet. Cancel-safe.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> Arrival {
        loop {
            let received = tokio::select! {
                received = datagram(self.v4.as_ref(), self.v6.as_ref(), buffer) => received,
                Some(streamed) = self.streamed.recv() => match self.streamed(streamed, buffer) {
                    Some(arrival) => return arrival,
                    None => continue,
                },
            };
            // An ICMP "port unreachable" of an earlier datagram comes as an error: nothing to do about it.
            let Ok((length, source)) = received else { continue };
            let ip = self.routes.back(source.ip(), || route_to(source));
            if let (Some(ip), Some(port)) = (ip, self.port(source)) {
                return Arrival::Packet {
                    proto: Protocol::Udp,
                    length,
                    source,
                    destination: SocketAddr::new(ip, port),
                };
            }
        }
    }

    fn streamed(&mut self, streamed: Streamed, buffer: &mut [u8]) -> Option<Arrival> {
        match streamed {
            Streamed::Open { remote, local } => Some(Arrival::Open { remote, local }),
            Streamed::Packet { remote, local, packet } => {
                let length = packet.len();
                buffer.get_mut(..length)?.copy_from_slice(&packet);
                Some(Arrival::Packet { proto: Protocol::Tcp, length, source: remote, destination: local })
            }
            Streamed::Closed { remote } => {
                self.streams.remove(&remote);
                None
            }
        }
    }
}

async fn datagram(
    v4: Option<&UdpSocket>,
    v6: Option<&UdpSocket>,
    buffer: &mut [u8],
) -> std::io::Result<(usize, SocketAddr)> {
    match (v4, v6) {
        (Some(v4), Some(v6)) => {
            tokio::select! {
                _ = v4.readable() => v4.try_recv_from(buffer),
                _ = v6.readable() => v6.try_recv_from(buffer),
            }
        }
        (Some(one), None) | (None, Some(one)) => one.recv_from(buffer).await,
        (None, None) => std::future::pending().await,
    }
}

/// The address of ours from which `remote` is reached. Nothing is sent.
fn route_to(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let probe = std::net::UdpSocket::bind(any).ok()?;
    probe.connect(remote).ok()?;
    Some(probe.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_no_memory_and_keep_nobody_out() {
        let mut routes = Routes::default();
        let ours = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let far = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
        let mut requested = 0;
        for n in 0..100_000 {
            let _ = routes.back(far(n), || {
                requested += 1;
                Some(ours)
            });
        }
        assert_eq!((requested, routes.known.len()), (UNNAMED, UNNAMED));
        assert_eq!(routes.to(far(200_000), || Some(ours)), Some(ours), "the server's own are always found");
        assert_eq!(routes.back(far(200_000), || None), Some(ours));
        assert_eq!(routes.back(far(300_000), || Some(ours)), None);
    }
}
