//! Writes what became of jobs to the store, in order, beside the driver: a disk that hangs stops no other job.

use tokio::sync::mpsc;

use crate::db::{Change, Db};
use crate::error::Result;
use crate::recording::Job;

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

/// The way to the writer.
pub(super) struct Writer {
    writes: mpsc::UnboundedSender<Write>,
    written: mpsc::UnboundedReceiver<Write>,
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
    pub async fn next(&mut self) -> Option<Write> {
        self.written.recv().await
    }
}

/// The store is let go before it is said that nothing more comes.
async fn run(written: mpsc::UnboundedSender<Write>, db: Db, mut writes: mpsc::UnboundedReceiver<Write>) {
    while let Some(write) = writes.recv().await {
        let (db, job) = (db.clone(), write.clone());
        let done = tokio::task::spawn_blocking(move || keep(&db, &job)).await;
        match done {
            Ok(Ok(())) => {}
            // Then the next process does it once more.
            Ok(Err(error)) => tracing::error!(%error, "the result of a job cannot be saved"),
            Err(error) => tracing::error!(%error, "writing what became of a job broke"),
        }
        let _ = written.send(write);
    }
}

fn keep(db: &Db, write: &Write) -> Result<()> {
    match write {
        Write::Postpone(job) => db.postpone(job),
        Write::Done(job) | Write::GivenUp(job) => db.commit(Change { done: &[job], ..Change::default() }),
    }
}
