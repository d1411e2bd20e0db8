//! The file that is sent, as it lies in the spool.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::spool::Spool;

/// What is in the spool.
pub(super) enum SpoolState {
    Growing(PathBuf, u64),
    Whole(PathBuf, u64),
    Nothing,
}

/// Whether the file of this recording grows, or is whole.
pub(super) fn spool_state(spool: &Spool, id: &RecordingId, extension: &str) -> Result<SpoolState> {
    let part = spool.part(id, extension);
    let size = |path: &Path| match std::fs::metadata(path) {
        Ok(meta) => Ok(Some(meta.len())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unreadable(path, &e)),
    };
    // Twice, because it may get its name between the looks.
    for _ in 0..2 {
        if let Some(file) = spool.sealed(id, extension)
            && let Some(bytes) = size(&file)?
        {
            return Ok(SpoolState::Whole(file, bytes));
        }
        if let Some(bytes) = size(&part)? {
            return Ok(SpoolState::Growing(part, bytes));
        }
    }
    Ok(SpoolState::Nothing)
}

/// These bytes of the file; `None` when it does not have them (any more).
pub(super) async fn read(file: &Path, range: Range<u64>) -> Result<Option<Bytes>> {
    let path = file.to_owned();
    let work = move || {
        let file = std::fs::File::open(path)?;
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, range.start)?;
        io::Result::Ok(Bytes::from(bytes))
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
    match done {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        Err(e) => Err(unreadable(file, &e)),
    }
}

fn unreadable(file: &Path, e: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("data_dir: cannot read {}: {e}", file.display()))
}

/// What tells bytes apart that were sent.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
