//! What other sidecars are told of this one: its name, which recordings it has marked, and a recording as it is carried.

use super::{Db, broken, encode, job, key_of_id, unreadable, unwritable};
use crate::error::Result;
use crate::ids::RecordingId;
use crate::recording::{Checkpoint, Recording};

/// Where this store's own name is kept.
const NAME: &str = "sidecar";

/// A recording and how far its upload has come, as another store of whatever later version can read it.
pub fn pack(recording: &Recording, checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    job::pack(recording, checkpoint).map_err(encode)
}

/// What was carried here.
pub fn unpack(bytes: &[u8]) -> Result<(Recording, Checkpoint)> {
    job::unpack(bytes).map_err(|e| broken("read a recording that was carried here", e))
}

impl Db {
    /// What the sidecar of this store is called: what `make` says, from the first time on.
    pub fn sidecar_id(&self, make: impl FnOnce() -> String) -> Result<String> {
        if let Some(name) = self.store.read(|trees| trees.about.get(NAME)).map_err(unreadable)? {
            return Ok(String::from_utf8_lossy(&name).into_owned());
        }
        let name = make();
        self.store.write(|trees| trees.about.insert(NAME, name.as_bytes()).map(|_| ())).map_err(unwritable)?;
        Ok(name)
    }

    /// Whether a mark of this recording was written that was not taken away since.
    pub fn is_marked(&self, id: &RecordingId) -> Result<bool> {
        self.store.read(|trees| trees.marked.contains_key(key_of_id(id))).map_err(unreadable)
    }

    /// The recordings with a mark.
    pub fn marked(&self) -> Result<Vec<RecordingId>> {
        let id = |key: sled::IVec| RecordingId::new(String::from_utf8_lossy(&key));
        let ids = self.store.read(|trees| trees.marked.iter().keys().map(|key| key.map(id)).collect());
        ids.map_err(unreadable)
    }

    /// Keeps whether there is a mark of this recording.
    pub fn keep_marked(&self, id: &RecordingId, marked: bool) -> Result<()> {
        let written = self.store.write(|trees| {
            let key = key_of_id(id);
            if marked { trees.marked.insert(key, &[]) } else { trees.marked.remove(key) }.map(|_| ())
        });
        written.map_err(unwritable)
    }
}
