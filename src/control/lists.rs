//! What the handle reads from the store: away from the tasks that record, because a store may be slow.

use super::Control;
use crate::db::{Cursor, Page};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Job, Recording};

impl Control {
    /// `limit` recordings after the first `skip`, of one room if one is named, newest first.
    pub async fn page(&self, room: Option<&str>, skip: usize, limit: usize) -> Result<Page> {
        let (db, room) = (self.db.clone(), room.map(str::to_owned));
        aside(move || match room {
            Some(room) => db.page_of_room(&room, skip, limit),
            None => db.page(skip, limit),
        })
        .await
    }

    /// At most `limit` recordings behind the cursor, of one room if one is named, newest first.
    pub async fn behind(&self, room: Option<&str>, cursor: Option<Cursor>, limit: usize) -> Result<Vec<Recording>> {
        let (db, room) = (self.db.clone(), room.map(str::to_owned));
        aside(move || db.behind(room.as_deref(), cursor.as_ref(), limit)).await
    }

    /// Every recording that has not ended, oldest first.
    pub async fn unended(&self) -> Result<Vec<Recording>> {
        let db = self.db.clone();
        aside(move || db.unended()).await
    }

    /// How many recordings there are, and the newest of them, at most `limit`: those of `known` that can change no more are not
    /// read again.
    pub async fn newest(&self, limit: usize, known: Vec<Recording>) -> Result<(usize, Vec<Recording>)> {
        let db = self.db.clone();
        aside(move || {
            let (count, ids) = db.newest(limit)?;
            let mut known: std::collections::HashMap<RecordingId, Recording> =
                known.into_iter().map(|recording| (recording.id.clone(), recording)).collect();
            let mut recordings = Vec::with_capacity(ids.len());
            for id in ids {
                match known.remove(&id) {
                    Some(recording) => recordings.push(recording),
                    None => recordings.extend(db.get(&id)?),
                }
            }
            Ok((count, recordings))
        })
        .await
    }

    /// Uploads and messages that wait, of every recording.
    pub async fn waiting(&self) -> Result<Vec<Job>> {
        let db = self.db.clone();
        aside(move || db.jobs()).await
    }
}

/// Reads on a thread that may wait.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(read).await;
    done.unwrap_or_else(|e| Err(Error::new(ErrorKind::Internal, format!("cannot read the store: {e}"))))
}
