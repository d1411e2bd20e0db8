//! Changes on their way to the store: in order, one at a time, again until the store takes them. Nothing here waits or writes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::db::{self, Db};
use crate::error::{Error, Result};
use crate::ids::RecordingId;
use crate::recording::{Effect, Job, Recording};

/// The client that requested a change is answered after this long, whatever the disk does.
const ANSWER: Duration = Duration::from_secs(1);

/// One change, the jobs it implies, and what is done once it is written.
pub(super) struct PendingWrite {
    /// What is written.
    pub change: Change,
    /// What follows.
    pub effects: Vec<Effect>,
    begins: bool,
    waiting: Vec<oneshot::Sender<Result<()>>>,
}

/// What is written in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// As it is now.
    pub recording: Recording,
    /// It is taken out.
    pub forgotten: bool,
    /// Ordered by this change.
    pub jobs: Vec<Job>,
    /// What brought it about.
    pub done: Option<Job>,
}

/// All of them.
#[derive(Default)]
pub(super) struct PendingWrites {
    queue: VecDeque<PendingWrite>,
    /// The first one is being written.
    writing: bool,
    /// Why the store did not take it the last time.
    refused: Option<Error>,
}

/// A change that will be written.
pub(super) struct Written(Option<oneshot::Receiver<Result<()>>>);

impl PendingWrite {
    /// The recording changed, and nothing follows from it.
    pub fn of(recording: Recording) -> Self {
        let change = Change { recording, forgotten: false, jobs: vec![], done: None };
        Self { change, effects: vec![], begins: false, waiting: vec![] }
    }

    /// The same for a recording that begins: when the store does not take it, it does not.
    pub fn beginning(self) -> Self {
        Self { begins: true, ..self }
    }

    /// The same with these jobs and effects.
    pub fn with(mut self, jobs: Vec<Job>, effects: Vec<Effect>) -> Self {
        (self.change.jobs, self.effects) = (jobs, effects);
        self
    }

    /// Tells whoever waits that it is written.
    pub fn answer(self) {
        for waiting in self.waiting {
            let _ = waiting.send(Ok(()));
        }
    }
}

impl Change {
    /// Writes it. Blocks for as long as the disk does.
    pub fn commit(&self, db: &Db) -> Result<()> {
        let (one, jobs) = ([&self.recording], self.jobs.iter().collect::<Vec<_>>());
        let done: Vec<_> = self.done.iter().collect();
        let (recordings, forgotten): (&[&Recording], &[&Recording]) =
            if self.forgotten { (&[], &one) } else { (&one, &[]) };
        db.commit(db::Change { recordings, forgotten, jobs: &jobs, done: &done })
    }
}

impl PendingWrites {
    /// Puts it behind the others.
    pub fn push(&mut self, mut write: PendingWrite) -> Written {
        let (waiting, written) = oneshot::channel();
        write.waiting.push(waiting);
        self.queue.push_back(write);
        Written(Some(written))
    }

    /// The newest change of this recording that is not written yet.
    pub fn newest(&self, id: &RecordingId) -> Option<&Change> {
        self.queue.iter().rev().map(|write| &write.change).find(|change| change.recording.id == *id)
    }

    /// Everything is written.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A change is being written.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Why the store takes no changes at present.
    pub fn refused(&self) -> Option<&Error> {
        self.refused.as_ref()
    }

    /// The change to write now: none while another is being written. [`Self::written`] or [`Self::failed`] must follow.
    pub fn next(&mut self) -> Option<Change> {
        let next = self.queue.front().filter(|_| !self.writing)?.change.clone();
        self.writing = true;
        Some(next)
    }

    /// The store took it: what follows from it may be done, and whoever waits is to be answered once it is
    /// ([`PendingWrite::answer`]).
    pub fn written(&mut self) -> Option<PendingWrite> {
        self.writing = false;
        if self.refused.take().is_some() {
            tracing::info!("database writes succeed again");
        }
        self.queue.pop_front()
    }

