//! Changes and the jobs they imply, written together, in order, until the store takes them; then what they bring about.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::driver::{Driver, Fact};
use crate::db::{Change, Db};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Effect, Job, Recording, Task};

/// How soon a change is written again when the store did not take it.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// Whoever asked for a change is answered after this long, whatever the disk does.
const ANSWER: Duration = Duration::from_secs(1);

/// One change, the jobs it implies, and what is done once they are written.
pub(super) struct Owed {
    pub recording: Recording,
    pub forgotten: bool,
    pub jobs: Vec<Job>,
    pub done: Option<Job>,
    pub effects: Vec<Effect>,
    /// A recording that begins: when the store does not take it, it does not.
    pub begins: bool,
    /// Who wait until it is written.
    pub waiting: Vec<oneshot::Sender<Result<()>>>,
}

/// What is owed to the store.
#[derive(Default)]
pub(super) struct Ledger {
    owed: VecDeque<Owed>,
    /// The first one is being written.
    writing: bool,
    /// Why the store did not take it the last time.
    refused: Option<Error>,
}

/// A change that will be written.
pub(super) struct Written(Option<oneshot::Receiver<Result<()>>>);

impl Owed {
    /// The recording changed, and nothing follows from it.
    pub fn change(recording: Recording) -> Self {
        let (jobs, effects, waiting) = (vec![], vec![], vec![]);
        Self { recording, forgotten: false, jobs, done: None, effects, begins: false, waiting }
    }
}

impl Ledger {
    /// The newest change of this recording that is not written yet.
    pub fn newest(&self, id: &RecordingId) -> Option<&Owed> {
        self.owed.iter().rev().find(|owed| owed.recording.id == *id)
    }

    /// Everything is written.
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// A change is on its way.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Why the store takes no changes at present.
    pub fn refused(&self) -> Option<&Error> {
        self.refused.as_ref()
    }
}

impl Written {
    /// There was nothing to write.
    pub fn already() -> Self {
        Self(None)
    }

    /// Once it is written, or the store did not take it, or the disk does not answer: it will be written later then.
    pub async fn tried(self) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some(written) => tokio::time::timeout(ANSWER, written).await.map_or(Ok(()), |done| done.unwrap_or(Ok(()))),
        }
    }

    /// Gives this answer then.
    pub fn answer<T: Send + 'static>(self, reply: oneshot::Sender<T>, answer: T) {
        drop(self.then(reply, answer));
    }

    /// Gives this answer then, and others may follow.
    pub fn then<T: Send + 'static>(self, reply: oneshot::Sender<T>, answer: T) -> Self {
        let (passed_on, next) = oneshot::channel();
        tokio::spawn(async move {
            let written = self.tried().await;
            let _ = reply.send(answer);
            let _ = passed_on.send(written);
        });
        Self(Some(next))
    }
}

impl Driver {
    /// The jobs among these effects.
    pub(super) fn jobs(&self, recording: &Recording, effects: &[Effect]) -> Vec<Job> {
        let now = Timestamp::now();
        let job = |task| vec![Job::new(recording.id.clone(), task, now)];
        let jobs = |effect: &Effect| match effect {
            Effect::Upload => self.policy.store(recording, now),
            Effect::Remove { object } => job(Task::Remove { object: *object }),
            Effect::Tell(event) => self.policy.tell(*event, recording, now),
            Effect::Record | Effect::Drain | Effect::Seal(_) | Effect::Free | Effect::Discard | Effect::Forget => {
                vec![]
            }
        };
        effects.iter().flat_map(jobs).collect()
    }

    /// Writes a change; one that the store does not take is written again until it does. The recorder goes on meanwhile: a
    /// file is worth more than its row. What a change destroys or renames waits for it.
    pub(super) fn owe(&mut self, mut owed: Owed) -> Written {
        let (waiting, written) = oneshot::channel();
        owed.waiting.push(waiting);
        self.ledger.owed.push_back(owed);
        self.write_owed();
        Written(Some(written))
    }

    pub(super) fn write_owed(&mut self) {
        let Some(owed) = self.ledger.owed.front().filter(|_| !self.ledger.writing) else { return };
        self.ledger.writing = true;
        let (db, facts) = (self.db.clone(), self.facts.clone());
        let (recording, forgotten) = (owed.recording.clone(), owed.forgotten);
        let (jobs, done) = (owed.jobs.clone(), owed.done.clone());
        let work = tokio::task::spawn_blocking(move || write(&db, &recording, forgotten, &jobs, done.as_ref()));
        tokio::spawn(async move {
            let died = |e| Err(Error::new(ErrorKind::Internal, format!("the store's task died: {e}")));
            let _ = facts.send(Fact::Written(work.await.unwrap_or_else(died)));
        });
    }

    /// What became of the first change.
    pub(super) fn written(&mut self, written: Result<()>) {
        self.ledger.writing = false;
        if let Err(error) = written {
            return self.refused(error);
        }
        if self.ledger.refused.take().is_some() {
            tracing::info!("the store takes changes again");
        }
        if let Some(owed) = self.ledger.owed.pop_front() {
            if !owed.jobs.is_empty() {
                self.outbox.wake(owed.jobs);
            }
            for waiting in owed.waiting {
                let _ = waiting.send(Ok(()));
            }
            self.perform(&owed.recording, &owed.effects);
        }
        self.write_owed();
    }

    fn refused(&mut self, error: Error) {
        tracing::error!(%error, "the store does not take a change; it will be written again");
        for waiting in self.ledger.owed.iter_mut().flat_map(|owed| owed.waiting.drain(..)) {
            let _ = waiting.send(Err(error.clone()));
        }
        // What has not begun does not begin; whether the store has some of it or not, it has none of it in the end.
        for owed in self.ledger.owed.iter_mut().filter(|owed| owed.begins) {
            (owed.begins, owed.forgotten) = (false, true);
            owed.jobs.clear();
            owed.effects.clear();
            let id = &owed.recording.id;
            for starter in self.live.remove(id).into_iter().flat_map(|live| live.starters) {
                let _ = starter.send(Err(error.clone()));
            }
            if let Err(error) = self.spool.discard(id) {
                tracing::warn!(recording = %id, %error, "the spool could not be freed");
            }
        }
        self.ledger.refused = Some(error);
        self.remind(WRITE_AGAIN, Fact::WriteAgain);
    }
}

fn write(db: &Db, recording: &Recording, forgotten: bool, jobs: &[Job], done: Option<&Job>) -> Result<()> {
    let (one, jobs, done) = ([recording], jobs.iter().collect::<Vec<_>>(), done.into_iter().collect::<Vec<_>>());
    let (recordings, forgotten): (&[&Recording], &[&Recording]) = if forgotten { (&[], &one) } else { (&one, &[]) };
    db.commit(Change { recordings, forgotten, jobs: &jobs, done: &done })
}
