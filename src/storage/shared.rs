//! Small objects that several processes write in turn: each write says what it expects to find there.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::Storage;
use super::bucket::path;
use super::key::check_path;
use crate::error::{Error, ErrorKind, Result, chain};

/// What an object's content is called by the store: an ETag, where it has one.
pub type Version = Option<String>;

/// What must be there for a write to take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// Nothing (`If-None-Match: *`, RFC 9110, section 13.1.2).
    Nothing,
    /// Just this content (`If-Match`, RFC 9110, section 13.1.1).
    Version(String),
}

impl Storage {
    /// Writes a small object; gives the name of its new content. `AlreadyExists` when something else is there than was expected,
    /// `Unimplemented` when the store knows no conditions, `FailedPrecondition` for a local folder.
    pub async fn put_if(&self, key: &str, bytes: Bytes, expected: &Expected) -> Result<Version> {
        check_path(key)?;
        let (bucket, key) = (self.remote("marks")?, self.object_key(key));
        let mode = match expected {
            Expected::Anything => PutMode::Overwrite,
            Expected::Nothing => PutMode::Create,
            Expected::Version(etag) => PutMode::Update(UpdateVersion { e_tag: Some(etag.clone()), version: None }),
        };
        let options = PutOptions { mode, attributes: bucket.attributes("application/json"), ..PutOptions::default() };
        let backend = path(&key)?;
        let put = || bucket.store().1.put_opts(&backend, PutPayload::from(bytes.clone()), options.clone());
        let done = match put().await {
            Err(e) if bucket.learns_sums(&e) => put().await,
            done => done,
        };
        done.map(|put| put.e_tag).map_err(|e| {
            if matches!(e, StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) {
                Error::new(ErrorKind::AlreadyExists, format!("storage: {key} is not as it was"))
            } else if matches!(e, StoreError::NotImplemented { .. }) || chain(&e).contains("NotImplemented") {
                Error::new(ErrorKind::Unimplemented, "storage: the store writes nothing upon a condition")
            } else {
                bucket.failed("write", &key, &e)
            }
        })
    }

    /// The whole of a small object with the name of its content; `None` when nothing is there.
    pub async fn read_small(&self, key: &str) -> Result<Option<(Bytes, Version)>> {
        check_path(key)?;
        let (bucket, key) = (self.remote("marks")?, self.object_key(key));
        let got = match bucket.plain.get(&path(&key)?).await {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            got => got.map_err(|e| bucket.failed("read", &key, &e))?,
        };
        let version = got.meta.e_tag.clone();
        let bytes = got.bytes().await.map_err(|e| bucket.failed("read", &key, &e))?;
        Ok(Some((bytes, version)))
    }

    /// The keys in this folder, with the names of their contents.
    pub async fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        check_path(folder)?;
        let (bucket, folder) = (self.remote("marks")?, self.object_key(folder));
        let listed = bucket.plain.list(Some(&path(&folder)?)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|e| bucket.failed("list", &folder, &e))?;
        let before = self.object_key("");
        let key = |key: &str| key.strip_prefix(&before).map(str::to_owned);
        Ok(listed.into_iter().filter_map(|meta| Some((key(meta.location.as_ref())?, meta.e_tag))).collect())
    }
}
