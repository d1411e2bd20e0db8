//! A file that grows beside its final name, where other files are: none of them is written over.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::file::{check_output, part_beside, seal};
use crate::error::{Error, Result};

/// How long a process may take to be gone.
const DYING: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(50);

/// The right to grow `<output>.part` and to give it its name; another process that asks for the same is refused.
#[derive(Debug)]
pub struct Beside {
    output: PathBuf,
    part: PathBuf,
    replace: bool,
    /// Locked: who finds a part that is not was left alone with it by a crash.
    _locked: File,
}

impl Beside {
    /// Claims the name. What a crash left in the part is put under a name of its own, which is given too. An output that is
    /// there is refused unless it is to be replaced. The error names `field` and what to do.
    pub fn claim(output: &Path, replace: bool, field: &str) -> Result<(Self, Option<PathBuf>)> {
        check_output(output, field)?;
        if !replace && is_there(output) {
            let why = format!("{} is there already; choose another name, or replace it with --force", output.display());
            return Err(Error::invalid(field, why));
        }
        let part = part_beside(output);
        let left = match leftover(&part, field)? {
            false => None,
            true => Some(place(&part, &with_word(output, "-interrupted")).map_err(|e| failed(field, &part, &e))?),
        };
        let opened = File::options().write(true).create(true).truncate(false).open(&part);
        let locked = opened.map_err(|e| failed(field, &part, &e))?;
        lock(&locked, &part, field)?;
        Ok((Self { output: output.to_owned(), part, replace, _locked: locked }, left))
    }

    /// Where it grows.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// The name it is to have.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Gives the whole file its name; the name is another one when a file has come to be there meanwhile.
    pub fn seal(self) -> io::Result<PathBuf> {
        if self.replace {
            seal(&self.part, &self.output)?;
            return Ok(self.output);
        }
        place(&self.part, &self.output)
    }

    /// Nothing that plays was recorded. What holds bytes stays all the same, and is given back: somebody may make something of it.
    pub fn discard(self) -> Option<PathBuf> {
        if fs::metadata(&self.part).is_ok_and(|meta| meta.len() > 0) {
            return Some(self.part);
        }
        // One that stays is empty, and the next claim deals with it.
        let _ = fs::remove_file(&self.part);
        None
    }
}

/// Is there something of a crash in it? A part that somebody still writes is refused.
fn leftover(part: &Path, field: &str) -> Result<bool> {
    match File::options().write(true).open(part) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(field, part, &e)),
        Ok(file) => {
            lock(&file, part, field)?;
            file.metadata().map(|meta| meta.len() > 0).map_err(|e| failed(field, part, &e))
        }
    }
}

fn lock(file: &File, part: &Path, field: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            // A recorder that was killed holds it until the system has taken everything from it.
            Err(TryLockError::WouldBlock) if began.elapsed() < DYING => thread::sleep(AGAIN),
            Err(TryLockError::WouldBlock) => {
                let why = format!("another recorder is writing {}; choose another name", part.display());
                return Err(Error::invalid(field, why));
            }
            // Not every file system has locks; those recorders must be told apart by their operator.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
}

fn failed(field: &str, part: &Path, error: &io::Error) -> Error {
    Error::invalid(field, format!("cannot take {}: {error}; move it away or choose another name", part.display()))
}

/// Moves a file to this name, or to the first free one like it: `out.mp4`, `out-2.mp4`, `out-3.mp4`.
fn place(from: &Path, to: &Path) -> io::Result<PathBuf> {
    let names = std::iter::once(to.to_owned()).chain((2_u32..).map(|n| with_word(to, &format!("-{n}"))));
    for name in names {
        // Nobody else gets a name that is taken, not even in the moment before the file has it.
        match File::create_new(&name) {
            Ok(_) => {
                let moved = seal(from, &name);
                if moved.is_err() && from.exists() {
                    let _ = fs::remove_file(&name);
                }
                return moved.map(|()| name);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// `a/out.mp4` and `-2`: `a/out-2.mp4`.
fn with_word(path: &Path, word: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(word);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// A link that leads nowhere counts.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: &str = "output";

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_there_is_refused_unless_it_is_to_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.mp4");
        for make in [
            |path: &Path| fs::write(path, "a meeting").unwrap(),
            |path: &Path| {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("nowhere", path).unwrap();
            },
        ] {
            make(&output);
            let error = Beside::claim(&output, false, FIELD).unwrap_err();
            assert_eq!(error.kind, crate::error::ErrorKind::InvalidArgument);
            assert!(error.message.ends_with("choose another name, or replace it with --force"), "{error}");
            assert_eq!(names(dir.path()), ["out.mp4"]);
        }
        let (claim, left) = Beside::claim(&output, true, FIELD).unwrap();
        assert_eq!(left, None);
        fs::write(claim.part(), "another meeting").unwrap();
        assert_eq!(claim.seal().unwrap(), output);
        assert_eq!(fs::read_to_string(&output).unwrap(), "another meeting");
        assert_eq!(names(dir.path()), ["out.mp4"]);
    }

    #[test]
    fn what_a_crash_left_keeps_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.mp4");
        for (text, name) in [("first", "out-interrupted.mp4"), ("second", "out-interrupted-2.mp4")] {
            fs::write(part_beside(&output), text).unwrap();
            let (claim, left) = Beside::claim(&output, false, FIELD).unwrap();
            assert_eq!(left, Some(dir.path().join(name)));
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), text);
            claim.discard();
        }
        // An empty one is worth nothing.
        fs::write(part_beside(&output), "").unwrap();
        assert_eq!(Beside::claim(&output, false, FIELD).unwrap().1, None);
    }

    #[test]
    fn a_part_that_somebody_writes_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.mp4");
        let (claim, _) = Beside::claim(&output, false, FIELD).unwrap();
        fs::write(claim.part(), "growing").unwrap();
        for force in [false, true] {
            let error = Beside::claim(&output, force, FIELD).unwrap_err().message;
            assert!(error.starts_with("output: another recorder is writing "), "{error}");
        }
        assert_eq!(claim.seal().unwrap(), output);
        assert_eq!(fs::read_to_string(&output).unwrap(), "growing");
    }

    #[test]
    fn what_came_meanwhile_is_left_alone_too() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.mp4");
        let (claim, _) = Beside::claim(&output, false, FIELD).unwrap();
        fs::write(claim.part(), "ours").unwrap();
        fs::write(&output, "theirs").unwrap();
        fs::write(dir.path().join("out-2.mp4"), "theirs too").unwrap();
        assert_eq!(claim.seal().unwrap(), dir.path().join("out-3.mp4"));
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(["out.mp4", "out-2.mp4", "out-3.mp4"].map(read), ["theirs", "theirs too", "ours"]);
        assert_eq!(names(dir.path()).len(), 3);
    }
}
