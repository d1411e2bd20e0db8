//! Writes what became of jobs to the store, in order, beside the driver: a disk that hangs stops no other job.

use tokio::sync::mpsc;

use crate::db::{Change, Db};
use crate::error::Result;
use crate::recording::{Job, Task};

/// What became of a job.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// It waits for its next try.
    Postpone(Job),
    /// It is done.
    Done(Job),
    /// It will not be tried again.
    GivenUp(Job),
}

impl Write {
    /// The job it is about.
    pub fn job(&self) -> &Job {
        match self {
            Self::Postpone(job) | Self::Done(job) | Self::GivenUp(job) => job,
        }
    }
}

/// A write is over.
#[derive(Debug)]
pub(super) struct Written {
    pub write: Write,
    /// Notifications of its recording are still in the store, as far as is known.
    pub notifies: bool,
}

/// The way to the writer.
pub(super) struct Writer {
    writes: mpsc::UnboundedSender<Write>,
    written: mpsc::UnboundedReceiver<Written>,
}

impl Writer {
    /// Must be called within a tokio runtime.
    pub fn start(db: Db) -> Self {
        let (writes, queue) = mpsc::unbounded_channel();
        let (answers, written) = mpsc::unbounded_channel();
        tokio::spawn(run(answers, db, queue));
        Self { writes, written }
    }

    /// Gives it something to write.
    pub fn write(&self, write: Write) {
        let _ = self.writes.send(write);
    }

    /// Gives it no more.
    pub fn close(&mut self) {
        self.writes = mpsc::unbounded_channel().0;
    }

    /// The next write that is over; none once it is closed and everything is written. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Written> {
        self.written.recv().await
    }
}

/// The store is let go before it is said that nothing more comes.
async fn run(written: mpsc::UnboundedSender<Written>, db: Db, mut writes: mpsc::UnboundedReceiver<Write>) {
    while let Some(write) = writes.recv().await {
        let (db, job) = (db.clone(), write.clone());
        let done = tokio::task::spawn_blocking(move || keep(&db, &job)).await;
        let notifies = match done {
            Ok(Ok(notifies)) => notifies,
            Ok(Err(error)) => {
                // Then the next process does it once more.
                tracing::error!(%error, "the result of a job cannot be saved");
                true
            }
            Err(error) => {
                tracing::error!(%error, "writing what became of a job broke");
                true
            }
        };
        let _ = written.send(Written { write, notifies });
    }
}

/// Whether notifications of the job's recording are left afterwards.
fn keep(db: &Db, write: &Write) -> Result<bool> {
    match write {
        Write::Postpone(job) => db.postpone(job).map(|()| true),
        Write::Done(job) | Write::GivenUp(job) => {
            db.commit(Change { done: &[job], ..Change::default() })?;
            Ok(db.jobs_of(&job.recording)?.iter().any(is_notification))
        }
    }
}

fn is_notification(job: &Job) -> bool {
    match &job.task {
        Task::Notify { to, .. } => to.is_notification(),
        Task::Upload | Task::Publish | Task::Remove { .. } => false,
    }
}
