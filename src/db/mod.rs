//! The embedded store (sled): recordings, committed as one transaction and flushed before anybody acts on it.

mod row;

use std::path::Path;

use sled::Transactional as _;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::Recording;

/// The store. Cheap to clone; reads never wait for writes.
#[derive(Clone, Debug)]
pub struct Db {
    store: sled::Db,
    /// id → row.
    recordings: sled::Tree,
    /// created_at, id → nothing: the order of lists.
    by_time: sled::Tree,
}

/// A page of recordings, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many there are on all pages.
    pub count: usize,
    /// Those of this page.
    pub recordings: Vec<Recording>,
}

impl Db {
    /// Opens the store in `data_dir/db`, or makes it. The error is the one line to show.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("db");
        let open = || {
            let store = sled::Config::new().path(&path).cache_capacity(16 << 20).open()?;
            let recordings = store.open_tree("recordings")?;
            let by_time = store.open_tree("recordings_by_time")?;
            Ok(Self { store, recordings, by_time })
        };
        open().map_err(|e: sled::Error| {
            if e.to_string().contains("could not acquire lock") {
                let dir = data_dir.display();
                let fix = "stop that one or choose another folder (--data-dir)";
                Error::invalid("data_dir", format!("{dir} is in use by another greffier; {fix}"))
            } else {
                Error::invalid("data_dir", format!("cannot open the store {}: {e}", path.display()))
            }
        })
    }

    /// Writes all of them or none. When it returns they are on the disk.
    pub fn commit(&self, changed: &[&Recording]) -> Result<()> {
        let rows = changed.iter().map(|recording| row::encode(recording)).collect::<std::result::Result<Vec<_>, _>>();
        let rows = rows.map_err(|e| broken("encode a recording", e))?;
        (&self.recordings, &self.by_time)
            .transaction(|(recordings, by_time)| {
                for (recording, row) in changed.iter().zip(&rows) {
                    recordings.insert(recording.id.as_str(), row.as_slice())?;
                    by_time.insert(time_key(recording), &[])?;
                }
                Ok::<_, ConflictableTransactionError<sled::Error>>(())
            })
            .map_err(|e| match e {
                TransactionError::Abort(e) | TransactionError::Storage(e) => broken("write to the store", e),
            })?;
        // A transaction that returned is not on the disk yet: without this, an abort loses it.
        self.store.flush().map_err(|e| broken("flush the store", e))?;
        Ok(())
    }

    /// The recording of this id.
    pub fn get(&self, id: &RecordingId) -> Result<Option<Recording>> {
        let row = self.recordings.get(id.as_str()).map_err(unreadable)?;
        row.map(|row| decode(&row)).transpose()
    }

    /// `limit` recordings after the first `skip`, newest first.
    pub fn page(&self, skip: usize, limit: usize) -> Result<Page> {
        let mut recordings = Vec::new();
        for key in self.by_time.iter().keys().rev().skip(skip).take(limit) {
            recordings.extend(self.of_time_key(&key.map_err(unreadable)?)?);
        }
        Ok(Page { count: self.by_time.len(), recordings })
    }

    /// Every recording that has not ended, oldest first.
    pub fn unended(&self) -> Result<Vec<Recording>> {
        let mut recordings = Vec::new();
        for key in self.by_time.iter().keys() {
            let recording = self.of_time_key(&key.map_err(unreadable)?)?;
            recordings.extend(recording.filter(|recording| !recording.state.is_final()));
        }
        Ok(recordings)
    }

    fn of_time_key(&self, key: &[u8]) -> Result<Option<Recording>> {
        let id = key.get(TIME_BYTES..).unwrap_or_default();
        let row = self.recordings.get(id).map_err(unreadable)?;
        row.map(|row| decode(&row)).transpose()
    }
}

/// Nanoseconds since 1970 as they sort: big endian.
const TIME_BYTES: usize = 16;

fn time_key(recording: &Recording) -> Vec<u8> {
    let mut key = recording.created_at.as_nanosecond().to_be_bytes().to_vec();
    key.extend_from_slice(recording.id.as_str().as_bytes());
    key
}

fn decode(row: &[u8]) -> Result<Recording> {
    row::decode(row).map_err(|e| broken("read a recording of the store", e))
}

fn unreadable(e: sled::Error) -> Error {
    broken("read the store", e)
}

fn broken(tried: &str, e: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot {tried}: {e}"))
}

#[cfg(test)]
mod tests;
