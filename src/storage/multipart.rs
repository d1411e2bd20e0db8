//! An object in parts: each request tried once. A folder has none: there, files are moved when they are whole.

use std::path::Path as File;
use std::time::Duration;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::{Attributes, PutMultipartOptions, PutPayload};
use tokio::io::AsyncReadExt as _;

use super::bucket::{Bucket, Everything, path};
use super::key::check_path;
use super::{Backend, Storage};
use crate::error::{Error, ErrorKind, Result};

/// The smallest part that S3 takes, but for the last one.
pub const SMALLEST_PART: u64 = 5 << 20;
/// Before the store's name of an upload whose parts bear checksums: its parts are all alike, whatever is learnt meanwhile.
const SUMMED: &str = "summed:";

impl Storage {
    /// Can an object come in parts?
    pub fn takes_parts(&self) -> bool {
        match &self.backend {
            Backend::Local(_) => false,
            Backend::Bucket(_) => true,
        }
    }

    /// How long parts are at least, bytes; 0: as the caller likes.
    pub fn part_size(&self) -> u64 {
        match &self.backend {
            Backend::Local(_) => 0,
            Backend::Bucket(bucket) => bucket.part_size,
        }
    }

    /// How old what was never sent of a growing file may become; `None`: until a part is full.
    pub fn max_unsent(&self) -> Option<Duration> {
        match &self.backend {
            Backend::Local(_) => None,
            Backend::Bucket(bucket) => Some(bucket.max_unsent).filter(|every| !every.is_zero()),
        }
    }

    /// Begins an object; gives the store's name for the upload. Nothing is seen under the key before [`Storage::complete`].
    pub async fn begin(&self, key: &str, content_type: &str) -> Result<String> {
        check_path(key)?;
        let (bucket, key) = (self.remote("parts")?, self.object_key(key));
        let attributes = if bucket.is_azure { Attributes::new() } else { bucket.attributes(content_type) };
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let backend = path(&key)?;
        let begin = async || {
            let (sums, store) = bucket.store();
            let begun = store.create_multipart_opts(&backend, options.clone()).await;
            begun.map(|upload| if sums { format!("{SUMMED}{upload}") } else { upload })
        };
        let begun = match begin().await {
            Err(e) if bucket.learns_sums(&e) => begin().await,
            begun => begun,
        };
        begun.map_err(|e| bucket.failed("begin", &key, &e))
    }

    /// Sends a part, in whatever order; `index` is its place, from 0. Gives the store's name for it. The store has compared
    /// the bytes with their SHA-256 (S3) when this returns. `NotFound`: it has lost the upload, or takes none without checksums.
    /// `ResourceExhausted`: it takes no more parts of this length.
    pub async fn put_part(&self, key: &str, upload: &str, index: u32, bytes: Bytes) -> Result<String> {
        check_path(key)?;
        let (bucket, key) = (self.remote("parts")?, self.object_key(key));
        let (store, upload) = client(bucket, upload);
        let (backend, _turn) = (path(&key)?, bucket.turn().await);
        let put = store.put_part(&backend, &upload, index as usize, PutPayload::from(bytes)).await;
        put.map(|part| part.content_id).map_err(|e| {
            if bucket.learns_sums(&e) {
                Error::new(ErrorKind::NotFound, format!("storage: {key} is begun anew, with checksums"))
            } else {
                bucket.failed("write a part of", &key, &e)
            }
        })
    }

    /// Makes an object of the parts, in order. `NotFound`: the store has lost the upload or one of them, or has completed it
    /// already.
    pub async fn complete(&self, key: &str, upload: &str, parts: &[String]) -> Result<()> {
        check_path(key)?;
        let (bucket, key) = (self.remote("parts")?, self.object_key(key));
        let (store, upload) = client(bucket, upload);
        let parts = parts.iter().map(|id| PartId { content_id: id.clone() }).collect();
        let done = store.complete_multipart(&path(&key)?, &upload, parts).await;
        done.map(|_| ()).map_err(|e| bucket.failed("complete", &key, &e))
    }

    /// Throws the parts away. An upload that is lost is no failure.
    pub async fn abort(&self, key: &str, upload: &str) -> Result<()> {
        check_path(key)?;
        let (bucket, key) = (self.remote("parts")?, self.object_key(key));
        let (store, upload) = client(bucket, upload);
        match store.abort_multipart(&path(&key)?, &upload).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(bucket.failed("abort", &key, &e)),
        }
    }

    /// A file of any size, whole. What was sent of it is thrown away when it fails.
    pub(super) async fn put_in_parts(&self, file: &File, key: &str, content_type: &str) -> Result<()> {
        let unreadable = |e: std::io::Error| {
            Error::new(ErrorKind::Unavailable, format!("storage: cannot read {}: {e}", file.display()))
        };
        let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let size = source.metadata().await.map_err(unreadable)?.len();
        if size <= SMALLEST_PART.max(self.part_size()) {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes).await.map_err(unreadable)?;
            return self.put(key, bytes.into(), content_type).await;
        }
        let upload = self.begin(key, content_type).await?;
        let sent = async {
            let mut ids = Vec::new();
            // 10 000 parts are the most.
            let part = SMALLEST_PART.max(size.div_ceil(9_999)).max(self.part_size());
            for index in 0.. {
                let mut bytes = Vec::new();
                (&mut source).take(part).read_to_end(&mut bytes).await.map_err(unreadable)?;
                if bytes.is_empty() {
                    break;
                }
                ids.push(self.put_part(key, &upload, index, bytes.into()).await?);
            }
            self.complete(key, &upload, &ids).await
        };
        let sent = sent.await;
        if sent.is_err() {
            let _ = self.abort(key, &upload).await;
        }
        sent
    }
}

/// What the store itself calls this upload.
pub(super) fn bare(upload: &str) -> &str {
    upload.strip_prefix(SUMMED).unwrap_or(upload)
}

/// By which client this upload goes on, and what the store calls it.
fn client<'a>(bucket: &'a Bucket, upload: &str) -> (&'a dyn Everything, String) {
    match upload.strip_prefix(SUMMED) {
        Some(upload) => (bucket.with_sums(true), upload.to_owned()),
        None => (bucket.with_sums(false), upload.to_owned()),
    }
}
