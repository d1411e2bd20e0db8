//! An outage in progress, and the attempts to end it.

use std::time::Instant;

use livekit_protocol as proto;
use livekit_signaling::SignalError;
use tokio::task::JoinHandle;

use super::reconnect::Reconnect;
use super::session::Session;
use crate::error::{Error, ErrorKind};
use crate::livekit::Access;

/// What an attempt to reconnect came to.
pub(super) enum Recovery {
    Resumed,
    Joined(Box<Session>),
    NotResumed(SignalError),
    Failed(Error),
}

/// An outage, from the loss of signalling or of media to their return.
pub(super) struct Outage {
    pub policy: Reconnect,
    pub why: String,
    pub step: Step,
}

/// How far it is.
pub(super) enum Step {
    /// The next attempt is made then.
    Waiting(Instant),
    /// The session's signalling link is reopened. The session goes on, and what it says is heard.
    Resuming(JoinHandle<Recovery>),
    /// We join as a new participant in our own place: what the old session still says is not ours.
    Joining(JoinHandle<Recovery>),
}

impl Outage {
    /// The first attempt is made `at`.
    pub fn new(policy: Reconnect, why: String, at: Instant) -> Self {
        Self { policy, why, step: Step::Waiting(at) }
    }

    /// Reopens the signalling link of `session`.
    pub fn resume(&mut self, session: &Session, access: &Access, room: &str, identity: &str) {
        let (client, access) = (session.client.clone(), access.clone());
        let (room, identity) = (room.to_owned(), identity.to_owned());
        self.step = Step::Resuming(tokio::spawn(async move {
            // Resuming would create a room that is gone, and we would record it, empty, for ever.
            if let Err(e) = access.tokens.token(&room, &identity).await {
                return Recovery::Failed(e);
            }
            match client.restart(proto::ReconnectReason::RrSignalDisconnected).await {
                Ok(_) => Recovery::Resumed,
                Err(e) => Recovery::NotResumed(e),
            }
        }));
    }

    /// Joins anew.
    pub fn rejoin(&mut self, access: &Access, room: &str, identity: &str) {
        let (access, room, identity) = (access.clone(), room.to_owned(), identity.to_owned());
        self.step = Step::Joining(tokio::spawn(async move {
            match Session::join(&access, &room, &identity).await {
                Ok(session) => Recovery::Joined(Box::new(session)),
                Err(e) => Recovery::Failed(e),
            }
        }));
    }

    /// When the next attempt is to be made; `None` while one is under way.
    pub fn waiting(&self) -> Option<Instant> {
        match &self.step {
            Step::Waiting(at) => Some(*at),
            Step::Resuming(_) | Step::Joining(_) => None,
        }
    }

    /// The next attempt is made no later than `at`.
    pub fn hurry(&mut self, at: Instant) {
        if let Step::Waiting(then) = &mut self.step {
            *then = at.min(*then);
        }
    }

    /// A new session is about to take the place of the old one.
    pub fn joining(&self) -> bool {
        match &self.step {
            Step::Joining(_) => true,
            Step::Waiting(_) | Step::Resuming(_) => false,
        }
    }

    /// Ends the attempt under way.
    pub fn abort(self) {
        match self.step {
            Step::Resuming(attempt) | Step::Joining(attempt) => attempt.abort(),
            Step::Waiting(_) => {}
        }
    }
}

/// The end of the attempt under way; never, when there is none. Cancel-safe.
pub(super) async fn recovery(outage: &mut Option<Outage>) -> (Recovery, Reconnect, String) {
    let Some(Outage { step: Step::Resuming(attempt) | Step::Joining(attempt), .. }) = outage else {
        return std::future::pending().await;
    };
    let recovery = attempt.await;
    let Some(Outage { policy, why, .. }) = outage.take() else { return std::future::pending().await };
    let recovery = recovery.unwrap_or_else(|e| {
        Recovery::Failed(Error::new(ErrorKind::Internal, format!("the attempt to reconnect ended: {e}")))
    });
    (recovery, policy, why)
}

/// Sleeps until then; for ever, when there is no then.
pub(super) async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}
