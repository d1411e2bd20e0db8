//! The task that owns the session: signals and media in, events out; it reconnects.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::{SignalError, SignalEvent};
use proto::leave_request::Action;
use proto::signal_response::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::peer::PeerEvent;
use super::reconnect::{Attempt, Reconnect};
use super::roster::Roster;
use super::server::Server;
use super::session::Session;
use super::{Closed, Event, Order, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TrackId;

/// After a resume, media must flow again within this time; else the session is taken for lost.
const MEDIA_BACK: Duration = Duration::from_secs(8);

/// What an attempt to reconnect came to.
enum Recovery {
    Resumed,
    Joined(Box<Session>),
    NotResumed(SignalError),
    Failed(Error),
}

/// An outage in progress, and the attempt under way.
struct Outage {
    policy: Reconnect,
    why: String,
    attempt: JoinHandle<Recovery>,
}

pub(super) struct Driver {
    server: Server,
    room: String,
    identity: String,
    session: Session,
    roster: Roster,
    /// Our own participant's.
    metadata: String,
    wanted: Vec<Wanted>,
    orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::Sender<Event>,
    outage: Option<Outage>,
    /// ICE is down since; when it stays so, the session is resumed.
    media_down: Option<Instant>,
    dropped: u64,
}

impl Driver {
    pub async fn join(
        server: Server,
        room: &str,
        identity: &str,
        orders: mpsc::UnboundedReceiver<Order>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self> {
        let session = Session::join(&server, room, identity).await?;
        let mut roster = Roster::default();
        roster.join(&session.join);
        Ok(Self {
            server,
            room: room.to_owned(),
            identity: identity.to_owned(),
            session,
            roster,
            metadata: String::new(),
            wanted: Vec::new(),
            orders,
            events,
            outage: None,
            media_down: None,
            dropped: 0,
        })
    }

    /// The room's `sid`; empty when the server does not tell it.
    pub fn room_sid(&self) -> String {
        self.session.join.room.as_ref().map(|room| room.sid.clone()).unwrap_or_default()
    }

    pub async fn run(mut self) {
        self.tell(Event::Roster(self.roster.clone())).await;
        let closed = loop {
            if let Some(closed) = self.turn().await {
                break closed;
            }
        };
        tracing::info!(dropped = self.dropped, "left the room: {closed}");
        if let Some(outage) = self.outage.take() {
            outage.attempt.abort();
        }
        self.session.leave().await;
        self.tell(Event::Closed(closed)).await;
    }

    /// One thing that happened.
    async fn turn(&mut self) -> Option<Closed> {
        let media_back = self.media_down.map(|since| since + MEDIA_BACK);
        tokio::select! {
            order = self.orders.recv() => self.order(order).await,
            event = self.session.peer.next() => self.peer(event).await,
            Some(signal) = self.session.events.recv() => self.signal(signal).await,
            recovery = attempt(&mut self.outage) => self.recovered(recovery).await,
            () = sleep_until(media_back) => {
                self.media_down = None;
                self.lost("no media path to the server", false).await
            }
        }
    }

    async fn order(&mut self, order: Option<Order>) -> Option<Closed> {
        match order {
            Some(Order::Want(wanted)) => self.want(wanted).await,
            Some(Order::Keyframe(track)) => self.session.peer.request_keyframe(&track),
            Some(Order::Leave) | None => return Some(Closed::Left),
        }
        None
    }

    async fn want(&mut self, wanted: Vec<Wanted>) {
        let has = |list: &[Wanted], track: &TrackId| list.iter().any(|w| w.track == *track);
        let added: Vec<_> = wanted.iter().filter(|w| !has(&self.wanted, &w.track)).cloned().collect();
        let removed: Vec<_> = self.wanted.iter().filter(|w| !has(&wanted, &w.track)).cloned().collect();
        let sized: Vec<_> = wanted.iter().filter(|w| !self.wanted.contains(w)).cloned().collect();
        self.session.subscribe(&added, &removed, &sized).await;
        self.wanted = wanted;
    }

    async fn peer(&mut self, event: PeerEvent) -> Option<Closed> {
        match event {
            PeerEvent::Media(track, codec, unit) => {
                // Never wait here: the socket must be read.
                if self.events.try_send(Event::Media { track, codec, unit }).is_err() {
                    self.dropped += 1;
                }
            }
            PeerEvent::Report(track, report) => self.tell(Event::Report { track, report }).await,
            PeerEvent::Candidate(line) => self.session.send_candidate(&line).await,
            PeerEvent::Connected => self.media_down = None,
            PeerEvent::Disconnected => self.media_down = Some(Instant::now()),
            PeerEvent::Dead(why) => return self.lost(&why, false).await,
        }
        None
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "LiveKit adds messages; what we do not know does not concern us")]
    async fn signal(&mut self, signal: SignalEvent) -> Option<Closed> {
        let message = match signal {
            SignalEvent::Message(message) => *message,
            SignalEvent::Close(_) if self.outage.is_some() => return None,
            SignalEvent::Close(why) => return self.lost(&format!("signalling: {why}"), true).await,
        };
        match message {
            Message::Offer(offer) => {
                if let Err(e) = self.session.offered(offer).await {
                    return self.lost(&e.message, false).await;
                }
            }
            Message::Trickle(trickle) => self.session.trickled(&trickle),
            Message::Update(update) => {
                if let Some(own) = update.participants.iter().find(|info| self.is_own(info)) {
                    self.described(own.metadata.clone()).await;
                }
                self.roster.update(&update.participants);
                self.tell(Event::Roster(self.roster.clone())).await;
            }
            Message::SpeakersChanged(changed) => {
                self.roster.speakers_changed(&changed.speakers);
                self.tell(Event::Roster(self.roster.clone())).await;
            }
            Message::SubscriptionResponse(answer) if answer.err() != proto::SubscriptionError::SeUnknown => {
                let why = answer.err().as_str_name().to_owned();
                self.tell(Event::Refused(TrackId::new(answer.track_sid), why)).await;
            }
            Message::Leave(leave) => return self.asked_to_leave(&leave).await,
            _ => {}
        }
        None
    }

    /// Hidden participants are told of themselves alone, by the identity of the token.
    fn is_own(&self, info: &proto::ParticipantInfo) -> bool {
        info.identity == self.identity
    }

    /// Our own metadata, which comes along with every other change of ourselves.
    async fn described(&mut self, metadata: String) {
        if metadata != self.metadata {
            self.metadata.clone_from(&metadata);
            self.tell(Event::Metadata(metadata)).await;
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "LiveKit adds reasons; the action says what to do about them")]
    async fn asked_to_leave(&mut self, leave: &proto::LeaveRequest) -> Option<Closed> {
        use proto::DisconnectReason as Reason;
        let reason = leave.reason();
        let words = match reason {
            Reason::RoomClosed => "the room was closed after its last participant left",
            Reason::RoomDeleted => "the room was deleted",
            Reason::ParticipantRemoved => "the recorder was removed from the room",
            Reason::DuplicateIdentity => "another participant took the recorder's identity",
            _ => match leave.action() {
                Action::Resume => return self.lost(reason.as_str_name(), true).await,
                // Also for `Disconnect`: a server that shuts down may come back.
                Action::Reconnect | Action::Disconnect => return self.lost(reason.as_str_name(), false).await,
            },
        };
        Some(Closed::Ended(words.to_owned()))
    }

    /// The connection is lost: starts or sharpens an outage.
    async fn lost(&mut self, why: &str, can_resume: bool) -> Option<Closed> {
        if let Some(outage) = &mut self.outage {
            if !can_resume {
                outage.policy.session_lost();
            }
            return None;
        }
        tracing::info!(why, can_resume, "connection lost");
        self.tell(Event::Reconnecting(why.to_owned())).await;
        self.attempt(Reconnect::new(Instant::now(), can_resume), why.to_owned())
    }

    fn attempt(&mut self, mut policy: Reconnect, why: String) -> Option<Closed> {
        let (attempt, at) = policy.next(Instant::now());
        let attempt = match attempt {
            Attempt::GiveUp => return Some(Closed::Lost(why)),
            Attempt::Resume => {
                let (client, link, room) = (self.session.client.clone(), self.session.link.clone(), self.room.clone());
                tokio::spawn(async move {
                    tokio::time::sleep_until(at.into()).await;
                    // Resuming would create a room that is gone, and we would record it, empty, for ever.
                    if let Err(e) = link.expect_room(&room).await {
                        return Recovery::Failed(e);
                    }
                    match client.restart(proto::ReconnectReason::RrSignalDisconnected).await {
                        Ok(_) => Recovery::Resumed,
                        Err(e) => Recovery::NotResumed(e),
                    }
                })
            }
            Attempt::Rejoin => {
                let (server, room, identity) = (self.server.clone(), self.room.clone(), self.identity.clone());
                tokio::spawn(async move {
                    tokio::time::sleep_until(at.into()).await;
                    match Session::join(&server, &room, &identity).await {
                        Ok(session) => Recovery::Joined(Box::new(session)),
                        Err(e) => Recovery::Failed(e),
                    }
                })
            }
        };
        self.outage = Some(Outage { policy, why, attempt });
        None
    }

    async fn recovered(&mut self, recovery: (Recovery, Reconnect, String)) -> Option<Closed> {
        let (recovery, mut policy, why) = recovery;
        match recovery {
            // The session was found to be lost while it was being resumed.
            Recovery::Resumed if !policy.can_resume() => self.attempt(policy, why),
            Recovery::Resumed => {
                self.session.synchronise(&self.wanted).await;
                tracing::info!("resumed");
                self.tell(Event::Resumed).await;
                None
            }
            Recovery::NotResumed(e) => {
                tracing::info!(error = %e, "could not resume");
                if matches!(e, SignalError::LeaveRequest { .. } | SignalError::Client(..)) {
                    policy.session_lost();
                } else {
                    policy.unanswered();
                }
                self.attempt(policy, format!("{why}; {e}"))
            }
            Recovery::Joined(session) => {
                self.session = *session;
                self.media_down = None;
                // We are a new participant, of whom nothing has been said yet.
                self.metadata.clear();
                self.roster.join(&self.session.join);
                tracing::info!("joined anew");
                self.tell(Event::Rejoined).await;
                let wanted = std::mem::take(&mut self.wanted);
                self.want(wanted).await;
                self.tell(Event::Roster(self.roster.clone())).await;
                None
            }
            Recovery::Failed(Error { kind, message }) => {
                tracing::info!(error = message, "could not regain the connection");
                if kind != ErrorKind::NotFound {
                    policy.unanswered();
                } else if policy.room_missing(Instant::now()) {
                    return Some(Closed::Ended("the room was deleted or closed".to_owned()));
                }
                // The first cause is the one that helps; the newest attempt says how it is now.
                let first = why.split("; ").next().unwrap_or_default().to_owned();
                self.attempt(policy, format!("{first}; {message}"))
            }
        }
    }

    async fn tell(&self, event: Event) {
        // Fails only when the owner is gone; then the order queue ends too and we leave.
        let _ = self.events.send(event).await;
    }
}

/// The end of the attempt under way; never, when there is none.
async fn attempt(outage: &mut Option<Outage>) -> (Recovery, Reconnect, String) {
    let Some(under_way) = outage else { return std::future::pending().await };
    let recovery = (&mut under_way.attempt).await;
    let Some(Outage { policy, why, .. }) = outage.take() else { return std::future::pending().await };
    let recovery = recovery.unwrap_or_else(|e| {
        Recovery::Failed(Error::new(ErrorKind::Internal, format!("the attempt to reconnect ended: {e}")))
    });
    (recovery, policy, why)
}

/// Sleeps until then; for ever, when there is no then.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}
