//! Beside the store: the row of each recording that has not ended, in a file of its own. What a torn store has lost is put back from
//! them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Change, Db, pack, unpack};
use crate::ids::RecordingId;
use crate::recording::Recording;

/// The folder within `data_dir`.
const FOLDER: &str = "rows";
/// The ending of a file that is being written.
const BEGUN: &str = "new";

/// The files.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
}

impl Copies {
    /// Those of this `data_dir`.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps this row, instead of an earlier one, and returns when it is on the disk.
    pub fn keep(&self, id: &RecordingId, row: &[u8]) -> io::Result<()> {
        let begun = self.folder.join(format!("{id}.{BEGUN}"));
        let mut file = File::create(&begun)?;
        file.write_all(row)?;
        file.sync_data()?;
        fs::rename(begun, self.path(id))
    }

    /// It has ended. One that is not there is no failure.
    pub fn forget(&self, id: &RecordingId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The recordings that have one.
    pub fn list(&self) -> io::Result<Vec<RecordingId>> {
        let names = fs::read_dir(&self.folder)?.map(|entry| entry.map(|entry| entry.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        let whole = names.iter().filter(|name| Path::new(name).extension().is_none());
        Ok(whole.map(|name| RecordingId::new(name.to_string_lossy())).collect())
    }

    /// The row of this one.
    pub fn read(&self, id: &RecordingId) -> io::Result<Vec<u8>> {
        fs::read(self.path(id))
    }

    fn path(&self, id: &RecordingId) -> PathBuf {
        self.folder.join(id.as_str())
    }
}

impl Db {
    /// What a torn store has lost of the recordings that have not ended.
    pub(super) fn put_back_lost(&self) {
        let copies = self.copies.list().unwrap_or_else(|error| {
            tracing::error!(%error, "data_dir: the copies of rows cannot be listed");
            vec![]
        });
        for id in copies {
            let done = match self.get(&id) {
                Ok(Some(known)) if known.state.is_final() => self.copies.forget(&id).map_err(|e| e.to_string()),
                Ok(known) => self.put_back_copy(&id, known),
                Err(e) => Err(e.to_string()),
            };
            if let Err(error) = done {
                tracing::error!(recording = %id, error, "the copy of its row is not put back");
            }
        }
    }

    /// If it is newer than what is `known`.
    fn put_back_copy(&self, id: &RecordingId, known: Option<Recording>) -> std::result::Result<(), String> {
        let row = self.copies.read(id).map_err(|e| e.to_string())?;
        let (recording, checkpoint) = unpack(&row).map_err(|e| e.to_string())?;
        if known.is_some_and(|known| known.updated_at >= recording.updated_at) {
            return Ok(());
        }
        // The commit copies the row once more, with the checkpoint that is in the store then.
        let change = Change { recordings: &[&recording], ..Change::default() };
        self.keep_checkpoint(id, &checkpoint).and_then(|()| self.commit(change)).map_err(|e| e.to_string())?;
        tracing::error!(recording = %id, "the store had lost what it last knew of it; it is there again");
        Ok(())
    }

    /// The copies follow what is in the store.
    pub(super) fn copy(&self, change: &Change<'_>) {
        let keep = |recording: &Recording| -> std::result::Result<(), String> {
            if recording.state.is_final() {
                return self.copies.forget(&recording.id).map_err(|e| e.to_string());
            }
            let checkpoint = self.checkpoint(&recording.id).map_err(|e| e.to_string())?.unwrap_or_default();
            let row = pack(recording, &checkpoint).map_err(|e| e.to_string())?;
            self.copies.keep(&recording.id, &row).map_err(|e| e.to_string())
        };
        let forget = |recording: &Recording| self.copies.forget(&recording.id).map_err(|e| e.to_string());
        let kept = change.recordings.iter().map(|recording| (recording, keep(recording)));
        let all = kept.chain(change.forgotten.iter().map(|recording| (recording, forget(recording))));
        for (recording, done) in all {
            if let Err(error) = done {
                // The store has it.
                tracing::warn!(recording = %recording.id, error, "its row is not copied");
            }
        }
    }
}
