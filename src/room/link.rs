//! The way to the server: its addresses as our clients must use them, and whether a room exists.

use std::time::Duration;

use livekit_protocol as proto;
use prost::Message as _;

use super::dial;
use super::tunnel::Tunnel;
use crate::error::{Error, ErrorKind, Result};
use crate::http;
use crate::livekit::{RoomService, Server, ServerAddress};

/// One HTTP request takes at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// What a server says when it is requested its rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Whether it lets us, or why not.
    pub accepted: Result<()>,
    /// Its `Date`.
    pub date: Option<String>,
}

/// An open way to the server.
#[derive(Debug)]
pub(super) struct Link {
    server: Server,
    endpoint: ServerAddress,
    rooms: RoomService,
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
        let rooms = RoomService::new(server, "ListRooms", REQUEST_TIMEOUT)?;
        Ok(Self { server: server.clone(), endpoint, rooms, tunnel })
    }

    /// Where the signalling client connects to.
    pub fn ws_url(&self) -> String {
        let authority = match &self.tunnel {
            Some(tunnel) => format!("127.0.0.1:{}", tunnel.port),
            None => self.endpoint.authority(),
        };
        format!("ws://{authority}{}", self.endpoint.path)
    }

    /// Fails when the key is refused, the server cannot be reached, or the room does not exist: joining would create it.
    pub async fn expect_room(&self, room: &str) -> Result<()> {
        let at = &self.server.url;
        let answer = self.list(room).await?;
        match answer.status.as_u16() {
            200 if proto::ListRoomsResponse::decode(answer.body.as_slice())
                .is_ok_and(|list| !list.rooms.is_empty()) =>
            {
                Ok(())
            }
            200 => Err(Error::of_field(
                ErrorKind::NotFound,
                "room",
                format!("{room:?} does not exist on {at}; it does once somebody has joined it"),
            )),
            401 | 403 => Err(self.refused(&answer)),
            status => {
                // A proxy that passes only /rtc is fine: joining will tell.
                tracing::debug!(status, "ListRooms is not available; the room is not checked before joining");
                Ok(())
            }
        }
    }

    /// Whether the server answers and accepts the key.
    pub async fn greet(&self) -> Result<Greeting> {
        let answer = self.list("greffier-check").await?;
        let at = &self.server.url;
        let accepted = match answer.status.as_u16() {
            200 => Ok(()),
            401 | 403 => Err(self.refused(&answer)),
            status => {
                let why = format!("{at} answers {status} to ListRooms; is that LiveKit, and is /twirp passed on?");
                Err(Error::of_field(ErrorKind::Unavailable, "url", why))
            }
        };
        Ok(Greeting { accepted, date: answer.date })
    }

    fn refused(&self, answer: &http::Answer) -> Error {
        // Twirp's errors are JSON, whatever the request was.
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let why = body["msg"].as_str().unwrap_or("401");
        let fix = "give a key that stands below `keys` in that server's configuration";
        let why = format!("{} refuses the key ({why}); {fix}", self.server.url);
        Error::of_field(ErrorKind::Unauthenticated, "api_key/api_secret", why)
    }

    async fn list(&self, room: &str) -> Result<http::Answer> {
        let at = &self.server.url;
        let unreachable =
            |e: Error| Error::of_field(e.kind, "url", format!("cannot reach {at}: {e}; is LiveKit there?"));
        let is_silent = |e: &Error| e.kind == ErrorKind::Unavailable;
        self.rooms.list(room).await.map_err(|e| if is_silent(&e) { unreachable(e) } else { e })
    }
}
