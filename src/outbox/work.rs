//! What each job does: one try, and what became of it.

use std::sync::Arc;

use super::{Marks, Perform, upload};
use crate::db::Db;
use crate::egress;
use crate::error::{Attempt, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::notify::Notifier;
use crate::recording::{Job, Recording, Stored, Task};
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
    /// Where other sidecars see that it is being seen to.
    pub marks: Marks,
    /// By whom people hear of it.
    pub notifier: Notifier,
}

impl Worker {
    /// As the outbox wants it.
    pub fn perform(self) -> Perform {
        let worker = Arc::new(self);
        Arc::new(move |job| {
            let worker = worker.clone();
            Box::pin(async move { worker.attempt(&job).await })
        })
    }

    async fn attempt(&self, job: &Job) -> Attempt {
        match &job.task {
            Task::Upload => {
                let storage = self.storage_of(&job.recording)?;
                upload::upload(&self.db, &self.spool, &storage, Some(&self.marks), &job.recording).await
            }
            Task::Publish => {
                let storage = self.storage_of(&job.recording)?;
                upload::publish(&self.db, &self.spool, &storage, Some(&self.marks), &job.recording).await?;
                let Some(recording) = self.db.get(&job.recording)? else { return Ok(()) };
                if recording.state.is_final() {
                    return Ok(());
                }
                self.marks.release(&job.recording).await;
                self.remember(&recording, &storage).await;
                if let Some(manifest) = egress::manifest(&recording) {
                    // It says nothing that is not said elsewhere: the recording does not depend on it.
                    let put = storage.put(&manifest.key, manifest.json.into(), "application/json").await;
                    if let Err(error) = put {
                        tracing::warn!(recording = %job.recording, %error, "the manifest is not stored");
                    }
                }
                Ok(())
            }
            Task::Notify { event, to, about } => self.notifier.notify(*event, to, about).await,
            Task::Remove { object: false } => Ok(()),
            // Whatever is wrong with the storage may be put right: it is tried until nothing is left.
            Task::Remove { object: true } => Ok(self.remove(&job.recording).await?),
        }
    }

    /// What is at its final place now is this recording's, until it is another one.
    async fn remember(&self, recording: &Recording, storage: &Storage) {
        let stored = match storage.head(&recording.key).await {
            Ok(Some(head)) => Stored { bytes: head.bytes, etag: head.etag },
            // Then its key decides.
            Ok(None) | Err(_) => return,
        };
        let (db, id) = (self.db.clone(), recording.id.clone());
        let kept = tokio::task::spawn_blocking(move || db.keep_stored(&id, &stored)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(recording = %recording.id, %error, "what was stored is not remembered");
        }
    }

    /// Takes away what this recording stored, and nothing that has come to its place since.
    async fn remove(&self, id: &RecordingId) -> Result<()> {
        let Some(recording) = self.db.get(id)?.filter(|recording| !recording.left_nothing()) else { return Ok(()) };
        let storage = self.storage_of(id)?;
        if let Some(manifest) = egress::manifest(&recording) {
            storage.delete(&manifest.key).await?;
        }
        // Storages that requests bring along have keys of their own.
        let newest = || match recording.options.store {
            Some(_) => Ok(true),
            None => Ok(self.db.with_key(&recording.key)?.is_none_or(|owner| owner.id == *id)),
        };
        let ours = match (self.db.stored(id)?, storage.head(&recording.key).await) {
            (_, Ok(None)) => return Ok(()),
            (Some(stored), Ok(Some(head))) => match stored.is(head.bytes, head.etag.as_deref()) {
                Some(same) => same,
                None => newest()?,
            },
            (None, Ok(Some(_))) => newest()?,
            // A key may be allowed to delete and not to look.
            (_, Err(e)) if e.kind == ErrorKind::PermissionDenied => newest()?,
            (_, Err(e)) => return Err(e),
        };
        if !ours {
            tracing::warn!(recording = %id, key = recording.key, "another object has this key now; it is kept");
            return Ok(());
        }
        storage.delete(&recording.key).await
    }

    fn storage_of(&self, id: &RecordingId) -> Result<Storage> {
        let recording = self.db.get(id)?;
        let (sealed, mode) = recording
            .as_ref()
            .map_or((None, None), |recording| (recording.options.sealed_store(), recording.storing_mode()));
        self.stores.of(sealed, mode)
    }
}
