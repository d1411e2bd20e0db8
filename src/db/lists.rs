//! Lists of recordings, newest first: of all, of one room, of those that have not ended. Only the rows of a page are read.

use super::{Db, TIME_BYTES, decode, time_key, unreadable};
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
        if digits.len() % 2 != 0 || digits.len() < 2 * TIME_BYTES || digits.len() > 1024 {
            return None;
        }
        let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
        digits.chunks(2).map(byte).collect::<Option<Vec<_>>>().map(Self)
    }
}

impl Db {
    /// `limit` recordings after the first `skip`, newest first.
    pub fn page(&self, skip: usize, limit: usize) -> Result<Page> {
        let mut recordings = Vec::new();
        for key in self.by_time.iter().keys().rev().skip(skip).take(limit) {
            recordings.extend(self.of_time_key(&key.map_err(unreadable)?)?);
        }
        Ok(Page { count: self.by_time.len(), recordings })
    }

    /// The same of one room, without those that are about to be removed.
    pub fn page_of_room(&self, room: &str, skip: usize, limit: usize) -> Result<Page> {
        let prefix = room_prefix(room);
        let keys = || self.by_room.scan_prefix(&prefix).keys().rev();
        let mut recordings = Vec::new();
        for key in keys().skip(skip).take(limit) {
            recordings.extend(self.of_time_key(key.map_err(unreadable)?.get(prefix.len()..).unwrap_or_default())?);
        }
        Ok(Page { count: keys().count(), recordings })
    }

    /// At most `limit` recordings behind the cursor, of one room if one is named, newest first.
    pub fn behind(&self, room: Option<&str>, cursor: Option<&Cursor>, limit: usize) -> Result<Vec<Recording>> {
        let (tree, prefix) = match room {
            Some(room) => (&self.by_room, room_prefix(room)),
            None => (&self.by_time, Vec::new()),
        };
        let end = cursor.map(|Cursor(place)| [prefix.as_slice(), place.as_slice()].concat());
        let keys = match end {
            Some(end) => tree.range(prefix.clone()..end),
            None => tree.scan_prefix(&prefix),
        };
        let mut recordings = Vec::new();
        for key in keys.keys().rev().take(limit) {
            recordings.extend(self.of_time_key(key.map_err(unreadable)?.get(prefix.len()..).unwrap_or_default())?);
        }
        Ok(recordings)
    }

    /// The ids of the newest recordings, at most `limit`, and how many there are; no row is read.
    pub fn newest(&self, limit: usize) -> Result<(usize, Vec<RecordingId>)> {
        let ids = self.by_time.iter().keys().rev().take(limit).map(|key| {
            let key = key.map_err(unreadable)?;
            Ok(RecordingId::new(String::from_utf8_lossy(key.get(TIME_BYTES..).unwrap_or_default())))
        });
        Ok((self.by_time.len(), ids.collect::<Result<_>>()?))
    }

    /// Makes the index of rooms for a store that has none yet.
    pub(super) fn fill_rooms(&self) -> Result<()> {
        if !self.by_room.is_empty() || self.recordings.is_empty() {
            return Ok(());
        }
        // All at once: half an index would be taken for a whole one.
        let mut batch = sled::Batch::default();
        for row in self.recordings.iter().values() {
            // A row that cannot be read is told of where it is needed.
            let Ok(recording) = decode(&row.map_err(unreadable)?) else { continue };
            if is_listed(&recording) {
                batch.insert(room_key(&recording), &[]);
            }
        }
        self.by_room.apply_batch(batch).map_err(unreadable)
    }

    pub(super) fn of_time_key(&self, key: &[u8]) -> Result<Option<Recording>> {
        let id = key.get(TIME_BYTES..).unwrap_or_default();
        let row = self.recordings.get(id).map_err(unreadable)?;
        row.map(|row| decode(&row)).transpose()
    }
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
        | State::Told(_) => true,
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
