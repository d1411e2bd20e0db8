//! Our own folders within the data directory, which no key may lead into.

use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// Their names: growing files, the store, letters.
const NAMES: [&str; 3] = ["spool", "db", "mail"];

/// The first segment of the keys of our own objects, in buckets too.
const OWN: &str = ".greffier";

/// Refuses a key of our own objects. The error names `key`.
pub fn check_own(key: &str) -> Result<()> {
    let decoded = percent_decode_str(key).decode_utf8_lossy();
    if [key, decoded.as_ref()].iter().any(|key| key.split('/').next() == Some(OWN)) {
        return Err(Error::invalid(
            "key",
            format!("{OWN}/ is greffier's own; begin it with another name, such as recordings/"),
        ));
    }
    Ok(())
}

/// The folders, wherever the data directory is.
#[derive(Clone, Debug)]
pub struct Reserved(Vec<PathBuf>);

impl Reserved {
    /// Those of this data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self(NAMES.iter().map(|name| data_dir.join(name)).collect())
    }

    /// Refuses a key that leads into one of them from `root`, written in whatever case or encoding, or by way of a link. The
    /// error names `key`.
    pub fn check(&self, root: &Path, key: &str) -> Result<()> {
        let decoded = percent_decode_str(key).decode_utf8_lossy();
        let holds = |path: &Path| {
            let real = folded(&real(path));
            self.0.iter().any(|own| real.starts_with(folded(&self::real(own))))
        };
        if holds(&root.join(key)) || holds(&root.join(decoded.as_ref())) {
            let why = "leads into a folder that is greffier's own; begin it with another name, such as recordings/";
            return Err(Error::invalid("key", why));
        }
        Ok(())
    }
}

/// Where this is once links are followed, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            (Some(_) | None, Some(_) | None) => return absolute,
        }
    }
}

/// In one case: some file systems know no other.
fn folded(path: &Path) -> PathBuf {
    let fold = |part: Component<'_>| part.as_os_str().to_string_lossy().trim_end_matches([' ', '.']).to_lowercase();
    path.components().map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_recording_is_stored_among_our_own_objects() {
        for key in [".greffier/marks/EG_1.json", ".greffier", "%2egreffier/a.mp4"] {
            assert!(check_own(key).unwrap_err().message.starts_with("key: .greffier/ is"), "{key}");
        }
        check_own("a/.greffier/b.mp4").unwrap();
        check_own(".greffiers/b.mp4").unwrap();
    }

    #[test]
    fn no_key_leads_into_our_own_folders() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("spool")).unwrap();
        std::os::unix::fs::symlink(data.join("spool"), data.join("link")).unwrap();
        let reserved = Reserved::of(&data);
        for key in [
            "spool/EG_x/recording.mp4",
            "db/x.mp4",
            "mail/x.mp4",
            "SPOOL/x.mp4",
            "Db/x.mp4",
            "spool",
            "%73pool/x.mp4",
            "%44b/x.mp4",
            "spool./x.mp4",
            "spool /x.mp4",
            "link/x.mp4",
        ] {
            assert!(reserved.check(&data, key).unwrap_err().message.starts_with("key: leads"), "{key}");
        }
        for key in ["recordings/x.mp4", "spools/x.mp4", "a/spool/x.mp4", "spool.mp4", "db-1/x.mp4"] {
            reserved.check(&data, key).unwrap();
        }
        // From a root around the data directory, and from one within.
        assert!(reserved.check(folder.path(), "data/spool/x.mp4").is_err());
        assert!(reserved.check(&data.join("db"), "x.mp4").is_err());
        assert!(reserved.check(&data.join("recordings"), "spool/x.mp4").is_ok());
        assert!(reserved.check(Path::new("/elsewhere"), "spool/x.mp4").is_ok());
    }
}
