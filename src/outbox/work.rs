//! What each job does: one try, and what became of it.

use std::sync::Arc;

use super::{Perform, Verdict, upload};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::notify::Notifier;
use crate::recording::{Job, Task};
use crate::spool::Spool;
use crate::storage::Storage;

/// Everything a job may need.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where recordings and checkpoints are looked up.
    pub db: Db,
    /// Where files grow.
    pub spool: Spool,
    /// Where they go.
    pub storage: Storage,
    /// By whom people hear of it.
    pub notifier: Notifier,
}

impl Worker {
    /// As the outbox wants it.
    pub fn perform(self) -> Perform {
        let worker = Arc::new(self);
        Arc::new(move |job| {
            let worker = worker.clone();
            Box::pin(async move { worker.attempt(&job).await.map_or_else(verdict, |()| Verdict::Done) })
        })
    }

    async fn attempt(&self, job: &Job) -> Result<()> {
        match &job.task {
            Task::Upload => upload::upload(&self.db, &self.spool, &self.storage, &job.recording).await,
            Task::Tell { event, to, about } => self.notifier.tell(*event, to, about).await,
            Task::Remove { object: false } => Ok(()),
            Task::Remove { object: true } => match self.db.get(&job.recording)? {
                Some(recording) => self.storage.delete(&recording.key).await,
                None => Ok(()),
            },
        }
    }
}

/// A failure that another try cannot mend says so by its kind.
fn verdict(error: Error) -> Verdict {
    match error.kind {
        ErrorKind::InvalidArgument | ErrorKind::DataLoss | ErrorKind::Unimplemented => Verdict::Never(error),
        ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Unauthenticated
        | ErrorKind::PermissionDenied
        | ErrorKind::FailedPrecondition
        | ErrorKind::ResourceExhausted
        | ErrorKind::Unavailable
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Internal => Verdict::Again(error),
    }
}
