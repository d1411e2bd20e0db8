//! Who may read files: ours nobody else, those that are stored outside of our folder whoever the operator's umask lets.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::Mode;

/// The umask that this process was started with, once it has another.
static OPERATORS: OnceLock<u32> = OnceLock::new();

/// From now on nobody else may read what this process makes.
pub fn keep_private() {
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let _ = OPERATORS.set(before.bits());
}

/// Makes what is in these folders ours alone, as far as earlier versions left it open. Links are not followed.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let meta = match fs::symlink_metadata(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        meta => meta?,
    };
    if meta.is_symlink() {
        return Ok(());
    }
    let wanted = if meta.is_dir() { 0o700 } else { 0o600 };
    if meta.permissions().mode() & 0o777 != wanted {
        fs::set_permissions(folder, Permissions::from_mode(wanted))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(folder)? {
            make_private(&entry?.path())?;
        }
    }
    Ok(())
}

/// How what is stored in a folder may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// By the group: it lies within our data directory.
    Group,
    /// By whom the operator's umask lets.
    Operators,
}

impl Readers {
    /// Gives a stored file its mode.
    pub fn let_read(self, file: &Path) -> io::Result<()> {
        match (self, OPERATORS.get()) {
            (Self::Group, _) => fs::set_permissions(file, Permissions::from_mode(0o640)),
            (Self::Operators, Some(umask)) => fs::set_permissions(file, Permissions::from_mode(0o666 & !umask)),
            (Self::Operators, None) => Ok(()),
        }
    }

    /// Makes a folder for stored files, and those above it.
    pub fn make_folder(self, folder: &Path) -> io::Result<()> {
        let missing: Vec<_> = folder.ancestors().take_while(|above| !above.exists()).collect();
        fs::create_dir_all(folder)?;
        let mode = match (self, OPERATORS.get()) {
            (Self::Group, _) => 0o750,
            (Self::Operators, Some(umask)) => 0o777 & !umask,
            (Self::Operators, None) => return Ok(()),
        };
        missing
            .iter()
            .filter(|made| !made.as_os_str().is_empty())
            .try_for_each(|made| fs::set_permissions(made, Permissions::from_mode(mode)))
    }
}
