//! The configured place, those that modes have of their own, and those that requests bring along.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::{Settings, Shelf, Storage};
use crate::document;
use crate::error::{Error, ErrorKind, Result};
use crate::sealing::Sealer;

/// So many opened places are kept, each with its connections.
const KEPT: usize = 32;

/// Finds a recording's place. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stores {
    usual: Storage,
    of_modes: Arc<HashMap<String, Storage>>,
    shared: Option<Arc<dyn Shelf>>,
    /// `max_unsent` of those that requests bring along, unless they say it.
    max_unsent: Option<Duration>,
    data_dir: PathBuf,
    sealer: Sealer,
    opened: Arc<Mutex<HashMap<Vec<u8>, Storage>>>,
}

impl Stores {
    /// `usual` is the configured one; `of_modes` are those that modes have instead.
    pub fn new(usual: Storage, of_modes: HashMap<String, Storage>, data_dir: &Path, sealer: Sealer) -> Self {
        let (of_modes, data_dir) = (Arc::new(of_modes), data_dir.to_owned());
        Self { usual, of_modes, shared: None, max_unsent: None, data_dir, sealer, opened: Arc::default() }
    }

    /// For buckets that requests bring along: what the sidecars share where none is configured, and how old what was never sent
    /// may become, unless the request says it.
    #[must_use]
    pub fn of_requests(self, shared: Option<Arc<dyn Shelf>>, max_unsent: Duration) -> Self {
        Self { shared, max_unsent: Some(max_unsent), ..self }
    }

    /// The configured one.
    pub fn usual(&self) -> &Storage {
        &self.usual
    }

    /// Where the marks of unfinished recordings of this mode are: in the configured bucket, which every sidecar knows, or in the
    /// mode's, or in what they share besides.
    pub fn marks_of(&self, mode: Option<&str>) -> Option<Arc<dyn Shelf>> {
        let of_mode = || mode.and_then(|mode| self.of_modes.get(mode));
        let bucket = [Some(&self.usual), of_mode()].into_iter().flatten().find(|storage| storage.takes_parts());
        bucket.map(|bucket| Arc::new(bucket.clone()) as Arc<dyn Shelf>).or_else(|| self.shared.clone())
    }

    /// Every place that marks may be in.
    pub fn marked(&self) -> Vec<Arc<dyn Shelf>> {
        if self.usual.takes_parts() {
            return vec![Arc::new(self.usual.clone())];
        }
        let buckets = self.of_modes.values().filter(|storage| storage.takes_parts());
        let buckets = buckets.map(|bucket| Arc::new(bucket.clone()) as Arc<dyn Shelf>);
        buckets.chain(self.shared.clone()).collect()
    }

    /// Makes a `storage` section that a request brought along ready to be kept. The error names the field.
    pub fn seal(&self, section: &Value) -> Result<Vec<u8>> {
        self.open(section)?;
        self.sealer.seal(section.to_string().as_bytes())
    }

    /// The place that was sealed; else the mode's; else the configured one.
    pub fn of(&self, sealed: Option<&[u8]>, mode: Option<&str>) -> Result<Storage> {
        let Some(sealed) = sealed else {
            return Ok(mode.and_then(|mode| self.of_modes.get(mode)).unwrap_or(&self.usual).clone());
        };
        if let Some(storage) = self.lock().get(sealed) {
            return Ok(storage.clone());
        }
        let clear = self.sealer.open(sealed)?;
        let section = serde_json::from_slice(&clear)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("a kept storage cannot be read: {e}")))?;
        // It was good when the recording began: what is refused today loses no film.
        let opened = self.open(&section);
        let storage = opened.map_err(|e| Error::new(ErrorKind::FailedPrecondition, e.message))?;
        let mut opened = self.lock();
        if opened.len() >= KEPT {
            opened.clear();
        }
        opened.insert(sealed.to_vec(), storage.clone());
        Ok(storage)
    }

    fn open(&self, section: &Value) -> Result<Storage> {
        let told = section.get("max_unsent").is_some();
        let read = Settings::read(document::read(section.clone(), "storage")?)?;
        let max_unsent = self.max_unsent.filter(|_| !told).unwrap_or(read.max_unsent);
        let settings = Settings { by_request: true, max_unsent, ..read };
        Storage::open(&settings, &self.data_dir)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Storage>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
