//! The local disk: one directory per recording while it grows, one folder of finished files.

mod beside;
mod disk;
mod file;

pub use beside::Beside;
pub use disk::{FreeSpace, Gauge};
pub use file::check_writable;
use file::{part_beside, seal};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::ids::RecordingId;

/// The folder within `data_dir`.
const SPOOL: &str = "spool";
/// The name of a growing file, without its ending.
const STEM: &str = "recording";
/// Where files are put that nobody could store: within the spool, because nothing else is stored there.
const ASIDE: &str = "lost+found";

/// Where recordings grow (`spool/<id>/recording.<ext>.part`) and wait, once whole, to be stored (`recording.<ext>`).
#[derive(Clone, Debug)]
pub struct Spool {
    data_dir: PathBuf,
    gauge: Gauge,
}

/// What the spool holds of one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The directory's name.
    pub id: RecordingId,
    /// Bytes of its files, growing or whole; 0 when there are none.
    pub bytes: u64,
    /// When one of them was last written to.
    pub written_at: Option<SystemTime>,
}

impl Spool {
    /// Makes the two folders and proves that they can be written to. The error is the one line to show.
    pub fn open(data_dir: &Path) -> Result<Self> {
        // Absolute, because it is shown to clients that have another working directory.
        let data_dir = std::path::absolute(data_dir)
            .map_err(|e| Error::invalid("data_dir", format!("{}: {e}", data_dir.display())))?;
        let gauge = Gauge::of(&data_dir.join(SPOOL));
        let spool = Self { data_dir, gauge };
        let folder = spool.folder();
        fs::create_dir_all(&folder).map_err(|e| {
            let folder = folder.display();
            let fix = "choose a folder this user may write to (--data-dir)";
            Error::invalid("data_dir", format!("cannot make {folder}: {e}; {fix}"))
        })?;
        check_writable(&folder, "data_dir")?;
        Ok(spool)
    }

    /// How much room there is.
    pub fn room(&self) -> io::Result<FreeSpace> {
        self.gauge.read()
    }

    /// The same spool, whose room is measured otherwise.
    pub fn measured_by(self, gauge: Gauge) -> Self {
        Self { gauge, ..self }
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

    /// When the growing file was last written to.
    pub fn written_at(&self, id: &RecordingId, extension: &str) -> Option<SystemTime> {
        fs::metadata(self.part(id, extension)).and_then(|meta| meta.modified()).ok()
    }

    /// Declares the growing file whole, or the copy that was made in its stead. Doing it again does no harm.
    pub fn seal(&self, id: &RecordingId, extension: &str) -> io::Result<PathBuf> {
        let (part, copy, whole) = (self.part(id, extension), self.copy(id, extension), self.whole(id, extension));
        // Done already, before a crash. What was declared whole may be on its way: nothing takes its place.
        if !whole.is_file() {
            seal(if copy.is_file() { &copy } else { &part }, &whole)?;
        }
        Ok(whole)
    }

    /// Copies the growing file of a recorder that may still write to it: `seal` declares the copy whole.
    pub fn copy_part(&self, id: &RecordingId, extension: &str) -> io::Result<PathBuf> {
        let copy = self.copy(id, extension);
        let begun = part_beside(&copy);
        let copied = fs::copy(self.part(id, extension), &begun).and_then(|_| seal(&begun, &copy));
        if copied.is_err() {
            // A full disk needs its room.
            let _ = fs::remove_file(&begun);
        }
        copied.map(|()| copy)
    }

    /// Takes away what `copy_part` made: no recorder writes to the growing file any more.
    pub fn forget_copy(&self, id: &RecordingId, extension: &str) -> io::Result<()> {
        let copy = self.copy(id, extension);
        for file in [&copy, &part_beside(&copy)] {
            match fs::remove_file(file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The file, once it was declared whole and while it is here.
    pub fn sealed(&self, id: &RecordingId, extension: &str) -> Option<PathBuf> {
        Some(self.whole(id, extension)).filter(|whole| whole.is_file())
    }

    /// Frees the directory of a recording whose file is at its final place. Doing it again does no harm.
    pub fn free(&self, id: &RecordingId) -> io::Result<()> {
        match fs::remove_dir_all(self.folder().join(id.as_str())) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Frees the directory of a recording that left nothing. One that holds bytes all the same is set aside, and where is
    /// given. Doing it again does no harm.
    pub fn discard(&self, id: &RecordingId) -> io::Result<Option<PathBuf>> {
        if self.free_if_empty(id)? { Ok(None) } else { self.set_aside(id).map(Some) }
    }

    /// Moves the recording's directory to where nothing is ever taken away.
    fn set_aside(&self, id: &RecordingId) -> io::Result<PathBuf> {
        let aside = self.folder().join(ASIDE);
        fs::create_dir_all(&aside)?;
        let names = std::iter::once(id.to_string()).chain((1..).map(|n| format!("{id}.{n}")));
        // There is always one more name.
        let free = names.map(|name| aside.join(name)).find(|path| fs::symlink_metadata(path).is_err());
        let place = free.unwrap_or(aside);
        fs::rename(self.folder().join(id.as_str()), &place)?;
        Ok(place)
    }

    /// Every recording that has a directory. What vanishes meanwhile is not there; what cannot be read is there, without
    /// bytes that are known of.
    pub fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder())? {
            let Ok(entry) = entry else { continue };
            if entry.file_name() == ASIDE || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let mut here =
                Found { id: RecordingId::new(entry.file_name().to_string_lossy()), bytes: 0, written_at: None };
            match fs::read_dir(entry.path()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::warn!(folder = %entry.path().display(), %error, "a directory in the spool cannot be read")
                }
                Ok(files) => {
                    let ours = |file: &fs::DirEntry| file.file_name().to_string_lossy().starts_with(STEM);
                    for meta in files.flatten().filter(ours).filter_map(|file| file.metadata().ok()) {
                        here.bytes += meta.len();
                        here.written_at = here.written_at.max(meta.modified().ok());
                    }
                }
            }
            found.push(here);
        }
        Ok(found)
    }

    /// Frees the recording's directory if no file in it holds anything; says whether it is gone.
    pub fn free_if_empty(&self, id: &RecordingId) -> io::Result<bool> {
        let folder = self.folder().join(id.as_str());
        // What cannot be looked into may hold everything.
        if folder.exists() && holds_bytes(&folder).unwrap_or(true) {
            return Ok(false);
        }
        self.free(id).map(|()| true)
    }

    /// The growing file, whether it is there or not.
    pub fn part(&self, id: &RecordingId, extension: &str) -> PathBuf {
        self.folder().join(id.as_str()).join(format!("{STEM}.{extension}.part"))
    }

    fn whole(&self, id: &RecordingId, extension: &str) -> PathBuf {
        self.folder().join(id.as_str()).join(format!("{STEM}.{extension}"))
    }

    fn copy(&self, id: &RecordingId, extension: &str) -> PathBuf {
        self.folder().join(id.as_str()).join(format!("{STEM}.{extension}.copy"))
    }

    fn folder(&self) -> PathBuf {
        self.data_dir.join(SPOOL)
    }
}

/// Whether a file in this folder, however deep, holds anything.
fn holds_bytes(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if if meta.is_dir() { holds_bytes(&entry.path())? } else { meta.len() > 0 } {
            return Ok(true);
        }
    }
    Ok(false)
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
        spool.free(&id).unwrap();
        assert!(spool.list().unwrap().is_empty());
    }

