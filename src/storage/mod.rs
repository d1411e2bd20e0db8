//! Bytes under keys: a local folder or a bucket. Tries once and says what happened.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// One place for finished files.
#[derive(Clone, Debug)]
pub struct Storage {
    root: PathBuf,
}

impl Storage {
    /// A folder of this machine; keys are paths within it.
    pub fn local(root: PathBuf) -> Self {
        Self { root }
    }

    /// The file of this key, when it is one on this machine.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        Some(self.root.join(key))
    }

    /// Puts a whole file there, at once and complete. Doing it again does no harm.
    pub async fn put_file(&self, file: &Path, key: &str, _content_type: &str) -> Result<()> {
        let (file, place) = (file.to_owned(), self.root.join(key));
        let moved = tokio::task::spawn_blocking(move || {
            if let Some(folder) = place.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::rename(&file, &place)
        });
        moved
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?
            .map_err(|e| Error::new(ErrorKind::Unavailable, format!("storage: cannot write {key}: {e}")))
    }

    /// The headers by which a proxy may get this object; none are needed for a folder.
    pub async fn authorize_get(&self, _key: &str) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    /// Takes an object away; one that is not there is no failure.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match tokio::fs::remove_file(self.root.join(key)).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Unavailable, format!("storage: cannot delete {key}: {e}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
