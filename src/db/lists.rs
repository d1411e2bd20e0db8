//! Lists of recordings, newest first: of all, of one room, of those that have not ended. Only the rows of a page are read.

use sled::IVec;

use super::store::Trees;
use super::{Db, TIME_BYTES, of_time_key, row, time_key, unreadable, unwritable};
use crate::error::Result;
use crate::ids::RecordingId;
use crate::recording::{Recording, State};

/// A page of recordings, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many there are on all pages.
    pub count: usize,
    /// Those of this page.
    pub recordings: Vec<Recording>,
}

/// A place in a list: everything behind it is older.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// Just behind this recording.
    pub fn behind(recording: &Recording) -> Self {
        Self(time_key(recording.created_at, &recording.id))
    }

    /// As text, in hexadecimal digits.
    pub fn token(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The one that this text stands for; `None` when it is none of ours.
    pub fn from_token(token: &str) -> Option<Self> {
        let digits = token.as_bytes();
        if !digits.len().is_multiple_of(2) || digits.len() < 2 * TIME_BYTES || digits.len() > 1024 {
            return None;
        }
        let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
        digits.chunks(2).map(byte).collect::<Option<Vec<_>>>().map(Self)
    }
}

impl Db {
    /// `limit` recordings after the first `skip`, newest first.
    pub fn page(&self, skip: usize, limit: usize) -> Result<Page> {
        let found = |trees: &Trees| {
            let keys = trees.by_time.iter().keys().rev().skip(skip).take(limit);
            Ok((trees.by_time.len(), keys.map(|key| of_time_key(trees, &key?)).collect::<sled::Result<Vec<_>>>()?))
        };
        let (count, rows) = self.store.read(found).map_err(unreadable)?;
        Ok(Page { count, recordings: self.recordings(rows) })
    }

    /// The same of one room, without those that are about to be removed.
    pub fn page_of_room(&self, room: &str, skip: usize, limit: usize) -> Result<Page> {
        let prefix = room_prefix(room);
        let found = |trees: &Trees| {
            let keys = || trees.by_room.scan_prefix(&prefix).keys().rev();
            let rows = keys().skip(skip).take(limit).map(|key| of_list_key(trees, &key?, prefix.len()));
            Ok((keys().count(), rows.collect::<sled::Result<Vec<_>>>()?))
        };
        let (count, rows) = self.store.read(found).map_err(unreadable)?;
        Ok(Page { count, recordings: self.recordings(rows) })
    }

    /// At most `limit` recordings behind the cursor, of one room if one is named, newest first.
    pub fn behind(&self, room: Option<&str>, cursor: Option<&Cursor>, limit: usize) -> Result<Vec<Recording>> {
        let prefix = room.map_or_else(Vec::new, room_prefix);
        let end = cursor.map(|Cursor(place)| [prefix.as_slice(), place.as_slice()].concat());
        let found = |trees: &Trees| {
            let tree = if room.is_some() { &trees.by_room } else { &trees.by_time };
            let keys = match &end {
                Some(end) => tree.range(prefix.clone()..end.clone()),
                None => tree.scan_prefix(&prefix),
            };
            let rows = keys.keys().rev().take(limit).map(|key| of_list_key(trees, &key?, prefix.len()));
            rows.collect::<sled::Result<Vec<_>>>()
        };
        Ok(self.recordings(self.store.read(found).map_err(unreadable)?))
    }

    /// The ids of the newest recordings, at most `limit`, and how many there are; no row is read.
    pub fn newest(&self, limit: usize) -> Result<(usize, Vec<RecordingId>)> {
        let id = |key: IVec| RecordingId::new(String::from_utf8_lossy(key.get(TIME_BYTES..).unwrap_or_default()));
        let found = |trees: &Trees| {
            let ids = trees.by_time.iter().keys().rev().take(limit).map(|key| key.map(id));
            Ok((trees.by_time.len(), ids.collect::<sled::Result<Vec<_>>>()?))
        };
        self.store.read(found).map_err(unreadable)
    }

    /// Makes the index of rooms for a store that has none yet.
    pub(super) fn fill_rooms(&self) -> Result<()> {
        let missing = |trees: &Trees| {
            let filled = !trees.by_room.is_empty() || trees.recordings.is_empty();
            let rows = trees.recordings.iter().values();
            if filled { Ok(Vec::new()) } else { rows.collect::<sled::Result<Vec<_>>>() }
        };
        let rows = self.store.read(missing).map_err(unreadable)?;
        // A row that cannot be read is told of where it is needed.
        let listed = rows.iter().filter_map(|row| row::decode(row).ok()).filter(is_listed);
        // All at once: half an index would be taken for a whole one.
        let mut batch = sled::Batch::default();
        listed.for_each(|recording| batch.insert(room_key(&recording), &[]));
        if rows.is_empty() {
            return Ok(());
        }
        self.store.write(|trees| trees.by_room.apply_batch(batch)).map_err(unwritable)
    }
}

/// The row of a key of a list: what follows the `prefix` bytes is a key of `by_time`.
fn of_list_key(trees: &Trees, key: &[u8], prefix: usize) -> sled::Result<Option<(IVec, IVec)>> {
    of_time_key(trees, key.get(prefix..).unwrap_or_default())
}

/// Not about to be removed.
pub(super) fn is_listed(recording: &Recording) -> bool {
    match recording.state {
        State::Removing { .. } => false,
        State::Starting
        | State::Active
        | State::Ending { .. }
        | State::Saving { .. }
        | State::Ended(_)
        | State::Notified(_) => true,
    }
}

/// Its length comes first, so that no room's name is the beginning of another's.
fn room_prefix(room: &str) -> Vec<u8> {
    let length = u32::try_from(room.len()).unwrap_or(u32::MAX).to_be_bytes();
    [length.as_slice(), room.as_bytes()].concat()
}

pub(super) fn room_key(recording: &Recording) -> Vec<u8> {
    [room_prefix(&recording.request.room), time_key(recording.created_at, &recording.id)].concat()
}
