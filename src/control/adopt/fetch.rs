//! Brings an object into the spool, to be made whole there.

use std::sync::atomic::AtomicU64;

use futures_util::TryStreamExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::recorder::{Left, finish_interrupted};
use crate::recording::Recording;
use crate::spool::Spool;
use crate::storage::Storage;

/// What stays free beside the film and its index.
const RESERVE: u64 = 256 << 20;

/// Reads the recording's object into its place in the spool and makes it whole there. `ResourceExhausted` when there is no room.
pub(super) async fn fetch(spool: &Spool, storage: &Storage, recording: &Recording, bytes: u64) -> Result<Left> {
    let failed = |e: std::io::Error| Error::new(ErrorKind::Internal, format!("data_dir: {e}"));
    let wanted = bytes + bytes / 8 + RESERVE;
    if spool.room().map_err(failed)?.free < wanted {
        let why = format!("{} MiB are needed to make {} whole; free some", wanted >> 20, recording.id);
        return Err(Error::of_field(ErrorKind::ResourceExhausted, "data_dir", why));
    }
    let path = spool.create(&recording.id, recording.extension()).map_err(failed)?;
    let mut content = storage.get_range(&recording.key, 0..u64::MAX).await?;
    let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
    while let Some(chunk) = content.stream.try_next().await? {
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    drop(file);
    let container = recording.request.output.container();
    let made = tokio::task::spawn_blocking(move || finish_interrupted(container, &path, &AtomicU64::new(0)));
    made.await.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?.map_err(failed)
}