    /// The store did not take it: it is to be written again after a while, and whoever waits is answered. Gives the
    /// recordings that do not begin because of it; whether the store has some of them or not, it has none in the end.
    pub fn failed(&mut self, error: &Error) -> Vec<RecordingId> {
        self.writing = false;
        self.refused = Some(error.clone());
        let mut never = Vec::new();
        for write in &mut self.queue {
            for waiting in write.waiting.drain(..) {
                let _ = waiting.send(Err(error.clone()));
            }
            if std::mem::take(&mut write.begins) {
                write.change.forgotten = true;
                write.change.jobs.clear();
                write.effects.clear();
                never.push(write.change.recording.id.clone());
            }
        }
        never
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;
    use crate::recording::{Limits, Options, Output, Policy, Request};

    fn recording(id: &str) -> Recording {
        let request = Request { room: id.into(), output: Output::ogg(), limits: Limits::default() };
        let (mode, now) = ("transcript".into(), Timestamp::UNIX_EPOCH);
        Recording::begin(RecordingId::new(id), mode, request, Options::default(), &Policy::default(), now).0
    }

    /// The n-th change of this recording.
    fn change(id: &str, n: u32) -> PendingWrite {
        PendingWrite::of(Recording { share_generation: n, ..recording(id) })
    }

    #[tokio::test]
    async fn whoever_waits_is_answered_and_a_start_that_is_not_written_never_was() {
        let mut writes = PendingWrites::default();
        let begun = writes.push(change("a", 0).beginning().with(vec![], vec![Effect::Record]));
        let changed = writes.push(change("b", 1));
        let first = writes.next().unwrap();
        assert!(writes.next().is_none() && writes.is_writing(), "one at a time");
        let error = Error::new(ErrorKind::Unavailable, "data_dir: the disk is full");
        assert_eq!(writes.failed(&error), std::slice::from_ref(&first.recording.id));
        assert_eq!((begun.tried().await, changed.tried().await), (Err(error.clone()), Err(error.clone())));
        assert_eq!(writes.refused(), Some(&error));
        let again = writes.next().unwrap();
        assert!(again.forgotten && again.recording == first.recording, "what the store may have of it goes");
        assert_eq!(writes.failed(&error), [], "it is said once");
        assert!(writes.next().is_some());
        assert!(writes.written().unwrap().effects.is_empty(), "nothing follows from what never began");
        assert_eq!((writes.refused(), writes.newest(&first.recording.id)), (None, None));
        let later = writes.push(change("b", 2));
        assert_eq!(writes.newest(&RecordingId::new("b")).unwrap().recording.share_generation, 2);
        for n in 1..=2 {
            assert_eq!(writes.next().unwrap().recording.share_generation, n);
            writes.written().unwrap().answer();
        }
        assert_eq!(later.tried().await, Ok(()));
        assert!(writes.is_empty() && !writes.is_writing());
    }

    #[tokio::test]
    async fn who_waits_is_answered_when_what_follows_has_been_done() {
        let mut writes = PendingWrites::default();
        let written = writes.push(change("a", 0));
        let mut tried = std::pin::pin!(written.tried());
        assert!(writes.next().is_some());
        let write = writes.written().unwrap();
        // Who is answered may ask for what follows at once, from another thread.
        assert!(tried.as_mut().now_or_never().is_none(), "the outbox has not been woken yet");
        write.answer();
        assert_eq!(tried.await, Ok(()));
    }

    proptest! {
        /// Whatever comes when, and however often the store refuses: each change is written once, in its order.
        #[test]
        fn every_change_is_written_once_and_in_order(steps in proptest::collection::vec(0..3u8, 0..60)) {
            let (mut writes, mut pushed, mut written) = (PendingWrites::default(), 0, vec![]);
            let error = Error::new(ErrorKind::Unavailable, "no");
            let mut turn = |writes: &mut PendingWrites, takes: bool| {
                let Some(change) = writes.next() else { return };
                if takes {
                    written.push(change.recording.share_generation);
                    assert!(writes.written().is_some());
                } else {
                    assert!(writes.failed(&error).is_empty());
                }
            };
            for step in steps {
                match step {
                    0 => {
                        drop(writes.push(change("a", pushed)));
                        pushed += 1;
                    }
                    1 => turn(&mut writes, true),
                    _ => turn(&mut writes, false),
                }
            }
            while !writes.is_empty() {
                turn(&mut writes, true);
            }
            prop_assert_eq!(written, (0..pushed).collect::<Vec<_>>());
        }
    }
}
