//! One LiveKit room, joined as a hidden recorder: signalling and WebRTC.
//!
//! [`Room::join`] returns once the server has let us in. From then on [`Room::next`] tells what happens, and the orders
//! ([`Room::want`], [`Room::request_keyframe`]) never block. Short losses of the connection are resumed and longer ones
//! joined anew without the owner doing anything; the last event is always [`Event::Closed`].

mod dial;
mod driver;
mod fallback;
mod farewell;
mod flaws;
mod link;
mod outage;
mod peer;
mod probe;
mod reconnect;
mod roster;
mod session;
mod sockets;
mod stream;
mod tunnel;
mod watch;

pub use probe::{greet, media_path};
pub use roster::{Participant, Roster, Track, TrackSource};

use std::time::Instant;

use tokio::sync::mpsc;

use crate::error::Result;
use crate::ids::{ParticipantId, TrackId};
use crate::livekit::Access;
use crate::media::{Codec, SenderReport, Unit};

/// What happens in the room.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody came, left, published, muted or spoke: this is how it is now.
    Roster(Roster),
    /// One frame or packet of a track.
    Media {
        /// Of this track.
        track: TrackId,
        /// The codec may change from one unit to the next.
        codec: Codec,
        /// The payload.
        unit: Unit,
    },
    /// A sender report of a track.
    Report {
        /// Of this track.
        track: TrackId,
        /// The report.
        report: SenderReport,
    },
    /// Somebody with the right to do so has set our own participant's metadata, which began empty.
    Metadata(String),
    /// The server does not let us have this track.
    Refused(TrackId, String),
    /// The connection is lost; we are trying.
    Reconnecting(String),
    /// We are back in the same session; RTP goes on where it was.
    Resumed,
    /// We are back in a new session: RTP times and sequence numbers start anew.
    Rejoined,
    /// No media could reach us in this time, and somebody was to be recorded: told when it is over, again while it lasts (with
    /// a later end), and before `Closed` when it did not end.
    Hole {
        /// When the last media came.
        from: Instant,
        /// When media came again, or when we left.
        to: Instant,
        /// For people.
        why: String,
        /// It goes on, as far as is known.
        lasts: bool,
    },
    /// It is over. The last event.
    Closed(Closed),
}

/// Why it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// We left.
    Left,
    /// The room ended or we were removed: nothing went wrong.
    Ended(String),
    /// The server did not come back.
    Lost(String),
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left => f.write_str("it was time to go"),
            Self::Ended(why) | Self::Lost(why) => f.write_str(why),
        }
    }
}

/// A track we want, and how large it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub participant: ParticipantId,
    /// Which.
    pub track: TrackId,
    /// Width and height of its tile, for video: the server sends the simulcast layer that fits.
    pub size: Option<(u32, u32)>,
}

/// Orders to the driver.
#[derive(Clone, Debug)]
enum Order {
    Want(Vec<Wanted>),
    Keyframe(TrackId),
    Leave,
}

/// Events wait here for their reader. When it is full, media is dropped and counted; nothing else is.
const EVENTS: usize = 4096;

/// Handle of a joined room. Dropping it leaves.
#[derive(Debug)]
pub struct Room {
    orders: mpsc::UnboundedSender<Order>,
    events: mpsc::Receiver<Event>,
    closed: bool,
    sid: String,
}

impl Room {
    /// Joins `room` hidden, as recorder. Fails within five seconds, with the field at fault: unknown room, wrong key,
    /// unreachable server, untrusted certificate, no way for media.
    pub async fn join(access: &Access, room: &str, identity: &str) -> Result<Self> {
        let (orders, order_queue) = mpsc::unbounded_channel();
        let (event_queue, events) = mpsc::channel(EVENTS);
        let driver = driver::Driver::join(access.clone(), room, identity, order_queue, event_queue).await?;
        let sid = driver.room_sid();
        tokio::spawn(driver.run());
        Ok(Self { orders, events, closed: false, sid })
    }

    /// The room's `sid` when we joined it. It is another one when the server has forgotten the room and people come back.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The next event; `None` after [`Event::Closed`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self.events.recv().await {
            // Whatever became of its task: the owner is notified.
            None if !self.closed => {
                self.closed = true;
                Some(Event::Closed(Closed::Lost("the task that held the connection is gone".to_owned())))
            }
            event => {
                self.closed |= matches!(event, Some(Event::Closed(_)));
                event
            }
        }
    }

    /// Subscribes to these tracks and to nothing else.
    pub fn want(&self, wanted: Vec<Wanted>) {
        let _ = self.orders.send(Order::Want(wanted));
    }

    /// Asks the publisher for a key frame (RTCP PLI, RFC 4585). The caller does so sparingly: after a PLI the server stops
    /// answering NACKs for that track until the key frame has come.
    pub fn request_keyframe(&self, track: &TrackId) {
        let _ = self.orders.send(Order::Keyframe(track.clone()));
    }

    /// Leaves the room; `Closed(Left)` follows.
    pub fn leave(&self) {
        let _ = self.orders.send(Order::Leave);
    }
}
