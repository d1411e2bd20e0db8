//! The effects that are performed at once, after the change that brought them about is written.

use std::time::Duration;

use tokio::sync::mpsc;

use super::driver::{Driver, Fact, spool_error};
use crate::control::Launch;
use crate::ids::RecordingId;
use crate::recording::{Effect, Failure, Report};

impl Driver {
    pub(super) fn perform(&mut self, id: &RecordingId, effects: &[Effect]) {
        for effect in effects {
            let Some(live) = self.live.get_mut(id) else { return };
            let extension = live.recording.extension();
            match effect {
                // Those are jobs.
                Effect::Upload | Effect::Remove { .. } | Effect::Tell(_) => {}
                // That was done with the change.
                Effect::Forget => {}
                Effect::Record => match self.spool.create(id, extension) {
                    Ok(path) => {
                        let reports = self.listen(id);
                        let request = self.live.get(id).map(|live| live.recording.request.clone());
                        let Some(request) = request else { return };
                        let running = (self.launcher)(Launch { id: id.clone(), request, path, reports });
                        if let Some(live) = self.live.get_mut(id) {
                            live.running = Some(running);
                        }
                        self.remind(self.patience.join, Fact::JoinOverdue(id.clone()));
                    }
                    Err(e) => {
                        let failure = Failure::from(spool_error("make a directory in the spool", &e));
                        let _ = self.facts.send(Fact::Report(id.clone(), Report::Broke { failure, salvaged: None }));
                    }
                },
                Effect::Drain => {
                    if let Some(running) = &live.running {
                        running.drain();
                    }
                    self.remind(self.patience.drain, Fact::DrainOverdue(id.clone()));
                }
                Effect::Seal(_) => {
                    live.running = None;
                    let (spool, id) = (self.spool.clone(), id.clone());
                    // Flushing a long file takes its time; others must not wait for it. The job that stores it looks for it.
                    tokio::task::spawn_blocking(move || match spool.seal(&id, extension) {
                        Ok(_) => {}
                        // Stored already, before a crash.
                        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                        Err(error) => tracing::error!(recording = %id, %error, "the file could not be sealed"),
                    });
                }
                Effect::Free => {
                    live.running = None;
                    if let Err(error) = self.spool.free(id) {
                        tracing::warn!(recording = %id, %error, "the spool could not be freed");
                    }
                }
                Effect::Discard => {
                    live.running = None;
                    match self.spool.discard(id) {
                        Ok(None) => {}
                        Ok(Some(aside)) => {
                            tracing::warn!(recording = %id, folder = %aside.display(), "what it left is set aside");
                        }
                        Err(error) => tracing::warn!(recording = %id, %error, "the spool could not be freed"),
                    }
                }
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
