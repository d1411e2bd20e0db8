//! What each job does: one try, and what became of it.

use std::sync::Arc;

use super::{Perform, Verdict, upload};
use crate::db::Db;
use crate::egress;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::notify::Notifier;
use crate::recording::{Job, Task};
use crate::spool::Spool;
use crate::storage::{Storage, Stores};

/// Everything a job may need.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where recordings and checkpoints are looked up.
    pub db: Db,
    /// Where files grow.
    pub spool: Spool,
    /// Where they go.
    pub stores: Stores,
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
            Task::Upload => {
                let storage = self.storage_of(&job.recording)?;
                upload::upload(&self.db, &self.spool, &storage, &job.recording).await?;
                if let Some(recording) = self.db.get(&job.recording)?
                    && let Some(manifest) = egress::manifest(&recording)
                {
                    // It says nothing that is not said elsewhere: the recording does not depend on it.
                    let put = storage.put(&manifest.key, manifest.json.into(), "application/json").await;
                    if let Err(error) = put {
                        tracing::warn!(recording = %job.recording, %error, "the manifest is not stored");
                    }
                }
                Ok(())
            }
            Task::Tell { event, to, about } => self.notifier.tell(*event, to, about).await,
            Task::Remove { object: false } => Ok(()),
            Task::Remove { object: true } => match self.db.get(&job.recording)? {
                Some(recording) => {
                    let storage = self.storage_of(&job.recording)?;
                    if let Some(manifest) = egress::manifest(&recording) {
                        storage.delete(&manifest.key).await?;
                    }
                    storage.delete(&recording.key).await
                }
                None => Ok(()),
            },
        }
    }

    fn storage_of(&self, id: &RecordingId) -> Result<Storage> {
        let recording = self.db.get(id)?;
        let (sealed, mode) = recording
            .as_ref()
            .map_or((None, None), |recording| (recording.options.sealed_store(), recording.storing_mode()));
        self.stores.of(sealed, mode)
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
