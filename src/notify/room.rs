//! Notices inside the room, by LiveKit's room service: metadata and data messages.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::notice;
use crate::error::{Attempt, Error, ErrorKind, Result, Undelivered};
use crate::livekit::{RoomService, Server};
use crate::recording::{Event, Recording};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a change may take to appear: this often, this long apart.
const POLLS: u32 = 40;
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const WHOM: &str = "room notice to LiveKit";

/// The rooms of one server.
pub(super) struct Rooms {
    rooms: RoomService,
}

impl Rooms {
    pub fn new(server: &Server) -> Result<Self> {
        Ok(Self { rooms: RoomService::new(server, WHOM, TIMEOUT)? })
    }

    /// Shows the event to the participants. A room that is gone has nobody to tell.
    pub async fn notify(&self, event: Event, about: &Recording, now: Timestamp) -> Attempt {
        let room = &about.request.room;
        let Some(current) = self.rooms.room(room).await?.map(|room| room.metadata) else { return Ok(()) };
        // The message first: metadata that is not ours to change must not keep it back.
        if let Some(message) = notice::message(event, about, now) {
            let _there = self.send(room, message.to_string(), event, about).await?;
        }
        match notice::metadata(&current, event, about) {
            Ok(None) => Ok(()),
            Ok(Some(metadata)) => {
                if self.rooms.set_metadata(room, metadata).await? {
                    self.shown(room, &current).await?;
                }
                Ok(())
            }
            Err(notice::NotAnObject) => {
                let why = "it is not a JSON object; the recording is not shown in it";
                Err(Undelivered::Never(Error::invalid("room metadata", why)))
            }
        }
    }

    /// The server answers a change before its list shows it: who reads too early takes the old keys for the present ones, and
    /// an end would find nothing to take away. So this waits; a change that stays unseen is made again by the next try.
    async fn shown(&self, room: &str, before: &str) -> Attempt {
        for _ in 0..POLLS {
            match self.rooms.room(room).await?.map(|room| room.metadata) {
                Some(now) if now == before => tokio::time::sleep(POLL_INTERVAL).await,
                Some(_) | None => return Ok(()),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{WHOM}: the changed metadata does not appear")).into())
    }

    /// To everybody.
    async fn send(&self, room: &str, text: String, event: Event, about: &Recording) -> Attempt<bool> {
        // The same at every try, so that a client that knows it shows the message once.
        let nonce = digest(&SHA256, format!("notice\n{}\n{}", about.id, event.name()).as_bytes());
        self.rooms.send_data(room, text.into_bytes(), nonce.as_ref()[..16].to_vec()).await
    }
}
