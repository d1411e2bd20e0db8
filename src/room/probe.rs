//! Asks the server whether it would let us record, without recording: for `greffier check`.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::SignalEvent;
use proto::signal_response::Message;

use super::link::Link;
use super::peer::PeerEvent;
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::livekit::{Greeting, Server};

/// Asks for no room in particular. The error names `url` or `ca_file`.
pub async fn greet(server: &Server) -> Result<Greeting> {
    let _link = Link::open(&server.site()).await?;
    server.greet().await
}

/// Joins `room`, which must exist, and leaves it again once media could flow; tells how long that took. Fails within
/// `timeout`.
pub async fn media_path(server: &Server, room: &str, identity: &str, timeout: Duration) -> Result<Duration> {
    let began = Instant::now();
    let mut session = Session::join(&server.access(), room, identity).await?;
    let left = timeout.saturating_sub(began.elapsed());
    let path = tokio::time::timeout(left, connected(&mut session)).await;
    let path = path.unwrap_or_else(|_| {
        let Error { kind, message, .. } = session.peer.no_path();
        Err(Error::new(kind, format!("joined {room:?}, but {message}")))
    });
    session.leave().await;
    path.map(|()| began.elapsed())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "LiveKit adds messages; what we do not know does not concern us")]
async fn connected(session: &mut Session) -> Result<()> {
    let over = |why: String| Err(Error::new(ErrorKind::Unavailable, why));
    loop {
        tokio::select! {
            event = session.peer.next() => match event {
                PeerEvent::Connected => return Ok(()),
                PeerEvent::Candidate(line) => session.send_candidate(&line),
                PeerEvent::Dead(why) => return over(why),
                PeerEvent::Heard | PeerEvent::Media(..) | PeerEvent::Report(..) => {}
            },
            signal = session.events.recv() => match signal {
                Some(SignalEvent::Message(message)) => match *message {
                    Message::Offer(offer) => session.offered(offer)?,
                    Message::Trickle(trickle) => session.trickled(&trickle),
                    Message::Leave(_) => return over("the server requested that we leave".to_owned()),
                    _ => {}
                },
                Some(SignalEvent::Close(why)) => return over(format!("signalling: {why}")),
                None => return over("signalling ended".to_owned()),
            },
        }
    }
}
