//! Changes and the jobs they imply, written together, in order, until the store takes them.

use std::time::Duration;

use jiff::Timestamp;

use super::driver::{Driver, Fact};
use crate::db::Change;
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Effect, Job, Recording, Task};

/// How soon a change is written again when the store did not take it.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// One change and the jobs it implies, written together.
#[derive(Clone)]
pub(super) struct Owed {
    pub recording: Recording,
    pub forgotten: bool,
    pub jobs: Vec<Job>,
    pub done: Option<Job>,
}

impl Driver {
    /// The jobs among these effects.
    pub(super) fn jobs(&self, recording: &Recording, effects: &[Effect]) -> Vec<Job> {
        let now = Timestamp::now();
        let job = |task| vec![Job::new(recording.id.clone(), task, now)];
        let jobs = |effect: &Effect| match effect {
            Effect::Upload => job(Task::Upload),
            Effect::Remove { object } => job(Task::Remove { object: *object }),
            Effect::Tell(event) => self.policy.tell(*event, recording, now),
            Effect::Record | Effect::Drain | Effect::Seal(_) | Effect::Free | Effect::Discard | Effect::Forget => {
                vec![]
            }
        };
        effects.iter().flat_map(jobs).collect()
    }

    /// Writes a change; one that the store does not take is written again until it does. The recorder goes on meanwhile: a
    /// file is worth more than its row.
    pub(super) async fn owe(&mut self, owed: Owed) {
        self.owed.push_back(owed);
        if self.owed.len() == 1 {
            self.write_owed().await;
        }
    }

    pub(super) async fn write_owed(&mut self) {
        while let Some(owed) = self.owed.front().cloned() {
            if let Err(error) = self.write(owed).await {
                tracing::error!(%error, "the store does not take a change; it will be written again");
                return self.remind(WRITE_AGAIN, Fact::WriteAgain);
            }
            self.owed.pop_front();
        }
    }

    pub(super) async fn write(&self, owed: Owed) -> Result<()> {
        let (db, jobs) = (self.db.clone(), owed.jobs.clone());
        let write = move || {
            let Owed { recording, forgotten, jobs, done } = &owed;
            let (recording, jobs, done) =
                ([recording], jobs.iter().collect::<Vec<_>>(), done.iter().collect::<Vec<_>>());
            let (recordings, forgotten): (&[&Recording], &[&Recording]) =
                if *forgotten { (&[], &recording) } else { (&recording, &[]) };
            db.commit(Change { recordings, forgotten, jobs: &jobs, done: &done })
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.unwrap_or_else(|e| Err(Error::new(ErrorKind::Internal, format!("the store's task died: {e}"))))?;
        if !jobs.is_empty() {
            self.outbox.wake(jobs);
        }
        Ok(())
    }
}