    #[test]
    fn what_holds_bytes_is_set_aside_and_what_is_empty_is_freed() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let id = RecordingId::new("EG_abc");
        assert_eq!(spool.discard(&id).unwrap(), None, "there is none");
        fs::write(spool.create(&id, "mp4").unwrap(), b"").unwrap();
        assert_eq!(spool.discard(&id).unwrap(), None, "an empty one");
        assert!(spool.list().unwrap().is_empty());
        let mut kept = Vec::new();
        for sealed in [true, false] {
            fs::write(spool.create(&id, "mp4").unwrap(), b"media").unwrap();
            if sealed {
                spool.seal(&id, "mp4").unwrap();
            }
            kept.push(spool.discard(&id).unwrap().expect("it is set aside"));
            assert!(spool.list().unwrap().is_empty(), "and in nobody's way");
            assert!(spool.free_if_empty(&id).unwrap(), "nothing is left there");
        }
        assert_eq!(fs::read(kept[0].join("recording.mp4")).unwrap(), b"media");
        assert_eq!(fs::read(kept[1].join("recording.mp4.part")).unwrap(), b"media", "each has a place of its own");
        assert!(kept.iter().all(|folder| folder.is_dir()));
    }

    #[test]
    fn a_copy_takes_the_place_of_a_file_that_may_still_be_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let id = RecordingId::new("EG_abc");
        let part = spool.create(&id, "mp4").unwrap();
        fs::write(&part, b"media").unwrap();
        spool.copy_part(&id, "mp4").unwrap();
        fs::write(&part, b"media and more").unwrap();
        let whole = spool.seal(&id, "mp4").unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"media");
        assert_eq!(spool.seal(&id, "mp4").unwrap(), whole, "what is on its way is not replaced");
        assert_eq!((fs::read(&whole).unwrap(), fs::read(&part).unwrap().len()), (b"media".to_vec(), 14));
    }

    #[test]
    fn looking_bears_what_vanishes_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    for n in 0..50 {
                        let id = RecordingId::new(format!("EG_{n}"));
                        fs::write(spool.create(&id, "mp4").unwrap(), b"media").unwrap();
                        spool.seal(&id, "mp4").unwrap();
                        spool.free(&id).unwrap();
                    }
                }
            });
            let looked: io::Result<Vec<_>> = (0..1000).map(|_| spool.list()).collect();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            looked.unwrap();
        });
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
