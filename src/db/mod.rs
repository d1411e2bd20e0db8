//! The embedded store (sled): recordings and the jobs they imply, committed as one transaction and flushed before anybody acts
//! on it.

mod health;
mod job;
mod lists;
mod output;
mod row;

pub use lists::{Cursor, Page};

use std::path::Path;

use jiff::Timestamp;
use sled::Transactional as _;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Checkpoint, Job, Recording, Task};

/// The store. Cheap to clone; reads never wait for writes.
#[derive(Clone, Debug)]
pub struct Db {
    store: sled::Db,
    /// id → row.
    recordings: sled::Tree,
    /// created_at, id → nothing: the order of lists.
    by_time: sled::Tree,
    /// room, created_at, id → nothing: the order of lists of one room. Who is about to be removed is not there any more.
    by_room: sled::Tree,
    /// expires_at, id → nothing.
    by_expiry: sled::Tree,
    /// Ids of the recordings whose state can still change by itself.
    unended: sled::Tree,
    /// room, idempotency key → id.
    by_idempotency: sled::Tree,
    by_key: sled::Tree,
    /// recording, lane, rank → job.
    jobs: sled::Tree,
    /// id → how far its upload has come.
    checkpoints: sled::Tree,
}

/// What changes together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// New or changed.
    pub recordings: &'a [&'a Recording],
    /// Taken out, with their checkpoints.
    pub forgotten: &'a [&'a Recording],
    /// Ordered.
    pub jobs: &'a [&'a Job],
    /// Done: taken out.
    pub done: &'a [&'a Job],
}

