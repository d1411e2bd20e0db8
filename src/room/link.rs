//! The way to the server: its addresses as our clients must use them, and whether a room exists.

use std::time::Duration;

use super::server::{Endpoint, Server};
use super::token;
use super::tunnel::Tunnel;
use crate::error::{Error, ErrorKind, Result};

/// One HTTP request takes at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// An open way to the server.
#[derive(Debug)]
pub(super) struct Link {
    server: Server,
    endpoint: Endpoint,
    tunnel: Option<Tunnel>,
}

impl Link {
    /// Checks the URL and the key, and for TLS shakes hands once.
    pub async fn open(server: &Server) -> Result<Self> {
        server.validate()?;
        let endpoint = server.endpoint()?;
        let tunnel = if endpoint.tls { Some(Tunnel::open(server, &endpoint).await?) } else { None };
        Ok(Self { server: server.clone(), endpoint, tunnel })
    }

    /// Where the signalling client connects to.
    pub fn ws_url(&self) -> String {
        format!("ws://{}{}", self.authority(), self.endpoint.path)
    }

    fn authority(&self) -> String {
        match &self.tunnel {
            Some(tunnel) => format!("127.0.0.1:{}", tunnel.port),
            None => self.endpoint.authority(),
        }
    }

    /// Fails when the key is refused, the server cannot be reached, or the room does not exist: joining would create it.
    pub async fn expect_room(&self, room: &str) -> Result<()> {
        let url = format!("http://{}{}/twirp/livekit.RoomService/ListRooms", self.authority(), self.endpoint.path);
        let token = token::lister(&self.server)?;
        let body = serde_json::json!({ "names": [room] });
        let answer = tokio::task::spawn_blocking(move || list_rooms(&url, &token, &body))
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, format!("ListRooms: {e}")))?;
        let at = &self.server.url;
        match answer {
            Ok((200, body)) if body["rooms"].as_array().is_some_and(|rooms| !rooms.is_empty()) => Ok(()),
            Ok((200, _)) => Err(Error::new(
                ErrorKind::NotFound,
                format!("room: {room:?} does not exist on {at}; it does once somebody has joined it"),
            )),
            Ok((401 | 403, body)) => Err(Error::new(
                ErrorKind::Unauthenticated,
                format!("api_key/api_secret: {at} refuses the key ({})", body["msg"].as_str().unwrap_or("401")),
            )),
            Ok((status, _)) => {
                // A proxy that passes only /rtc is fine: joining will tell.
                tracing::debug!(status, "ListRooms is not available; the room is not checked before joining");
                Ok(())
            }
            Err(e) => Err(Error::new(ErrorKind::Unavailable, format!("url: cannot reach {at}: {e}"))),
        }
    }
}

fn list_rooms(
    url: &str,
    token: &str,
    body: &serde_json::Value,
) -> std::result::Result<(u16, serde_json::Value), ureq::Error> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false).build().into();
    let mut answer = agent.post(url).header("Authorization", format!("Bearer {token}")).send_json(body)?;
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().read_json().unwrap_or_default()))
}
