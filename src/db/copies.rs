//! Beside the store: the row of each recording that has not ended, in a file of its own. What a torn store has lost is put back from
//! them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::ids::RecordingId;

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
