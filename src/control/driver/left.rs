//! What a recorder left on the disk, made whole and measured, on a thread of its own.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use crate::recorder::{Left, finish_interrupted};
use crate::recording::{Media, Recording};

/// Makes this file of the recording whole, as far as it can be, and measures it; none when it is empty. What cannot be read
/// may still be worth something to somebody: it stays as it is, `known_ns` long as far as is known.
pub(super) async fn make_whole(recording: &Recording, path: PathBuf, known_ns: u64) -> Option<Left> {
    let (container, file) = (recording.request.output.container(), path.clone());
    let bytes = tokio::fs::metadata(&path).await.map_or(0, |meta| meta.len());
    if bytes == 0 {
        return None;
    }
    let work = move || finish_interrupted(container, &file, &AtomicU64::new(0));
    let why = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(left)) => return Some(left),
        Ok(Err(e)) => e.to_string(),
        // It panicked: no file ends more than its own recording.
        Err(e) => e.to_string(),
    };
    tracing::warn!(recording = %recording.id, file = %path.display(), why, "the interrupted file is kept as it is");
    Some(Left { media: Media { bytes, duration_ns: known_ns }, finished: false })
}
