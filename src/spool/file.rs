//! One file that grows under a name of its own and gets its final name when it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The name under which `output` grows: beside it, with `.part` at the end.
pub fn part_beside(output: &Path) -> PathBuf {
    let mut name = output.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".part");
    output.with_file_name(name)
}

/// Declares `part` whole: everything reaches the disk, then it gets its final name (and replaces what had it).
pub fn seal(part: &Path, whole: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, whole)?;
    // The new name must survive a power cut too.
    if let Some(folder) = folder_of(whole) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Proves that a file can be made in `folder`. The error names `field` and what to do.
pub fn check_writable(folder: &Path, field: &str) -> Result<()> {
    let probe = folder.join(format!(".greffier-{}.probe", std::process::id()));
    let tried = File::create(&probe).and_then(|_| fs::remove_file(&probe));
    let (shown, fix) = (folder.display(), "choose a folder this user may write to");
    tried.map_err(|e| {
        if e.kind() == io::ErrorKind::NotFound {
            Error::invalid(field, format!("there is no folder {shown}; make it or {fix}"))
        } else {
            Error::invalid(field, format!("cannot write in {shown}: {e}; {fix}"))
        }
    })
}

/// Proves that `output` can be made. The error names `field` (such as `--output`) and what to do.
pub fn check_output(output: &Path, field: &str) -> Result<()> {
    if output.file_name().is_none() || output.is_dir() {
        return Err(Error::invalid(
            field,
            format!("{} is a folder; add a file name such as out.mp4", output.display()),
        ));
    }
    check_writable(folder_of(output).unwrap_or(Path::new(".")), field)
}

/// The folder that holds `path`; `.` for a bare name.
fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_is_beside_the_output() {
        assert_eq!(part_beside(Path::new("a/out.mp4")), Path::new("a/out.mp4.part"));
        assert_eq!(part_beside(Path::new("out.mp4")), Path::new("out.mp4.part"));
    }

    #[test]
    fn a_bad_output_names_the_flag() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check_output(&dir.path().join("out.mp4"), "--output").is_ok());
        let error = check_output(&dir.path().join("none/out.mp4"), "--output").unwrap_err().message;
        assert!(error.starts_with("--output: there is no folder "), "{error}");
        let error = check_output(dir.path(), "--output").unwrap_err().message;
        assert!(error.ends_with("is a folder; add a file name such as out.mp4"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the probe is taken away");
    }

    #[test]
    fn sealing_keeps_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("out.mp4");
        let part = part_beside(&whole);
        fs::write(&part, b"media").unwrap();
        seal(&part, &whole).unwrap();
        assert_eq!(fs::read(&whole).unwrap(), b"media");
        assert!(!part.exists());
    }
}
