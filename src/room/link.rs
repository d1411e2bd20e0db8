//! The way to the server: its addresses as our clients must use them.

use super::dial;
use super::tunnel::Tunnel;
use crate::error::Result;
use crate::livekit::{ServerAddress, Site};

/// An open way to the server.
#[derive(Debug)]
pub(super) struct Link {
    endpoint: ServerAddress,
    tunnel: Option<Tunnel>,
}

impl Link {
    /// Checks the URL, and for TLS shakes hands once. Our clients give the whole of their time to a name's first address: so one
    /// with several is reached through a tunnel, too.
    pub async fn open(site: &Site) -> Result<Self> {
        let endpoint = site.endpoint()?;
        let tunnelled = endpoint.tls || dial::has_several(&endpoint.authority()).await;
        let tunnel = if tunnelled { Some(Tunnel::open(site, &endpoint).await?) } else { None };
        Ok(Self { endpoint, tunnel })
    }

    /// Where the signalling client connects to.
    pub fn ws_url(&self) -> String {
        let authority = match &self.tunnel {
            Some(tunnel) => format!("127.0.0.1:{}", tunnel.port),
            None => self.endpoint.authority(),
        };
        format!("ws://{authority}{}", self.endpoint.path)
    }
}
