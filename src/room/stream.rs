//! One TCP connection of ICE (RFC 6544): we connect to the server's passive candidate; each packet is preceded by its length
//! in two bytes, the higher one first (RFC 4571).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Connecting takes at most this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Packets that wait to be written: what we send is small. Beyond that they are lost, as datagrams are.
const WAITING: usize = 64;
/// A larger packet is neither STUN, DTLS nor RTP of any server: what follows it cannot be trusted.
const PACKET: usize = 8 * 1024;

/// What a connection tells.
#[derive(Debug)]
pub(super) enum Streamed {
    /// It is open, from this address of ours.
    Open { remote: SocketAddr, local: SocketAddr },
    /// One packet.
    Packet { remote: SocketAddr, local: SocketAddr, packet: Vec<u8> },
    /// It is no more.
    Closed { remote: SocketAddr },
}

/// A connection, or the attempt to open it. Closed when dropped.
#[derive(Debug)]
pub(super) struct Stream {
    packets: mpsc::Sender<Bytes>,
    task: JoinHandle<()>,
}

impl Stream {
    /// Connects to `remote` in a task of its own.
    pub fn connect(remote: SocketAddr, events: mpsc::Sender<Streamed>) -> Self {
        let (packets, queue) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            if let Err(e) = carry(remote, queue, &events).await {
                tracing::debug!(%remote, error = %e, "ICE over TCP: connection ended");
            }
            let _ = events.send(Streamed::Closed { remote }).await;
        });
        Self { packets, task }
    }

    /// Sends one packet; when too many wait, it is lost.
    pub fn send(&self, packet: &[u8]) {
        if self.packets.try_send(Bytes::copy_from_slice(packet)).is_err() {
            tracing::trace!("ICE over TCP: packet not sent");
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    remote: SocketAddr,
    queue: mpsc::Receiver<Bytes>,
    events: &mpsc::Sender<Streamed>,
) -> std::io::Result<()> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(remote)).await??;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let (reader, writer) = stream.into_split();
    let _ = events.send(Streamed::Open { remote, local }).await;
    tokio::select! {
        end = read(reader, remote, local, events) => end,
        end = write(writer, queue) => end,
    }
}

async fn read(
    reader: OwnedReadHalf,
    remote: SocketAddr,
    local: SocketAddr,
    events: &mpsc::Sender<Streamed>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(reader);
    loop {
        let length = usize::from(reader.read_u16().await?);
        if length > PACKET {
            return Err(std::io::Error::other(format!("a packet of {length} bytes")));
        }
        let mut packet = vec![0; length];
        reader.read_exact(&mut packet).await?;
        // Waits when nobody takes them: TCP then slows the server down.
        if events.send(Streamed::Packet { remote, local, packet }).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) -> std::io::Result<()> {
    while let Some(packet) = queue.recv().await {
        let Ok(length) = u16::try_from(packet.len()) else { continue };
        let mut framed = Vec::with_capacity(packet.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&packet);
        writer.write_all(&framed).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn packets_are_framed_both_ways() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = listener.local_addr().unwrap();
        let (events, mut reported) = mpsc::channel(8);
        let stream = Stream::connect(remote, events);
        let (mut far, from) = listener.accept().await.unwrap();
        assert!(matches!(reported.recv().await, Some(Streamed::Open { local, .. }) if local == from));
        stream.send(b"ping");
        let mut got = [0; 6];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"\0\x04ping");
        // Two packets in pieces, the second empty; then a length nobody sends.
        for piece in [&b"\0"[..], b"\x03ab", b"c\0\0\xff", b"\xff"] {
            far.write_all(piece).await.unwrap();
        }
        assert!(matches!(reported.recv().await, Some(Streamed::Packet { packet, .. }) if packet == b"abc"));
        assert!(matches!(reported.recv().await, Some(Streamed::Packet { packet, .. }) if packet.is_empty()));
        assert!(matches!(reported.recv().await, Some(Streamed::Closed { .. })));
    }
}
