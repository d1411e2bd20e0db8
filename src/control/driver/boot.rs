//! The first thing the driver does: what an earlier process left behind is taken up. Files are made whole one after the
//! other while new recordings go on: nothing about one of them keeps the process from starting.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::left::make_whole;
use super::recovery::{self, goes_on};
use super::{Driver, Live};
use crate::control::admission;
use crate::control::adopt::lost;
use crate::control::fact::Fact;
use crate::control::pending_writes::{PendingWrite, Written};
use crate::db::Db;
use crate::error::Result;
use crate::ids::RecordingId;
use crate::recorder::{Left, Take};
use crate::recording::{Recording, Report, State};
use crate::spool::{Found, Spool};

impl Driver {
    /// Takes up what an earlier process left behind. Returns at once; what is found comes as facts.
    pub(in crate::control) fn recover(&mut self) -> Result<()> {
        let unended = self.db.unended()?;
        let found = self.effects.spool.list().unwrap_or_else(|error| {
            tracing::error!(%error, "data_dir: cannot list the spool");
            vec![]
        });
        let mut interrupted = Vec::new();
        for mut recording in unended {
            // It ended when it was last written to, not now.
            let written_at = found.iter().find(|found| found.id == recording.id).and_then(|found| found.written_at);
            let written_at = written_at.and_then(|at: SystemTime| Timestamp::try_from(at).ok());
            // A file that was opened and never written to is older than its recording.
            recording.ended_at = recording.ended_at.or(written_at.max(recording.started_at));
            let salvaging = recovery::is_interrupted(&recording.state);
            self.live.insert(recording.id.clone(), Live { salvaging, ..Live::new(recording.clone()) });
            if salvaging {
                tracing::warn!(recording = %recording.id, "was not ended by the last run");
                interrupted.push(recording);
            } else {
                self.resume(&recording);
            }
        }
        let strays: Vec<_> = found.into_iter().filter(|found| !self.live.contains_key(&found.id)).collect();
        let (db, spool, facts) = (self.db.clone(), self.effects.spool.clone(), self.effects.facts.clone());
        tokio::spawn(async move {
            let ended = reopen(interrupted, &spool, &facts).await;
            salvage(ended, &spool, &facts).await;
            let swept = tokio::task::spawn_blocking(move || strays.iter().for_each(|found| sweep(&db, &spool, found)));
            if let Err(error) = swept.await {
                tracing::error!(%error, "the spool was not swept");
            }
        });
        Ok(())
    }

    /// A recording of another sidecar, which is lost: its file is in the spool or in its storage, or there is none.
    pub(super) fn take_up(&mut self, recording: Recording) -> Written {
        let id = recording.id.clone();
        if !matches!(self.load(&id), Ok(None)) {
            return Written::already();
        }
        self.live.insert(id.clone(), Live::new(recording.clone()));
        let effects = recording.state.pending();
        let jobs = self.jobs(&recording, &effects);
        let written = self.write(PendingWrite::of(recording.clone()).with(jobs, effects));
        if let State::Ending { then } = &recording.state {
            let failure = then.failure().cloned().unwrap_or_else(|| lost(None));
            self.report(&id, Report::Broke { failure, salvaged: None }, None);
        }
        written
    }

    /// A file that can be appended to: its recording goes on, unless it was stopped meanwhile, or another one of its room began.
    pub(super) fn reopened(&mut self, id: &RecordingId, take: Take) {
        let Some(live) = self.live.get(id) else { return };
        let recording = live.recording.clone();
        let room = &recording.request.room;
        let mut others = self.live.iter().filter(|(other, live)| *other != id && live.holds(room));
        let other = others.next().map(|(_, live)| &live.recording);
        let free = admission::check_room(&recording.options.origin, room, other).is_ok();
        match goes_on(&recording, &take, Timestamp::now()).filter(|_| free) {
            Some(resume) => {
                tracing::info!(recording = %id, room, "going on with a recording that was interrupted");
                if let Some(live) = self.live.get_mut(id) {
                    live.salvaging = false;
                    live.recording.ended_at = None;
                }
                self.record(&recording, Some(resume));
            }
            None => {
                let (spool, facts) = (self.effects.spool.clone(), self.effects.facts.clone());
                tokio::spawn(async move { salvage(vec![recording], &spool, &facts).await });
            }
        }
    }
}

