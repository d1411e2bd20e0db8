//! What somebody needs who is to join a room: where the server is, and who gives a token for it. Whoever records need not hold the key.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use livekit_protocol as proto;
use prost::Message as _;

use super::server::{Server, Site};
use super::{RoomService, token};
use crate::error::{Error, ErrorKind, Result};
use crate::http;

/// One HTTP request takes at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// A token that is on its way.
pub type Tokens<'a> = Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;

/// Gives tokens for rooms that exist.
pub trait TokenSource: Send + Sync {
    /// A token that joins `room` hidden as `identity`, to record it. `NotFound` when the room does not exist: joining would create it.
    /// `Unauthenticated` when the server refuses the key, `Unavailable` when it cannot be reached.
    fn token<'a>(&'a self, room: &'a str, identity: &'a str) -> Tokens<'a>;
}

/// How to join the rooms of a server. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    /// Which server.
    pub site: Site,
    /// Who is asked for each token.
    pub tokens: Arc<dyn TokenSource>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("site", &self.site).finish_non_exhaustive()
    }
}

/// What a server says when it is requested its rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Whether it lets us, or why not.
    pub accepted: Result<()>,
    /// Its `Date`.
    pub date: Option<String>,
}

impl Server {
    /// Access by the key itself.
    pub fn access(&self) -> Access {
        Access { site: self.site(), tokens: Arc::new(Signed(self.clone())) }
    }

    /// Whether the server answers and accepts the key. The error names `url` or `ca_file`.
    pub async fn greet(&self) -> Result<Greeting> {
        let (answer, at) = (self.list("greffier-check").await?, &self.url);
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

    /// Fails when the key is refused, the server cannot be reached, or the room does not exist.
    async fn expect_room(&self, room: &str) -> Result<()> {
        let (answer, at) = (self.list(room).await?, &self.url);
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

    fn refused(&self, answer: &http::Answer) -> Error {
        // Twirp's errors are JSON, whatever the request was.
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let why = body["msg"].as_str().unwrap_or("401");
        let fix = "give a key that stands below `keys` in that server's configuration";
        let why = format!("{} refuses the key ({why}); {fix}", self.url);
        Error::of_field(ErrorKind::Unauthenticated, "api_key/api_secret", why)
    }

    async fn list(&self, room: &str) -> Result<http::Answer> {
        let at = &self.url;
        let unreachable =
            |e: Error| Error::of_field(e.kind, "url", format!("cannot reach {at}: {e}; is LiveKit there?"));
        let is_silent = |e: &Error| e.kind == ErrorKind::Unavailable;
        let rooms = RoomService::new(self, "ListRooms", REQUEST_TIMEOUT)?;
        rooms.list(room).await.map_err(|e| if is_silent(&e) { unreachable(e) } else { e })
    }
}

/// Signs tokens with the key.
struct Signed(Server);

impl TokenSource for Signed {
    fn token<'a>(&'a self, room: &'a str, identity: &'a str) -> Tokens<'a> {
        Box::pin(async move {
            self.0.validate()?;
            self.0.expect_room(room).await?;
            token::recorder(&self.0, room, identity)
        })
    }
}
