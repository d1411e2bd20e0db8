//! A recorder that does not get on: patience follows what it does. What it may still write to is never renamed.

use std::time::Duration;

use super::Driver;
use super::left::make_whole;
use crate::control::fact::{Fact, File, Signs};
use crate::error::ErrorKind;
use crate::ids::RecordingId;
use crate::recording::{Failure, Recording, Report, State};

/// How soon a copy is tried again that failed: the disk may have to be freed first.
const COPY_AGAIN: Duration = Duration::from_secs(30);

impl Driver {
    /// Tells the recorder to end, and looks now and then whether it gets on.
    pub(super) fn drain(&self, id: &RecordingId) {
        let Some(live) = self.live.get(id) else { return };
        if let Some(running) = &live.running {
            running.drain();
        }
        self.watch(&live.recording, None);
    }

    /// Looks at the file after a while, on another thread: while the disk hangs, time does not count.
    fn watch(&self, recording: &Recording, before: Option<Signs>) {
        let (spool, facts, after) = (self.effects.spool.clone(), self.effects.facts.clone(), self.timeouts.drain);
        let (id, extension) = (recording.id.clone(), recording.extension());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let of = id.clone();
            let look = move || (spool.size(&of, extension), spool.written_at(&of, extension));
            let (bytes, written_at) = tokio::task::spawn_blocking(look).await.unwrap_or_default();
            let _ = facts.send(Fact::Stalled { id, before, file: File { bytes, written_at } });
        });
    }

    /// It had its time to get on.
    pub(super) fn stalled(&mut self, id: &RecordingId, before: Option<Signs>, file: File) {
        let Some(live) = self.live.get(id).filter(|live| !live.salvaging) else { return };
        if !is_recorded(&live.recording.state) {
            return;
        }
        let progress = live.running.as_ref().map(|running| running.progress());
        let (duration_ns, steps) = progress.map_or((0, 0), |progress| (progress.duration_ns, progress.steps));
        let now = Signs { file, duration_ns, steps };
        if before != Some(now) {
            return self.watch(&live.recording, Some(now));
        }
        let words = format!("the recorder did not get on with its file for {:?}", self.timeouts.drain);
        self.give_up(id, Failure::new(ErrorKind::DeadlineExceeded, words));
    }

    /// Its recorder is gone without a last word. Its threads may still be finishing the file.
    pub(super) fn silence(&mut self, id: &RecordingId) {
        const DIED: &str = "the recorder died";
        let Some(live) = self.live.get(id).filter(|live| !live.salvaging) else { return };
        if !is_recorded(&live.recording.state) {
            return;
        }
        if self.effects.spool.size(id, live.recording.extension()) == 0 {
            return self.give_up(id, Failure::new(ErrorKind::Internal, DIED));
        }
        match live.recording.state {
            State::Starting | State::Active => drop(self.report(id, Report::ConnectionLost(DIED.into()), None)),
            // Its patience runs already.
            State::Ending { .. } => {}
            State::Saving { .. } | State::Ended(_) | State::Notified(_) | State::Removing { .. } => {}
        }
    }

    /// Nothing more is expected of its recorder: what is on the disk is what there is. Its threads may wake up yet, so that
    /// the file is left to them, and a copy is made whole.
    fn give_up(&mut self, id: &RecordingId, failure: Failure) {
        let Some(live) = self.live.get_mut(id) else { return };
        let recording = live.recording.clone();
        let duration_ns = live.running.as_ref().map_or(0, |running| running.progress().duration_ns);
        if self.effects.spool.size(id, recording.extension()) == 0 {
            drop(self.report(id, Report::Broke { failure, salvaged: None }, None));
            return;
        }
        tracing::error!(recording = %id, why = failure.words, "the recorder is given up; its file is copied");
        live.salvaging = true;
        let (spool, facts, id) = (self.effects.spool.clone(), self.effects.facts.clone(), id.clone());
        tokio::spawn(async move {
            let copy = loop {
                let (spool, id, extension) = (spool.clone(), id.clone(), recording.extension());
                match tokio::task::spawn_blocking(move || spool.copy_part(&id, extension)).await {
                    Ok(Ok(copy)) => break copy,
                    Ok(Err(error)) => tracing::error!(recording = %recording.id, %error, "the file cannot be copied"),
                    Err(error) => tracing::error!(recording = %recording.id, %error, "the file cannot be copied"),
                }
                tokio::time::sleep(COPY_AGAIN).await;
            };
            let left = make_whole(&recording, copy, duration_ns).await;
            let salvaged = left.map(|left| (left.media.bytes, left.media.duration_ns));
            let _ = facts.send(Fact::Salvaged(id, Report::Broke { failure, salvaged }));
        });
    }

    /// What a recorder reports. Its last word is believed as long as it was not overtaken.
    pub(super) fn heard(&mut self, id: &RecordingId, report: Report) {
        let last = matches!(report, Report::Drained { .. } | Report::Broke { .. });
        match self.live.get_mut(id).filter(|live| live.salvaging && last) {
            Some(live) => live.late = Some(report),
            None => drop(self.report(id, report, None)),
        }
    }

    /// What a recorder left is as whole as it can be. Its own word counts more, if it came after all.
    pub(super) fn salvaged(&mut self, id: &RecordingId, report: Report) {
        let Some(live) = self.live.get_mut(id) else { return };
        live.salvaging = false;
        let report = match live.late.take() {
            None => report,
            Some(late) => {
                let gone = self.effects.spool.forget_copy(id, live.recording.extension());
                // Then the copy is what is stored.
                if gone.is_ok() { late } else { report }
            }
        };
        drop(self.report(id, report, None));
    }
}

/// A recorder is at work on it, or should be.
fn is_recorded(state: &State) -> bool {
    match state {
        State::Starting | State::Active | State::Ending { .. } => true,
        State::Saving { .. } | State::Ended(_) | State::Notified(_) | State::Removing { .. } => false,
    }
}
