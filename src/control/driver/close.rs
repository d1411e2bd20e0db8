//! Leaving: recordings come to their end, files to their place, people hear of it; what takes too long is left to the next
//! start.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Driver;
use crate::control::fact::Fact;
use crate::error::{Error, ErrorKind, Result};
use crate::outbox::Completion;
use crate::recording::State;

/// How long leaving may take when recordings are left as they are.
const LEAVE: Duration = Duration::from_secs(1);

/// Who waits for the end of everything.
#[derive(Default)]
pub(super) struct Closing {
    pub waiting: Vec<oneshot::Sender<Result<()>>>,
    /// No recorder is at work any more, and the rest has its time.
    grace: bool,
    /// The outbox was asked whether somebody is still to be notified.
    requested: Option<JoinHandle<()>>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        // The outbox ends with its last handle.
        if let Some(requested) = self.requested.take() {
            requested.abort();
        }
    }
}

impl Driver {
    /// Leaves what is recorded as it is, for the next start to go on with. Its recorders are not told to end, not even by being
    /// dropped: they end with the process, whose files are whole up to their last fragment.
    pub(super) fn suspend(&mut self) {
        for live in self.live.values_mut().filter(|live| live.recording.state == State::Active) {
            if let Some(running) = live.running.take() {
                tracing::info!(recording = %live.recording.id, "left as it is; the next start goes on with it");
                std::mem::forget(running);
                live.salvaging = true;
            }
        }
        if let Some(closing) = self.closing.as_mut()
            && !std::mem::replace(&mut closing.grace, true)
        {
            self.effects.remind(LEAVE, Fact::GraceOver);
        }
    }

    /// Called whenever something happened.
    pub(super) fn close_when_done(&mut self) {
        let Some(closing) = self.closing.as_mut() else { return };
        // The next start goes on with what is salvaged, saved and told; what is recorded cannot be recorded again.
        let recorded = self.live.values().any(|live| match live.recording.state {
            State::Starting | State::Active | State::Ending { .. } => !live.salvaging,
            State::Saving { .. } | State::Ended(_) | State::Notified(_) | State::Removing { .. } => false,
        });
        if recorded {
            return;
        }
        let begun = std::mem::replace(&mut closing.grace, true);
        if self.live.is_empty() && self.writes.is_empty() && closing.requested.is_none() {
            let (outbox, facts) = (self.outbox.clone(), self.effects.facts.clone());
            closing.requested = Some(tokio::spawn(async move {
                outbox.reported().await;
                let _ = facts.send(Fact::AllNotified);
            }));
        }
        if !begun {
            self.effects.remind(self.timeouts.grace, Fact::GraceOver);
        }
    }

    /// Nobody is to be notified of anything any more, unless something has happened since that was asked.
    pub(super) fn all_notified(&mut self) {
        // What the outbox has said before that counts: an email that went is not to go again.
        while let Ok(Completion { recording, report, done }) = self.completions.try_recv() {
            self.report(&recording, report, done);
        }
        let Some(closing) = self.closing.as_mut() else { return };
        closing.requested = None;
        if self.live.is_empty() && self.writes.is_empty() {
            for waiting in closing.waiting.drain(..) {
                let _ = waiting.send(Ok(()));
            }
        }
    }

    /// What is not done by now is done by the next process.
    pub(super) fn grace_over(&mut self) {
        let Some(closing) = self.closing.as_mut().filter(|closing| !closing.waiting.is_empty()) else { return };
        for live in self.live.values() {
            let (recording, key) = (&live.recording.id, &live.recording.key);
            tracing::warn!(%recording, key, "leaving before its file is stored; the next start goes on with it");
        }
        let done = match self.writes.refused() {
            None => Ok(()),
            Some(error) => {
                let words = format!("leaving although the store did not take every change: {}", error.message);
                Err(Error::new(ErrorKind::Unavailable, words))
            }
        };
        for waiting in closing.waiting.drain(..) {
            let _ = waiting.send(done.clone());
        }
    }
}
