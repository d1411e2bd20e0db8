//! Bytes under keys: a local folder or a bucket (S3, GCS, Azure). Tries once and says what happened.

mod bucket;
mod check;
mod content;
mod explain;
mod key;
mod line;
mod local;
mod modes;
mod multipart;
mod reserved;
mod settings;
mod shared;
mod shelf;
mod sign;
mod stores;
mod uploads;

pub use content::{Content, Head};
pub use key::{LONGEST, SEGMENT, check_key, content_type_of};
pub use modes::{keep_private, make_private};
pub use multipart::SMALLEST_PART;
pub use settings::{Azure, Checksum, Gcp, Proxy, S3, Section, Settings, Target};
pub use shared::{Expected, Version};
pub use shelf::{Answer, Shelf};
pub use stores::Stores;
pub use uploads::StoredPart;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use bucket::Bucket;
use key::check_path;
use local::Folder;
use modes::Readers;
use reserved::Reserved;

/// One place for finished files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Storage {
    backend: Backend,
    prefix: String,
    reserved: Option<Reserved>,
}

#[derive(Clone, Debug)]
enum Backend {
    Local(Folder),
    Bucket(Arc<Bucket>),
}

impl Storage {
    /// Opens the place without asking it anything; `data_dir` is where files go when the settings name no other. The error
    /// names the field.
    pub fn open(settings: &Settings, data_dir: &Path) -> Result<Self> {
        settings.validate()?;
        let backend = match &settings.target {
            Target::Local(path) => {
                let root = path.clone().unwrap_or_else(|| data_dir.to_owned());
                let is_ours = std::path::absolute(&root)
                    .is_ok_and(|root| std::path::absolute(data_dir).is_ok_and(|data_dir| root.starts_with(data_dir)));
                Backend::Local(Folder::new(root, if is_ours { Readers::Group } else { Readers::Operators }))
            }
            Target::S3(_) | Target::Gcp(_) | Target::Azure(_) => Backend::Bucket(Arc::new(Bucket::open(settings)?)),
        };
        Ok(Self { backend, prefix: settings.prefix.clone(), reserved: Some(Reserved::of(data_dir)) })
    }

    /// A folder of this machine; keys are paths within it.
    pub fn local(root: PathBuf) -> Self {
        Self { backend: Backend::Local(Folder::new(root, Readers::Operators)), prefix: String::new(), reserved: None }
    }

    /// Refuses what can be no key here: see [`check_key`], and what leads into our own folders. The error names `key`.
    pub fn check_key(&self, key: &str) -> Result<()> {
        check_key(key)?;
        reserved::check_own(key)?;
        self.check_path(key)
    }

    /// The same for what may be there already.
    fn check_path(&self, key: &str) -> Result<()> {
        check_path(key)?;
        match (&self.backend, &self.reserved) {
            (Backend::Local(folder), Some(reserved)) => reserved.check(folder.root(), &self.object_key(key)),
            (Backend::Local(_), None) | (Backend::Bucket(_), _) => Ok(()),
        }
    }

    /// The key as the store itself knows it: behind the prefix.
    pub fn object_key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    /// The bucket's (or container's) name, when it is one.
    pub fn bucket(&self) -> Option<&str> {
        match &self.backend {
            Backend::Local(_) => None,
            Backend::Bucket(bucket) => Some(&bucket.names.bucket),
        }
    }

    /// The file of this key, when it is one on this machine.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        match &self.backend {
            Backend::Local(folder) => self.check_path(key).ok().map(|()| folder.path(&self.object_key(key))),
            Backend::Bucket(_) => None,
        }
    }

    /// Puts a whole file there, at once and complete. Doing it again does no harm. A local folder takes the file away from
    /// where it was.
    pub async fn put_file(&self, file: &Path, key: &str, content_type: &str) -> Result<()> {
        self.check_path(key)?;
        match &self.backend {
            Backend::Local(folder) => folder.take(file, &self.object_key(key)).await,
            Backend::Bucket(_) => self.put_in_parts(file, key, content_type).await,
        }
    }

    /// Puts these bytes there, at once and complete.
    pub async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<()> {
        self.check_path(key)?;
        match &self.backend {
            Backend::Local(folder) => folder.put(&self.object_key(key), bytes).await,
            Backend::Bucket(bucket) => bucket.put(&self.object_key(key), bytes, content_type).await,
        }
    }

    /// What is there under this key; `None` when nothing is.
    pub async fn head(&self, key: &str) -> Result<Option<Head>> {
        self.check_path(key)?;
        match &self.backend {
            Backend::Local(folder) => folder.head(&self.object_key(key)).await,
            Backend::Bucket(bucket) => bucket.head(&self.object_key(key)).await,
        }
    }

    /// Is something known to be there? Not every key for a store may ask.
    pub async fn is_there(&self, key: &str) -> bool {
        self.head(key).await.is_ok_and(|head| head.is_some())
    }

    /// The bytes of this range, as far as there are any (`0..u64::MAX`: all of them), as they come. `NotFound` when nothing
    /// is there; a range that begins behind the end is `InvalidArgument`.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Content> {
        self.check_path(key)?;
        match &self.backend {
            Backend::Local(folder) => folder.get(&self.object_key(key), range).await,
            Backend::Bucket(bucket) => bucket.get(&self.object_key(key), range).await,
        }
    }

    /// Takes an object away; one that is not there is no failure.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.check_path(key)?;
        match &self.backend {
            Backend::Local(folder) => folder.delete(&self.object_key(key)).await,
            Backend::Bucket(bucket) => bucket.delete(&self.object_key(key)).await,
        }
    }

    /// The bucket, for what a folder cannot do.
    fn remote(&self, what: &str) -> Result<&Bucket> {
        match &self.backend {
            Backend::Bucket(bucket) => Ok(bucket),
            Backend::Local(_) => {
                let why = format!("{what}: recordings are in a local folder; configure storage.s3");
                Err(Error::new(ErrorKind::FailedPrecondition, why))
            }
        }
    }
}
