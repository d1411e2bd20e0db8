//! The embedded store (sled): recordings and the jobs they imply, committed as one transaction and flushed before anybody acts
//! on it.

mod copies;
mod health;
mod job;
mod lists;
mod marks;
mod output;
mod packed;
mod row;
mod store;

pub use lists::{Cursor, Page};
pub use marks::{pack, unpack};

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sled::transaction::{ConflictableTransactionError, TransactionError, TransactionalTree};
use sled::{IVec, Transactional as _};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Checkpoint, Job, Recording, State, Stored, Task};
use copies::Copies;
use store::{Store, Trees};

/// The store. Cheap to clone; reads never wait for writes.
#[derive(Clone, Debug)]
pub struct Db {
    store: Arc<Store>,
    copies: Arc<Copies>,
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
        let store = store::open_or_set_aside(&path).map_err(|e: sled::Error| {
            if e.to_string().contains("could not acquire lock") {
                let dir = data_dir.display();
                let fix = "stop that one or choose another folder (--data-dir)";
                Error::invalid("data_dir", format!("{dir} is in use by another greffier; {fix}"))
            } else {
                Error::invalid("data_dir", format!("cannot open the store {}: {e}", path.display()))
            }
        })?;
        let copies = Copies::open(data_dir)
            .map_err(|e| Error::invalid("data_dir", format!("cannot make a folder in {}: {e}", data_dir.display())))?;
        let db = Self { store: Arc::new(store), copies: Arc::new(copies) };
        db.put_back()?;
        db.put_back_lost();
        db.fill_rooms()?;
        Ok(db)
    }

    /// Writes all of it or nothing, and returns when it is on the disk. Ordering a job that is there already changes nothing.
    pub fn commit(&self, change: Change<'_>) -> Result<()> {
        let row = |recording: &&Recording| row::encode(recording).map(|row| (key_of(recording), row));
        let rows: Vec<_> = change.recordings.iter().map(row).collect::<std::result::Result<_, _>>().map_err(encode)?;
        let row = |job: &&Job| job::encode(job).map(|row| (job::key(job), row));
        let jobs: Vec<_> = change.jobs.iter().map(row).collect::<std::result::Result<_, _>>().map_err(encode)?;
        let written = |trees: &Trees| {
            let all = (
                &trees.recordings,
                &trees.by_time,
                &trees.by_room,
                &trees.by_expiry,
                &trees.unended,
                &trees.by_idempotency,
                &trees.by_key,
                &trees.jobs,
                &trees.checkpoints,
                &trees.stored,
            );
            let done = all.transaction(
                |(
                    recordings,
                    by_time,
                    by_room,
                    by_expiry,
                    unended,
                    by_idempotency,
                    by_key,
                    queue,
                    checkpoints,
                    stored,
                )| {
                    for (recording, (key, row)) in change.recordings.iter().zip(&rows) {
                        recordings.insert(key.as_slice(), row.as_slice())?;
                        by_time.insert(time_key(recording.created_at, &recording.id), &[])?;
                        if lists::is_listed(recording) {
                            by_room.insert(lists::room_key(recording), &[])?;
                        } else {
                            by_room.remove(lists::room_key(recording))?;
                        }
                        // A storage of its own has keys of its own.
                        if recording.options.store.is_none()
                            && may_have(recordings, by_key.get(recording.key.as_bytes())?, recording)?
                        {
                            by_key.insert(recording.key.as_bytes(), key.as_slice())?;
                        }
                        if let Some(at) = recording.expires_at {
                            by_expiry.insert(time_key(at, &recording.id), &[])?;
                        }
                        if let Some(name) = idempotency_key_of(recording)
                            && may_have(recordings, by_idempotency.get(&name)?, recording)?
                        {
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
                        stored.remove(key.as_slice())?;
                        by_time.remove(time_key(recording.created_at, &recording.id))?;
                        by_room.remove(lists::room_key(recording))?;
                        if by_key.get(recording.key.as_bytes())?.is_some_and(|id| *id == *key) {
                            by_key.remove(recording.key.as_bytes())?;
                        }
                        if let Some(at) = recording.expires_at {
                            by_expiry.remove(time_key(at, &recording.id))?;
                        }
                        if let Some(name) = idempotency_key_of(recording)
                            && by_idempotency.get(&name)?.is_some_and(|id| *id == *key)
                        {
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
                        if job.task == Task::Publish {
                            checkpoints.remove(key_of_id(&job.recording))?;
                        }
                    }
                    Ok::<_, ConflictableTransactionError<sled::Error>>(())
                },
            );
            done.map_err(|e| match e {
                TransactionError::Abort(e) | TransactionError::Storage(e) => e,
            })
        };
        self.store.write(written).map_err(unwritable)?;
        self.copy(&change);
        Ok(())
    }

    /// Keeps what has become of a job that was tried in vain.
    pub fn postpone(&self, job: &Job) -> Result<()> {
        // One that is not there any more was done or forgotten meanwhile, and stays so.
        let row = job::encode(job).map_err(encode)?;
        let update = |old: Option<&[u8]>| old.map(|_| row.clone());
        self.store.write(|trees| trees.jobs.update_and_fetch(job::key(job), update).map(|_| ())).map_err(unwritable)
    }

    /// Every job, lanes together and in order. Those that cannot be read are set aside.
    pub fn jobs(&self) -> Result<Vec<Job>> {
        let rows = |trees: &Trees| trees.jobs.iter().collect::<std::result::Result<Vec<_>, _>>();
        let rows = self.store.read(rows).map_err(unreadable)?;
        Ok(rows.into_iter().filter_map(|(key, row)| self.readable(Kind::Job, &key, &row, job::decode)).collect())
    }

    /// How far this recording's upload has come.
    pub fn checkpoint(&self, id: &RecordingId) -> Result<Option<Checkpoint>> {
        let row = self.store.read(|trees| trees.checkpoints.get(key_of_id(id))).map_err(unreadable)?;
        let decode = |row: IVec| job::decode_checkpoint(&row).map_err(|e| broken("read a checkpoint", e));
        row.map(decode).transpose()
    }

    /// Keeps how far this recording's upload has come.
    pub fn keep_checkpoint(&self, id: &RecordingId, checkpoint: &Checkpoint) -> Result<()> {
        let row = job::encode_checkpoint(checkpoint).map_err(encode)?;
        self.store
            .write(|trees| trees.checkpoints.insert(key_of_id(id), row.as_slice()).map(|_| ()))
            .map_err(unwritable)
    }

    /// What this recording put at its final place, as the storage described it then.
    pub fn stored(&self, id: &RecordingId) -> Result<Option<Stored>> {
        let row = self.store.read(|trees| trees.stored.get(key_of_id(id))).map_err(unreadable)?;
        let decode = |row: IVec| job::decode_stored(&row).map_err(|e| broken("read what was stored", e));
        row.map(decode).transpose()
    }

    /// Keeps what this recording put at its final place.
    pub fn keep_stored(&self, id: &RecordingId, stored: &Stored) -> Result<()> {
        let row = job::encode_stored(stored).map_err(encode)?;
        self.store.write(|trees| trees.stored.insert(key_of_id(id), row.as_slice()).map(|_| ())).map_err(unwritable)
    }

    /// The recording of this id.
    pub fn get(&self, id: &RecordingId) -> Result<Option<Recording>> {
        let row = self.store.read(|trees| trees.recordings.get(id.as_str())).map_err(unreadable)?;
        Ok(row.and_then(|row| self.recording(id.as_str().as_bytes(), &row)))
    }

    /// The recording that was started in this room with this idempotency key.
    pub fn started_with(&self, room: &str, key: &str) -> Result<Option<Recording>> {
        self.named(|trees| trees.by_idempotency.get(idempotency_key(room, key)))
    }

    /// The recording whose object has this key in the configured storage: the newest that was given it.
    pub fn with_key(&self, key: &str) -> Result<Option<Recording>> {
        self.named(|trees| trees.by_key.get(key))
    }

    /// Every recording that has not ended, oldest first. Those that cannot be read are set aside.
    pub fn unended(&self) -> Result<Vec<Recording>> {
        let found = |trees: &Trees| {
            let row = |key: IVec| Ok(trees.recordings.get(&key)?.map(|row| (key, row)));
            trees.unended.iter().keys().map(|key| row(key?)).collect::<sled::Result<Vec<_>>>()
        };
        let mut recordings = self.recordings(self.store.read(found).map_err(unreadable)?);
        recordings.sort_by_key(|recording| recording.created_at);
        Ok(recordings)
    }

    /// At most `limit` recordings that ended and whose time has come, the longest overdue first.
    pub fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Recording>> {
        let mut recordings = Vec::new();
        let keys = |trees: &Trees| trees.by_expiry.range(..time_prefix(now)).keys().collect::<sled::Result<Vec<_>>>();
        for key in self.store.read(keys).map_err(unreadable)? {
            let row = self.store.read(|trees| of_time_key(trees, &key)).map_err(unreadable)?;
            // Those that have not ended, or are being removed already, are in nobody's way.
            let due = |recording: &Recording| match recording.state {
                State::Ended(_) | State::Notified(_) => true,
                State::Starting
                | State::Active
                | State::Ending { .. }
                | State::Saving { .. }
                | State::Removing { .. } => false,
            };
            recordings.extend(self.recordings(vec![row]).into_iter().filter(due));
            if recordings.len() >= limit {
                break;
            }
        }
        Ok(recordings)
    }

    fn named(&self, id: impl Fn(&Trees) -> sled::Result<Option<IVec>>) -> Result<Option<Recording>> {
        let row = |trees: &Trees| {
            let Some(id) = id(trees)? else { return Ok(None) };
            Ok(trees.recordings.get(&id)?.map(|row| (id, row)))
        };
        let row = self.store.read(row).map_err(unreadable)?;
        Ok(row.and_then(|(id, row)| self.recording(&id, &row)))
    }

    fn recordings(&self, rows: Vec<Option<(IVec, IVec)>>) -> Vec<Recording> {
        rows.into_iter().flatten().filter_map(|(id, row)| self.recording(&id, &row)).collect()
    }

    fn recording(&self, id: &[u8], row: &[u8]) -> Option<Recording> {
        self.readable(Kind::Recording, id, row, row::decode)
    }

    /// What the row says. One that means nothing stands in nobody's way: its bytes are set aside, and it is said.
    fn readable<T>(
        &self,
        kind: Kind,
        key: &[u8],
        row: &[u8],
        decode: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Option<T> {
        let why = match decode(row) {
            Ok(read) => return Some(read),
            Err(why) => why,
        };
        let name = String::from_utf8_lossy(key).replace('\0', " ");
        tracing::error!(kind = kind.name(), name, why, "a row cannot be read; its bytes are set aside");
        let aside = |trees: &Trees| {
            let tree = kind.tree(trees);
            trees.undecodable.insert([kind.name().as_bytes(), b"\0", key].concat(), row)?;
            tree.remove(key)?;
            trees.unended.remove(key)?;
            Ok(())
        };
        if let Err(error) = self.store.write(aside) {
            tracing::error!(%error, "it could not be set aside");
        }
        None
    }

    /// The disk hangs until something is sent.
    #[cfg(test)]
    pub fn hang(&self, hangs: &std::sync::mpsc::Sender<()>, until: &std::sync::mpsc::Receiver<()>) {
        self.store.hang(hangs, until);
    }

    /// What an earlier program could not read, this one may.
    fn put_back(&self) -> Result<()> {
        let rows = |trees: &Trees| trees.undecodable.iter().collect::<sled::Result<Vec<_>>>();
        for (place, row) in self.store.read(rows).map_err(unreadable)? {
            for kind in [Kind::Recording, Kind::Job] {
                let prefix = [kind.name().as_bytes(), b"\0"].concat();
                let Some(key) = place.strip_prefix(prefix.as_slice()) else { continue };
                let ends = match kind {
                    Kind::Recording => row::decode(&row).map(|recording| recording.state.is_final()),
                    Kind::Job => job::decode(&row).map(|_| true),
                };
                let Ok(ended) = ends else { continue };
                let back = |trees: &Trees| {
                    kind.tree(trees).insert(key, row.clone())?;
                    if !ended {
                        trees.unended.insert(key, &[])?;
                    }
                    trees.undecodable.remove(&place).map(|_| ())
                };
                self.store.write(back).map_err(unwritable)?;
            }
        }
        Ok(())
    }
}

/// What a row may be of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Recording,
    Job,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Job => "job",
        }
    }

    const fn tree(self, trees: &Trees) -> &sled::Tree {
        match self {
            Self::Recording => &trees.recordings,
            Self::Job => &trees.jobs,
        }
    }
}

/// A name belongs to the newest recording that was given it and did not end without a file.
fn may_have(
    recordings: &TransactionalTree,
    owner: Option<IVec>,
    recording: &Recording,
) -> std::result::Result<bool, sled::transaction::UnabortableTransactionError> {
    let Some(owner) = owner.filter(|owner| **owner != *recording.id.as_str().as_bytes()) else { return Ok(true) };
    let other = recordings.get(owner)?.and_then(|row| row::decode(&row).ok());
    Ok(other.is_none_or(|other| other.created_at <= recording.created_at || other.left_nothing()))
}

fn of_time_key(trees: &Trees, key: &[u8]) -> sled::Result<Option<(IVec, IVec)>> {
    let id = key.get(TIME_BYTES..).unwrap_or_default();
    Ok(trees.recordings.get(id)?.map(|row| (IVec::from(id), row)))
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

fn encode(e: String) -> Error {
    broken("encode a row", e)
}

fn unreadable(e: sled::Error) -> Error {
    broken("read the store", e)
}

fn unwritable(e: sled::Error) -> Error {
    broken("write to the store", e)
}

fn broken(tried: &str, e: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot {tried}: {e}"))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod torn;
