//! The task that owns the session: signals and media in, events out; it reconnects.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::{SignalError, SignalEvent};
use proto::signal_response::Message;
use tokio::sync::mpsc;

use super::farewell::{Farewell, farewell};
use super::outage::{Outage, Recovery, recovery, sleep_until};
use super::peer::PeerEvent;
use super::reconnect::{Attempt, RESUME_TIMEOUT, Reconnect, SETTLE};
use super::roster::Roster;
use super::session::Session;
use super::watch::{Hole, Said, Watch};
use super::{Closed, Event, Order, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TrackId;
use crate::livekit::Access;

/// Joining and the way of media together: whoever asked for a recording is answered within five seconds.
const REACHED: Duration = Duration::from_millis(4400);
/// Whoever could not be reached for media may not answer a goodbye either.
const FAREWELL: Duration = Duration::from_millis(300);
/// A server that closes the media connection says why within this time, if it says anything.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// A server that offers nothing at once does so when there is something to receive.
const OFFERED: Duration = Duration::from_secs(1);
/// The farewell of a session that we replaced may come so much later.
const ECHO: Duration = Duration::from_secs(30);

pub(super) struct Driver {
    access: Access,
    room: String,
    identity: String,
    session: Session,
    roster: Roster,
    /// Our own participant's.
    metadata: String,
    wanted: Vec<Wanted>,
    orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::Sender<Event>,
    watch: Watch,
    outage: Option<Outage>,
    /// The signalling link is open.
    signalling: bool,
    /// ICE and DTLS are up, or have been.
    reached: bool,
    /// The owner has us: from now on a loss is mended. Before, it is a failure to join.
    joined: bool,
    /// When we last took our own place in the room, or tried to.
    replaced: Option<Instant>,
    dropped: u64,
    /// Since when the owner is too slow for the media.
    overflow: Option<Instant>,
}

impl Driver {
    /// Joins, and makes sure that media can reach us when the server offers any.
    pub async fn join(
        access: Access,
        room: &str,
        identity: &str,
        orders: mpsc::UnboundedReceiver<Order>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self> {
        let began = Instant::now();
        let session = Session::join(&access, room, identity).await?;
        let mut roster = Roster::default();
        roster.join(&session.join);
        let mut driver = Self {
            access,
            room: room.to_owned(),
            identity: identity.to_owned(),
            session,
            roster,
            metadata: String::new(),
            wanted: Vec::new(),
            orders,
            events,
            watch: Watch::default(),
            outage: None,
            signalling: true,
            reached: false,
            joined: false,
            replaced: None,
            dropped: 0,
            overflow: None,
        };
        match driver.reach(began).await {
            Ok(()) => Ok(driver),
            Err(e) => {
                let _ = tokio::time::timeout(FAREWELL, driver.session.leave()).await;
                Err(e)
            }
        }
    }

    /// Waits until media can flow. Nobody is notified of a recording that can only be silent.
    async fn reach(&mut self, began: Instant) -> Result<()> {
        let (joined, deadline) = (Instant::now(), began + REACHED);
        while !self.reached {
            let offered = self.session.offer.is_some() || self.session.join.subscriber_primary;
            let until = if offered { deadline } else { deadline.min(joined + OFFERED) };
            tokio::select! {
                closed = self.turn() => match closed {
                    None => {}
                    Some(Closed::Left) => return Err(Error::new(ErrorKind::Unavailable, "left before media could flow")),
                    Some(Closed::Ended(why) | Closed::Lost(why)) => return Err(Error::new(ErrorKind::Unavailable, why)),
                },
                () = sleep_until(Some(until)) => {
                    // A line that is slow but there is good enough.
                    if self.session.offer.is_none() || self.session.peer.heard().is_some() {
                        return Ok(());
                    }
                    return Err(self.session.peer.no_path());
                }
            }
        }
        Ok(())
    }

    /// The room's `sid`; empty when the server does not tell it.
    pub fn room_sid(&self) -> String {
        self.session.join.room.as_ref().map(|room| room.sid.clone()).unwrap_or_default()
    }

    pub async fn run(mut self) {
        self.joined = true;
        if self.session.offer.is_some() {
            self.watch.due(Instant::now());
        }
        self.report(Event::Roster(self.roster.clone())).await;
        let closed = loop {
            if let Some(closed) = self.turn().await {
                break closed;
            }
        };
        tracing::info!(dropped = self.dropped, "left the room: {closed}");
        if let Some(outage) = self.outage.take() {
            outage.abort();
        }
        let hole = self.watch.finish(Instant::now());
        self.hole(hole).await;
        self.session.leave().await;
        self.report(Event::Closed(closed)).await;
    }

    /// One thing that happened.
    async fn turn(&mut self) -> Option<Closed> {
        let waiting = self.outage.as_ref().and_then(Outage::waiting);
        let look =
            [waiting, self.watch.poll_timeout(), self.session.fallback.poll_timeout()].into_iter().flatten().min();
        // What a session says that is being replaced is not ours.
        let listens = !self.outage.as_ref().is_some_and(Outage::joining);
        tokio::select! {
            order = self.orders.recv() => self.order(order).await,
            event = self.session.peer.next() => self.peer(event).await,
            Some(signal) = self.session.events.recv(), if listens => self.signal(signal).await,
            end = recovery(&mut self.outage) => self.recovered(end).await,
            () = sleep_until(look) => self.look().await,
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
        self.session.subscribe(&added, &removed, &sized);
        self.wanted = wanted;
        self.expect().await;
    }

    /// Whether there is somebody to record.
    async fn expect(&mut self) {
        let sending = self.roster.participants().flat_map(|p| &p.tracks).filter(|t| !t.muted && !t.encrypted);
        let sending: HashSet<_> = sending.map(|track| &track.id).collect();
        let wanting = self.wanted.iter().any(|wanted| sending.contains(&wanted.track));
        let hole = self.watch.wanting(wanting, Instant::now());
        self.hole(hole).await;
    }

    async fn peer(&mut self, event: PeerEvent) -> Option<Closed> {
        match event {
            PeerEvent::Media(track, codec, mut unit) => {
                let hole = self.watch.media(unit.arrival, unit.contiguous);
                unit.missing = self.watch.own_loss(&track, unit.missing, hole.is_some());
                self.hole(hole).await;
                let now = Instant::now();
                // Never wait here: the socket must be read.
                if self.events.try_send(Event::Media { track, codec, unit }).is_err() {
                    self.dropped += 1;
                    self.overflow.get_or_insert(now);
                } else if let Some(from) = self.overflow.take() {
                    self.hole(Some(Hole { from, to: now, why: "the recorder was too slow for the media".into() }))
                        .await;
                }
                self.path_is_back().await;
            }
            PeerEvent::Report(track, report) => self.report(Event::Report { track, report }).await,
            PeerEvent::Candidate(line) => self.session.send_candidate(&line),
            PeerEvent::Connected => {
                self.reached = true;
                self.watch.established(Instant::now());
                self.path_is_back().await;
            }
            PeerEvent::Heard => self.path_is_back().await,
            // Who is removed is told so by signalling, a little before or after.
            PeerEvent::Dead(why) if self.signalling => return self.lost_but(&why, false, LAST_WORDS).await,
            PeerEvent::Dead(why) => return self.lost(&why, false).await,
        }
        None
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "LiveKit adds messages; what we do not know does not concern us")]
    async fn signal(&mut self, signal: SignalEvent) -> Option<Closed> {
        let message = match signal {
            SignalEvent::Message(message) => *message,
            SignalEvent::Close(why) => {
                self.signalling = false;
                return self.lost(&format!("signalling: {why}"), true).await;
            }
        };
        match message {
            Message::Offer(offer) => {
                if self.session.peer.begins_ice(&offer.sdp) {
                    self.watch.ice_begins(Instant::now());
                }
                if let Err(e) = self.session.offered(offer) {
                    return self.lost(&e.message, false).await;
                }
                if self.joined {
                    self.watch.due(Instant::now());
                }
            }
            Message::Trickle(trickle) => self.session.trickled(&trickle),
            Message::Update(update) => {
                if let Some(own) = update.participants.iter().find(|info| self.is_own(info)) {
                    self.described(own.metadata.clone()).await;
                }
                self.roster.update(&update.participants);
                self.report(Event::Roster(self.roster.clone())).await;
                self.expect().await;
            }
            Message::SpeakersChanged(changed) => {
                self.roster.speakers_changed(&changed.speakers);
                self.report(Event::Roster(self.roster.clone())).await;
            }
            Message::SubscriptionResponse(answer) if answer.err() != proto::SubscriptionError::SeUnknown => {
                let why = answer.err().as_str_name().to_owned();
                self.report(Event::Refused(TrackId::new(answer.track_sid), why)).await;
            }
            Message::Leave(leave) => {
                let now = Instant::now();
                let replacing = self.replaced.is_some_and(|at| now < at + ECHO);
                return match farewell(&leave, replacing) {
                    Farewell::Resume(why) => self.lost(&why, true).await,
                    Farewell::Replace(why) => self.lost(&why, false).await,
                    Farewell::End(why) => Some(Closed::Ended(why)),
                };
            }
            _ => {}
        }
        None
    }

    /// Hidden participants are notified of themselves alone, by the identity of the token.
    fn is_own(&self, info: &proto::ParticipantInfo) -> bool {
        info.identity == self.identity
    }

    /// Our own metadata, which comes along with every other change of ourselves.
    async fn described(&mut self, metadata: String) {
        if metadata != self.metadata {
            self.metadata.clone_from(&metadata);
            self.report(Event::Metadata(metadata)).await;
        }
    }

    /// It is time for an attempt, or to look whether media still reaches us.
    async fn look(&mut self) -> Option<Closed> {
        let now = Instant::now();
        if let Some(at) = self.session.peer.heard() {
            self.watch.heard(at);
        }
        while let Some(said) = self.watch.handle_timeout(now) {
            match said {
                Said::Silent { since } => self.silent(since, now).await,
                Said::Never => return Some(Closed::Lost(self.session.peer.no_path().message)),
                Said::Hole(Hole { from, to, why }) => self.report(Event::Hole { from, to, why, lasts: true }).await,
            }
        }
        self.session.keep_udp(now, self.watch.flows(now));
        self.attempt(now)
    }

    /// No datagram comes any more: the old path may come back, and meanwhile another is looked for.
    async fn silent(&mut self, since: Instant, now: Instant) {
        let why = format!("no media path for {} s", (now - since).as_secs());
        self.watch.down(&why, now);
        self.session.peer.udp_failed();
        if self.outage.is_none() && self.joined {
            tracing::info!(why, "connection lost");
            let pause = if self.watch.connected() { RESUME_TIMEOUT } else { Duration::ZERO };
            self.outage = Some(Outage::new(Reconnect::new(now, true), why.clone(), now + pause));
            self.report(Event::Reconnecting(why)).await;
        }
    }

    /// Media reaches us: when nothing else was missing and no attempt is under way, just go on.
    async fn path_is_back(&mut self) {
        let Some(outage) = &self.outage else { return };
        if let Some(at) = self.session.peer.heard() {
            self.watch.heard(at);
        }
        let back = self.watch.flows(Instant::now());
        if back && self.signalling && outage.policy.can_resume() && outage.waiting().is_some() {
            self.outage = None;
            tracing::info!("media is received again");
            self.report(Event::Resumed).await;
        }
    }

    /// The connection is lost: starts or sharpens an outage.
    async fn lost(&mut self, why: &str, can_resume: bool) -> Option<Closed> {
        self.lost_but(why, can_resume, Duration::ZERO).await
    }

    /// The same, but the first attempt is made no sooner than after `pause`.
    async fn lost_but(&mut self, why: &str, can_resume: bool, pause: Duration) -> Option<Closed> {
        if !self.joined {
            return Some(Closed::Lost(why.to_owned()));
        }
        let now = Instant::now();
        if let Some(outage) = &mut self.outage {
            if !can_resume {
                outage.policy.session_lost();
            }
            outage.hurry(now + outage.policy.pause().max(pause));
            return None;
        }
        tracing::info!(why, can_resume, "connection lost");
        self.outage = Some(Outage::new(Reconnect::new(now, can_resume), why.to_owned(), now + pause));
        self.report(Event::Reconnecting(why.to_owned())).await;
        self.attempt(now)
    }

    /// Makes the next attempt, if it is time.
    fn attempt(&mut self, now: Instant) -> Option<Closed> {
        let outage = self.outage.as_mut()?;
        if outage.waiting().is_none_or(|at| now < at) {
            return None;
        }
        match outage.policy.next(now, self.watch.newest(), self.watch.flows(now)) {
            Attempt::GiveUp => return Some(Closed::Lost(outage.why.clone())),
            Attempt::Resume => outage.resume(&self.session, &self.access, &self.room, &self.identity),
            Attempt::Rejoin => {
                self.replaced = Some(now);
                outage.rejoin(&self.access, &self.room, &self.identity);
            }
        }
        None
    }

    async fn recovered(&mut self, recovery: (Recovery, Reconnect, String)) -> Option<Closed> {
        let (recovery, mut policy, why) = recovery;
        let now = Instant::now();
        let mut why_not = String::new();
        match recovery {
            // The session was found to be lost while it was being resumed.
            Recovery::Resumed if !policy.can_resume() => {}
            Recovery::Resumed => {
                self.session.synchronise(&self.wanted);
                self.signalling = true;
                if let Some(at) = self.session.peer.heard() {
                    self.watch.heard(at);
                }
                if !self.watch.silent() {
                    tracing::info!("resumed");
                    self.report(Event::Resumed).await;
                    return None;
                }
                policy.resumed_in_silence(now);
                self.outage = Some(Outage::new(policy, why, now + SETTLE));
                return None;
            }
            Recovery::NotResumed(e) => {
                tracing::info!(error = %e, "could not resume");
                self.signalling = false;
                if matches!(e, SignalError::LeaveRequest { .. } | SignalError::Client(..)) {
                    policy.session_lost();
                } else {
                    policy.unanswered();
                }
                why_not = e.to_string();
            }
            Recovery::Joined(session) => {
                self.replace(*session, &why).await;
                return None;
            }
            Recovery::Failed(Error { kind, message, .. }) => {
                tracing::info!(error = message, "could not regain the connection");
                if kind != ErrorKind::NotFound {
                    policy.unanswered();
                } else if policy.room_missing(now) {
                    return Some(Closed::Ended("the room was deleted or closed".to_owned()));
                }
                why_not = message;
            }
        }
        // The first cause is the one that helps; the newest attempt says how it is now.
        let first = why.split("; ").next().unwrap_or_default();
        let why = if why_not.is_empty() { why } else { format!("{first}; {why_not}") };
        let at = now + policy.pause();
        self.outage = Some(Outage::new(policy, why, at));
        self.attempt(now)
    }

    /// A new session in the place of the old one.
    async fn replace(&mut self, session: Session, why: &str) {
        let now = Instant::now();
        let old = std::mem::replace(&mut self.session, session);
        self.session.succeeds(&old, self.watch.silent());
        tokio::spawn(async move { old.client.close().await });
        (self.signalling, self.replaced) = (true, Some(now));
        self.watch.anew(why, now);
        // We are a new participant, of whom nothing has been said yet.
        self.metadata.clear();
        self.roster.join(&self.session.join);
        tracing::info!("joined anew");
        self.report(Event::Rejoined).await;
        let wanted = std::mem::take(&mut self.wanted);
        self.want(wanted).await;
        self.report(Event::Roster(self.roster.clone())).await;
    }

    async fn hole(&self, hole: Option<Hole>) {
        if let Some(Hole { from, to, why }) = hole {
            self.report(Event::Hole { from, to, why, lasts: false }).await;
        }
    }

    async fn report(&self, event: Event) {
        // Fails only when the owner is gone; then the order queue ends too and we leave.
        let _ = self.events.send(event).await;
    }
}