/// First those that can go on: people are talking. Returns those that cannot, and are to be made whole.
async fn reopen(interrupted: Vec<Recording>, spool: &Spool, facts: &mpsc::UnboundedSender<Fact>) -> Vec<Recording> {
    let mut ended = Vec::new();
    for recording in interrupted {
        match take(&recording, spool).await.filter(|take| goes_on(&recording, take, Timestamp::now()).is_some()) {
            Some(take) => drop(facts.send(Fact::Reopened(recording.id, take))),
            None => ended.push(recording),
        }
    }
    ended
}

/// Where the file of this one ends, if it can be appended to. One that was declared whole cannot.
async fn take(recording: &Recording, spool: &Spool) -> Option<Take> {
    let (id, extension) = (&recording.id, recording.extension());
    if recording.state != State::Active || spool.sealed(id, extension).is_some() {
        return None;
    }
    let (container, file) = (recording.request.output.container(), spool.part(id, extension));
    let work = move || Take::reopen(container, &file, &AtomicU64::new(0));
    let take = tokio::task::spawn_blocking(work).await.ok()?.ok()??;
    // A copy of what its recorder was still writing is worth less than what goes on, and would be stored in its stead.
    spool.forget_copy(id, extension).ok().map(|()| take)
}

/// One after the other: they share a disk, and recordings that run need it more.
async fn salvage(interrupted: Vec<Recording>, spool: &Spool, facts: &mpsc::UnboundedSender<Fact>) {
    for recording in interrupted {
        let report = recovery::last_word(left(&recording, spool).await);
        let _ = facts.send(Fact::Salvaged(recording.id, report));
    }
}

/// What is left of this one. What was declared whole comes first: then the file that grew is what a recorder left that had
/// been given up.
async fn left(recording: &Recording, spool: &Spool) -> Option<Left> {
    let (id, extension) = (&recording.id, recording.extension());
    let part = (spool.part(id, extension), spool.size(id, extension));
    if let Some(sealed) = spool.sealed(id, extension) {
        let left = make_whole(recording, sealed, 0).await?;
        return Some(Left { finished: left.finished && part.1 == 0, ..left });
    }
    // Its recorder is gone: a copy of what it was still writing is worth less than that.
    if part.1 > 0
        && let Err(error) = spool.forget_copy(id, extension)
    {
        tracing::warn!(recording = %id, %error, "a copy of its file cannot be taken away");
    }
    make_whole(recording, part.0, 0).await
}

/// A directory of a recording that ended, or that nobody knows: an empty one is freed, and so is one whose file is at its
/// final place.
fn sweep(db: &Db, spool: &Spool, Found { id, bytes, .. }: &Found) {
    let ended = db.get(id).ok().flatten().filter(|recording| recording.state.is_final());
    let swept = match ended {
        Some(recording) => {
            let done = if recording.left_nothing() || spool.size(id, recording.extension()) > 0 {
                spool.discard(id)
            } else {
                spool.free(id).map(|()| None)
            };
            done.inspect(|aside| {
                if let Some(aside) = aside {
                    tracing::warn!(recording = %id, bytes, folder = %aside.display(), "what it left is set aside");
                }
            })
        }
        None => spool
            .free_if_empty(id)
            .inspect(|freed| {
                if !freed {
                    tracing::warn!(recording = %id, bytes, "the spool holds a file that no recording claims");
                }
            })
            .map(|_| None),
    };
    if let Err(error) = swept {
        tracing::warn!(recording = %id, %error, "its directory in the spool cannot be freed");
    }
}
