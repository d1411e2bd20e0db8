//! The local disk: one directory per recording while it grows, one folder of finished files.

mod beside;
mod file;

pub use beside::Beside;
use file::{check_writable, seal};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::ids::RecordingId;

/// The name of a growing file, without its ending.
const STEM: &str = "recording";

/// Where recordings grow (`spool/<id>/recording.<ext>.part`) and wait, once whole, to be stored (`recording.<ext>`).
#[derive(Clone, Debug)]
pub struct Spool {
    data_dir: PathBuf,
}

/// What the spool holds of one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The directory's name.
    pub id: RecordingId,
    /// Bytes of the growing file; 0 when there is none.
    pub bytes: u64,
    /// When the growing file was last written to.
    pub written_at: Option<SystemTime>,
}

impl Spool {
    /// Makes the two folders and proves that they can be written to. The error is the one line to show.
    pub fn open(data_dir: &Path) -> Result<Self> {
        // Absolute, because it is shown to clients that have another working directory.
        let data_dir = std::path::absolute(data_dir)
            .map_err(|e| Error::invalid("data_dir", format!("{}: {e}", data_dir.display())))?;
        let spool = Self { data_dir };
        let folder = spool.folder();
        fs::create_dir_all(&folder).map_err(|e| {
            let folder = folder.display();
            let fix = "choose a folder this user may write to (--data-dir)";
            Error::invalid("data_dir", format!("cannot make {folder}: {e}; {fix}"))
        })?;
        check_writable(&folder, "data_dir")?;
        Ok(spool)
    }

    /// Makes the recording's directory; gives the path of the file that is to grow there.
    pub fn create(&self, id: &RecordingId, extension: &str) -> io::Result<PathBuf> {
        fs::create_dir_all(self.folder().join(id.as_str()))?;
        Ok(self.part(id, extension))
    }

    /// The growing file's size; 0 when there is none.
    pub fn size(&self, id: &RecordingId, extension: &str) -> u64 {
        fs::metadata(self.part(id, extension)).map_or(0, |meta| meta.len())
    }

    /// Declares the growing file whole. Doing it again does no harm.
    pub fn seal(&self, id: &RecordingId, extension: &str) -> io::Result<PathBuf> {
        let (part, whole) = (self.part(id, extension), self.whole(id, extension));
        match seal(&part, &whole) {
            // Done already, before a crash.
            Err(e) if e.kind() == io::ErrorKind::NotFound && whole.exists() => {}
            done => done?,
        }
        Ok(whole)
    }

    /// The file, once it was declared whole and while it is here.
    pub fn sealed(&self, id: &RecordingId, extension: &str) -> Option<PathBuf> {
        Some(self.whole(id, extension)).filter(|whole| whole.exists())
    }

    /// Frees the recording's directory. Doing it again does no harm.
    pub fn discard(&self, id: &RecordingId) -> io::Result<()> {
        match fs::remove_dir_all(self.folder().join(id.as_str())) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Every recording that has a directory.
    pub fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder())? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let mut here =
                Found { id: RecordingId::new(entry.file_name().to_string_lossy()), bytes: 0, written_at: None };
            for file in fs::read_dir(entry.path())? {
                let file = file?;
                if file.file_name().to_string_lossy().starts_with(STEM) {
                    let meta = file.metadata()?;
                    here.bytes += meta.len();
                    here.written_at = here.written_at.max(meta.modified().ok());
                }
            }
            found.push(here);
        }
        Ok(found)
    }

    /// Frees every directory without bytes whose recording is not in `keep`; gives those that hold bytes nobody knows of.
    pub fn sweep(&self, keep: &[RecordingId]) -> io::Result<Vec<Found>> {
        let mut strays = Vec::new();
        for found in self.list()? {
            if keep.contains(&found.id) {
                continue;
            }
            if found.bytes == 0 {
                self.discard(&found.id)?;
            } else {
                strays.push(found);
            }
        }
        Ok(strays)
    }

    /// The growing file, whether it is there or not.
    pub fn part(&self, id: &RecordingId, extension: &str) -> PathBuf {
        self.folder().join(id.as_str()).join(format!("{STEM}.{extension}.part"))
    }

    fn whole(&self, id: &RecordingId, extension: &str) -> PathBuf {
        self.folder().join(id.as_str()).join(format!("{STEM}.{extension}"))
    }

    fn folder(&self) -> PathBuf {
        self.data_dir.join("spool")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_grows_and_is_sealed_once() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let id = RecordingId::new("EG_abc");
        let part = spool.create(&id, "mp4").unwrap();
        assert_eq!(spool.size(&id, "mp4"), 0);
        fs::write(&part, b"media").unwrap();
        let found = spool.list().unwrap();
        assert_eq!((&found[0].id, found[0].bytes, found[0].written_at.is_some()), (&id, 5, true));
        let whole = spool.seal(&id, "mp4").unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"media");
        assert_eq!(spool.seal(&id, "mp4").unwrap(), whole);
        assert_eq!(spool.sealed(&id, "mp4"), Some(whole));
        spool.discard(&id).unwrap();
        assert!(spool.list().unwrap().is_empty());
    }

    #[test]
    fn what_never_existed_cannot_be_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        assert!(spool.seal(&RecordingId::new("EG_abc"), "mp4").is_err());
    }

    #[test]
    fn the_sweep_frees_what_is_empty_and_names_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let [empty, full, kept] = ["EG_1", "EG_2", "EG_3"].map(RecordingId::new);
        for id in [&empty, &full, &kept] {
            spool.create(id, "ogg").unwrap();
        }
        fs::write(spool.part(&full, "ogg"), b"x").unwrap();
        let strays = spool.sweep(std::slice::from_ref(&kept)).unwrap();
        assert_eq!(strays.iter().map(|found| (&found.id, found.bytes)).collect::<Vec<_>>(), [(&full, 1)]);
        let mut left: Vec<_> = spool.list().unwrap().into_iter().map(|found| found.id).collect();
        left.sort();
        assert_eq!(left, [full, kept]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_names_data_dir() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = Spool::open(&file).unwrap_err().message;
        assert!(error.starts_with("data_dir: cannot make "), "{error}");
    }
}
