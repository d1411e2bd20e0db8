//! Connects to a host by name. It is looked up once for each connection, and all of its addresses are tried: a name may have one that
//! leads nowhere from here, as IPv6 often does.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

/// Looking up and connecting take at most this long together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// An address has this long before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A TCP connection to `host:port`, to the first of its addresses that answers.
pub(super) async fn dial(authority: &str) -> std::io::Result<TcpStream> {
    let dialled = async { first(addresses(authority).await?).await };
    tokio::time::timeout(CONNECT_TIMEOUT, dialled).await?
}

/// It has more than one address.
pub(super) async fn has_several(authority: &str) -> bool {
    let found = tokio::time::timeout(CONNECT_TIMEOUT, addresses(authority)).await;
    found.is_ok_and(|found| found.is_ok_and(|found| found.len() > 1))
}

async fn addresses(authority: &str) -> std::io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<_> = lookup_host(authority).await?.collect();
    addresses.dedup();
    Ok(addresses)
}

async fn first(addresses: Vec<SocketAddr>) -> std::io::Result<TcpStream> {
    let mut left = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut error = std::io::Error::other("the name has no address");
    loop {
        if let Some(address) = left.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(e))) => error = e,
                Some(Err(e)) => error = std::io::Error::other(e),
                None => return Err(error),
            },
            () = tokio::time::sleep(HEAD_START), if left.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;

    /// From TEST-NET-1 (RFC 5737): nobody is there, and a router may say so or not.
    const NOWHERE: &str = "192.0.2.1:9";

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_keeps_nobody_from_the_next() {
        let (_listener, at) = listener().await;
        let began = Instant::now();
        let stream = first(vec![NOWHERE.parse().unwrap(), NOWHERE.parse().unwrap(), at]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), at);
        assert!(began.elapsed() < CONNECT_TIMEOUT, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn who_refuses_is_passed_over_at_once_and_the_error_is_the_last_ones() {
        let (listener, at) = listener().await;
        drop(listener);
        let (_other, there) = self::listener().await;
        assert_eq!(first(vec![at, there]).await.unwrap().peer_addr().unwrap(), there);
        assert_eq!(first(vec![at, at]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(first(vec![]).await.unwrap_err().to_string().contains("no address"));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_an_address_is_itself() {
        let (_listener, at) = listener().await;
        assert!(!has_several(&at.to_string()).await);
        assert_eq!(dial(&at.to_string()).await.unwrap().peer_addr().unwrap(), at);
        assert!(dial("no-such-host.invalid:1").await.is_err());
    }
}
