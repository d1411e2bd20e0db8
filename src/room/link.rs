//! The way to the server: its addresses as our clients must use them, and whether a room exists.

use std::time::Duration;

use super::dial;
use super::probe::Greeting;
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
    /// Checks the URL and the key, and for TLS shakes hands once. Our clients give the whole of their time to a name's first address:
    /// so one with several is reached through a tunnel, too.
    pub async fn open(server: &Server) -> Result<Self> {
        server.validate()?;
        let endpoint = server.endpoint()?;
        let tunnelled = endpoint.tls || dial::has_several(&endpoint.authority()).await;
        let tunnel = if tunnelled { Some(Tunnel::open(server, &endpoint).await?) } else { None };
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
        let at = &self.server.url;
        match self.list_rooms(room).await? {
            Answer { status: 200, body, .. } if body["rooms"].as_array().is_some_and(|rooms| !rooms.is_empty()) => {
                Ok(())
            }
            Answer { status: 200, .. } => Err(Error::new(
                ErrorKind::NotFound,
                format!("room: {room:?} does not exist on {at}; it does once somebody has joined it"),
            )),
            Answer { status: 401 | 403, body, .. } => Err(self.refused(&body)),
            Answer { status, .. } => {
                // A proxy that passes only /rtc is fine: joining will tell.
                tracing::debug!(status, "ListRooms is not available; the room is not checked before joining");
                Ok(())
            }
        }
    }

    /// Whether the server answers and accepts the key.
    pub async fn greet(&self) -> Result<Greeting> {
        let Answer { status, date, body } = self.list_rooms("greffier-check").await?;
        let at = &self.server.url;
        let accepted = match status {
            200 => Ok(()),
            401 | 403 => Err(self.refused(&body)),
            _ => {
                let why = format!("url: {at} answers {status} to ListRooms; is that LiveKit, and is /twirp passed on?");
                Err(Error::new(ErrorKind::Unavailable, why))
            }
        };
        Ok(Greeting { accepted, date })
    }

    fn refused(&self, body: &serde_json::Value) -> Error {
        let why = body["msg"].as_str().unwrap_or("401");
        let fix = "give a key that stands below `keys` in that server's configuration";
        let message = format!("api_key/api_secret: {} refuses the key ({why}); {fix}", self.server.url);
        Error::new(ErrorKind::Unauthenticated, message)
    }

    async fn list_rooms(&self, room: &str) -> Result<Answer> {
        let url = format!("http://{}{}/twirp/livekit.RoomService/ListRooms", self.authority(), self.endpoint.path);
        let token = token::lister(&self.server)?;
        let body = serde_json::json!({ "names": [room] });
        let at = &self.server.url;
        tokio::task::spawn_blocking(move || list_rooms(&url, &token, &body))
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, format!("ListRooms: {e}")))?
            .map_err(|e| Error::new(ErrorKind::Unavailable, format!("url: cannot reach {at}: {e}; is LiveKit there?")))
    }
}

/// Of the HTTP request.
struct Answer {
    status: u16,
    date: Option<String>,
    body: serde_json::Value,
}

fn list_rooms(url: &str, token: &str, body: &serde_json::Value) -> std::result::Result<Answer, ureq::Error> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false).build().into();
    let mut answer = agent.post(url).header("Authorization", format!("Bearer {token}")).send_json(body)?;
    let status = answer.status().as_u16();
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
    Ok(Answer { status, date, body: answer.body_mut().read_json().unwrap_or_default() })
}
