//! The effects that are performed at once, after the change that brought them about is written.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;

use super::driver::{Driver, Fact, spool_error};
use crate::control::Launch;
use crate::ids::RecordingId;
use crate::recording::{Effect, Failure, Recording, Report};
use crate::spool::Spool;

/// How soon a file that could not be declared whole is tried again, at first and at last.
const SEAL_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Driver {
    pub(super) fn perform(&mut self, recording: &Recording, effects: &[Effect]) {
        let (id, extension) = (&recording.id, recording.extension());
        for effect in effects {
            match effect {
                // Those are jobs.
                Effect::Upload | Effect::Remove { .. } | Effect::Tell(_) => {}
                // That was done with the change, or before it.
                Effect::Forget | Effect::Drain => {}
                Effect::Record => self.record(recording),
                Effect::Seal(_) => {
                    if let Some(live) = self.live.get_mut(id) {
                        live.running = None;
                    }
                    tokio::spawn(seal(self.spool.clone(), id.clone(), extension));
                }
                Effect::Free => {
                    // What still grows beside the stored file was left by a recorder that had been given up.
                    let more = self.spool.size(id, extension) > 0;
                    let freed = if more { self.spool.discard(id) } else { self.spool.free(id).map(|()| None) };
                    freed_or_said(id, freed);
                }
                Effect::Discard => freed_or_said(id, self.spool.discard(id)),
            }
        }
    }

    fn record(&mut self, recording: &Recording) {
        let id = &recording.id;
        // It may have been stopped while the store hung.
        if !self.live.contains_key(id) {
            return;
        }
        match self.spool.create(id, recording.extension()) {
            Ok(path) => {
                let (id, request, reports) = (id.clone(), recording.request.clone(), self.listen(id));
                let running = (self.launcher)(Launch { id: id.clone(), request, path, reports });
                if let Some(live) = self.live.get_mut(&id) {
                    let stopped = !live.recording.state.holds_room();
                    if stopped {
                        running.drain();
                    }
                    live.running = Some(running);
                }
                self.remind(self.patience.join, Fact::JoinOverdue(id));
                self.watch_disk();
            }
            Err(e) => {
                let failure = Failure::from(spool_error("make a directory in the spool", &e));
                let _ = self.facts.send(Fact::Report(id.clone(), Report::Broke { failure, salvaged: None }));
            }
        }
    }

    /// A channel of its own for each recorder, so that one that dies without a last word is noticed.
    fn listen(&self, id: &RecordingId) -> mpsc::UnboundedSender<(RecordingId, Report)> {
        let (reports, mut heard) = mpsc::unbounded_channel();
        let (facts, id) = (self.facts.clone(), id.clone());
        tokio::spawn(async move {
            while let Some((from, report)) = heard.recv().await {
                let _ = facts.send(Fact::Report(from, report));
            }
            let _ = facts.send(Fact::Silence(id));
        });
        reports
    }

    pub(super) fn remind(&self, after: Duration, fact: Fact) {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = facts.send(fact);
        });
    }
}

/// Declares the file whole, however often that takes. Flushing a long file takes its time; others must not wait for it. The
/// job that stores it looks for it.
async fn seal(spool: Spool, id: RecordingId, extension: &'static str) {
    let (mut pause, longest) = SEAL_AGAIN;
    loop {
        let (spool, of) = (spool.clone(), id.clone());
        match tokio::task::spawn_blocking(move || spool.seal(&of, extension)).await {
            Ok(Ok(_)) => return,
            // Stored already, before a crash.
            Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => return,
            Ok(Err(error)) => {
                tracing::error!(recording = %id, %error, "the file could not be sealed; it will be tried again");
            }
            Err(error) => tracing::error!(recording = %id, %error, "the file could not be sealed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

fn freed_or_said(id: &RecordingId, freed: io::Result<Option<std::path::PathBuf>>) {
    match freed {
        Ok(None) => {}
        Ok(Some(aside)) => tracing::warn!(recording = %id, folder = %aside.display(), "what it left is set aside"),
        Err(error) => tracing::warn!(recording = %id, %error, "the spool could not be freed"),
    }
}
