//! Brings one recording's file to its final place.

use std::time::Duration;

use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::spool::Spool;
use crate::storage::Storage;

/// How often the spool is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Returns once the object is complete and verified. `DataLoss` when there is nothing to store, and never will be.
pub async fn upload(db: &Db, spool: &Spool, storage: &Storage, id: &RecordingId) -> Result<()> {
    let gone = |why: &str| Error::new(ErrorKind::DataLoss, format!("{id}: {why}"));
    let recording = db.get(id)?.ok_or_else(|| gone("the recording is gone"))?;
    let extension = recording.extension();
    loop {
        if let Some(file) = spool.sealed(id, extension) {
            return storage.put_file(&file, &recording.key, recording.content_type()).await;
        }
        if storage.local_path(&recording.key).is_some_and(|path| path.exists()) {
            return Ok(());
        }
        if !spool.part(id, extension).exists() {
            return Err(gone("its file is neither in the spool nor stored"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