impl Db {
    /// Opens the store in `data_dir/db`, or makes it. The error is the one line to show.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("db");
        let open = || {
            let store = sled::Config::new().path(&path).cache_capacity(16 << 20).open()?;
            let recordings = store.open_tree("recordings")?;
            let by_time = store.open_tree("recordings_by_time")?;
            let by_room = store.open_tree("recordings_by_room")?;
            let by_expiry = store.open_tree("recordings_by_expiry")?;
            let unended = store.open_tree("recordings_unended")?;
            let by_idempotency = store.open_tree("recordings_by_idempotency_key")?;
            let by_key = store.open_tree("recordings_by_key")?;
            let jobs = store.open_tree("jobs")?;
            let checkpoints = store.open_tree("checkpoints")?;
            Ok(Self {
                store,
                recordings,
                by_time,
                by_room,
                by_expiry,
                unended,
                by_idempotency,
                by_key,
                jobs,
                checkpoints,
            })
        };
        let db = open().map_err(|e: sled::Error| {
            if e.to_string().contains("could not acquire lock") {
                let dir = data_dir.display();
                let fix = "stop that one or choose another folder (--data-dir)";
                Error::invalid("data_dir", format!("{dir} is in use by another greffier; {fix}"))
            } else {
                Error::invalid("data_dir", format!("cannot open the store {}: {e}", path.display()))
            }
        })?;
        db.fill_rooms()?;
        Ok(db)
    }

    /// Writes all of it or nothing, and returns when it is on the disk. Ordering a job that is there already changes nothing.
    pub fn commit(&self, change: Change<'_>) -> Result<()> {
        let row = |recording: &&Recording| row::encode(recording).map(|row| (key_of(recording), row));
        let rows: Vec<_> = change.recordings.iter().map(row).collect::<std::result::Result<_, _>>().map_err(encode)?;
        let row = |job: &&Job| job::encode(job).map(|row| (job::key(job), row));
        let jobs: Vec<_> = change.jobs.iter().map(row).collect::<std::result::Result<_, _>>().map_err(encode)?;
        let trees = (
            &self.recordings,
            &self.by_time,
            &self.by_room,
            &self.by_expiry,
            &self.unended,
            &self.by_idempotency,
            &self.by_key,
            &self.jobs,
            &self.checkpoints,
        );
        trees
            .transaction(|trees| {
                let (recordings, by_time, by_room, by_expiry, unended, by_idempotency, by_key, queue, checkpoints) =
                    trees;
                for (recording, (key, row)) in change.recordings.iter().zip(&rows) {
                    recordings.insert(key.as_slice(), row.as_slice())?;
                    by_time.insert(time_key(recording.created_at, &recording.id), &[])?;
                    if lists::is_listed(recording) {
                        by_room.insert(lists::room_key(recording), &[])?;
                    } else {
                        by_room.remove(lists::room_key(recording))?;
                    }
                    // A storage of its own has keys of its own.
                    if recording.options.store.is_none() {
                        by_key.insert(recording.key.as_bytes(), key.as_slice())?;
                    }
                    if let Some(at) = recording.expires_at {
                        by_expiry.insert(time_key(at, &recording.id), &[])?;
                    }
                    if let Some(name) = idempotency_key_of(recording) {
                        by_idempotency.insert(name, key.as_slice())?;
                    }
                    if recording.state.is_final() {
                        unended.remove(key.as_slice())?;
                    } else {
                        unended.insert(key.as_slice(), &[])?;
                    }
                }
                for recording in change.forgotten {
                    let key = key_of(recording);
                    recordings.remove(key.as_slice())?;
                    unended.remove(key.as_slice())?;
                    checkpoints.remove(key.as_slice())?;
                    by_time.remove(time_key(recording.created_at, &recording.id))?;
                    by_room.remove(lists::room_key(recording))?;
                    if by_key.get(recording.key.as_bytes())?.is_some_and(|id| *id == *key) {
                        by_key.remove(recording.key.as_bytes())?;
                    }
                    if let Some(at) = recording.expires_at {
                        by_expiry.remove(time_key(at, &recording.id))?;
                    }
                    if let Some(name) = idempotency_key_of(recording) {
                        by_idempotency.remove(name)?;
                    }
                }
                for (key, row) in &jobs {
                    if queue.get(key)?.is_none() {
                        queue.insert(key.as_slice(), row.as_slice())?;
                    }
                }
                for job in change.done {
                    queue.remove(job::key(job))?;
                    if job.task == Task::Upload {
                        checkpoints.remove(key_of_id(&job.recording))?;
                    }
                }
                Ok::<_, ConflictableTransactionError<sled::Error>>(())
            })
            .map_err(|e| match e {
                TransactionError::Abort(e) | TransactionError::Storage(e) => broken("write to the store", e),
            })?;
        self.flush()
    }

    /// Keeps what has become of a job that was tried in vain.
    pub fn postpone(&self, job: &Job) -> Result<()> {
        // One that is not there any more was done or forgotten meanwhile, and stays so.
        let row = job::encode(job).map_err(encode)?;
        let update = |old: Option<&[u8]>| old.map(|_| row.clone());
        self.jobs.update_and_fetch(job::key(job), update).map_err(|e| broken("write to the store", e))?;
        self.flush()
    }

    /// Every job, lanes together and in order.
    pub fn jobs(&self) -> Result<Vec<Job>> {
        self.jobs.iter().values().map(|row| decode_job(&row.map_err(unreadable)?)).collect()
    }

    /// The jobs of this recording.
    pub fn jobs_of(&self, id: &RecordingId) -> Result<Vec<Job>> {
        let rows = self.jobs.scan_prefix(job::prefix(id)).values();
        rows.map(|row| decode_job(&row.map_err(unreadable)?)).collect()
    }

    /// How far this recording's upload has come.
    pub fn checkpoint(&self, id: &RecordingId) -> Result<Option<Checkpoint>> {
        let row = self.checkpoints.get(key_of_id(id)).map_err(unreadable)?;
        let decode = |row: sled::IVec| job::decode_checkpoint(&row).map_err(|e| broken("read a checkpoint", e));
        row.map(decode).transpose()
    }

    /// Keeps how far this recording's upload has come.
    pub fn keep_checkpoint(&self, id: &RecordingId, checkpoint: &Checkpoint) -> Result<()> {
        let row = job::encode_checkpoint(checkpoint).map_err(encode)?;
        self.checkpoints.insert(key_of_id(id), row).map_err(|e| broken("write to the store", e))?;
        self.flush()
    }

    /// A transaction that returned is not on the disk yet: without this, an abort loses it.
    fn flush(&self) -> Result<()> {
        self.store.flush().map(|_| ()).map_err(|e| broken("flush the store", e))
    }

    /// The recording of this id.
    pub fn get(&self, id: &RecordingId) -> Result<Option<Recording>> {
        let row = self.recordings.get(id.as_str()).map_err(unreadable)?;
        row.map(|row| decode(&row)).transpose()
    }

    /// The recording that was started in this room with this idempotency key.
    pub fn started_with(&self, room: &str, key: &str) -> Result<Option<Recording>> {
        let id = self.by_idempotency.get(idempotency_key(room, key)).map_err(unreadable)?;
        let row = id.map(|id| self.recordings.get(id)).transpose().map_err(unreadable)?.flatten();
        row.map(|row| decode(&row)).transpose()
    }

    /// The recording whose object has this key in the configured storage.
    pub fn with_key(&self, key: &str) -> Result<Option<Recording>> {
        let id = self.by_key.get(key).map_err(unreadable)?;
        let row = id.map(|id| self.recordings.get(id)).transpose().map_err(unreadable)?.flatten();
        row.map(|row| decode(&row)).transpose()
    }

    /// Every recording that has not ended, oldest first.
    pub fn unended(&self) -> Result<Vec<Recording>> {
        let mut recordings = Vec::new();
        for key in self.unended.iter().keys() {
            let row = self.recordings.get(key.map_err(unreadable)?).map_err(unreadable)?;
            recordings.extend(row.map(|row| decode(&row)).transpose()?);
        }
        recordings.sort_by_key(|recording| recording.created_at);
        Ok(recordings)
    }

    /// At most `limit` recordings whose time has come, the longest overdue first.
    pub fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Recording>> {
        let mut recordings = Vec::new();
        for key in self.by_expiry.range(..time_prefix(now)).keys().take(limit) {
            recordings.extend(self.of_time_key(&key.map_err(unreadable)?)?);
        }
        Ok(recordings)
    }
}

/// Nanoseconds since 1970 as they sort: big endian.
const TIME_BYTES: usize = 16;

/// Times before 1970 do not occur.
fn time_prefix(at: Timestamp) -> [u8; TIME_BYTES] {
    at.as_nanosecond().to_be_bytes()
}

fn time_key(at: Timestamp, id: &RecordingId) -> Vec<u8> {
    [time_prefix(at).as_slice(), id.as_str().as_bytes()].concat()
}

fn key_of(recording: &Recording) -> Vec<u8> {
    key_of_id(&recording.id)
}

fn key_of_id(id: &RecordingId) -> Vec<u8> {
    id.as_str().as_bytes().to_vec()
}

fn idempotency_key(room: &str, key: &str) -> Vec<u8> {
    format!("{room}\0{key}").into_bytes()
}

fn idempotency_key_of(recording: &Recording) -> Option<Vec<u8>> {
    recording.options.idempotency_key.as_ref().map(|key| idempotency_key(&recording.request.room, key))
}

fn decode_job(row: &[u8]) -> Result<Job> {
    job::decode(row).map_err(|e| broken("read a job of the store", e))
}

fn encode(e: String) -> Error {
    broken("encode a row", e)
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
