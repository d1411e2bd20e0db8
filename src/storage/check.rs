//! Proves that files can be written before a recording depends on it.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::PutPayload;

use super::bucket::{Bucket, path};
use super::{Backend, Storage};
use crate::error::{Error, ErrorKind, Result, chain};

/// No store has an upload of this name.
const NO_UPLOAD: &str = "greffier-check";

impl Storage {
    /// Proves that this key can be written, without anything appearing under it: a bucket's events would tell of a probe. Nothing
    /// is requested but the leave to write: keys of recorders often have no other.
    pub async fn check_key_writable(&self, key: &str, content_type: &str) -> Result<()> {
        self.check_key(key)?;
        match &self.backend {
            Backend::Local(folder) => {
                folder.check_backend(&self.object_key(key))?;
                self.check().await
            }
            Backend::Bucket(bucket) => {
                if bucket.s3.is_some() && may_write(bucket, &self.object_key(key)).await? {
                    return Ok(());
                }
                let upload = self.begin(key, content_type).await?;
                if let Err(error) = self.abort(key, &upload).await {
                    tracing::warn!(key, %error, "the storage keeps the multipart upload of a test");
                }
                Ok(())
            }
        }
    }

    /// Writes a small object, reads it back and deletes it; whoever may not read or delete has proved enough. The error names the
    /// field and the fix.
    pub async fn check(&self) -> Result<()> {
        // A type that no hook takes for a recording.
        let key = format!("greffier-check-{:016x}.txt", rand::random::<u64>());
        let bytes = Bytes::from(format!("Greffier may write here: {key}\n"));
        self.put(&key, bytes.clone(), "text/plain").await?;
        let read = async {
            let content = self.get_range(&key, 0..u64::MAX).await?;
            content.stream.try_collect::<Vec<_>>().await
        };
        let (read, object) = (read.await, self.object_key(&key));
        match self.delete(&key).await {
            Err(error) if error.kind == ErrorKind::PermissionDenied => {
                tracing::warn!(object, %error, "what was written to try it stays");
            }
            done => done?,
        }
        match read {
            Err(error) if error.kind == ErrorKind::PermissionDenied => {
                tracing::warn!(object, %error, "the stored object cannot be read with these credentials; pages will show no video");
                Ok(())
            }
            Ok(read) if read.concat() == bytes => Ok(()),
            Ok(_) => {
                let message = format!("storage: {object} was not read as it was written");
                Err(Error::new(ErrorKind::DataLoss, message))
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes a part of an upload that does not exist. Whoever may write hears just that: leave is looked at first. False when the
/// answer says neither.
async fn may_write(bucket: &Bucket, key: &str) -> Result<bool> {
    let backend = path(key)?;
    let write = async || {
        let part = PutPayload::from_static(b"nothing");
        bucket.store().1.put_part(&backend, &NO_UPLOAD.to_owned(), 0, part).await
    };
    let refusal = match write().await {
        Ok(_) => return Ok(false),
        Err(e) if bucket.learns_sums(&e) => match write().await {
            Ok(_) => return Ok(false),
            Err(e) => e,
        },
        Err(e) => e,
    };
    let text = chain(&refusal);
    let error = bucket.failed("write", key, &refusal);
    match error.kind {
        ErrorKind::NotFound => Ok(text.contains("NoSuchUpload")),
        ErrorKind::PermissionDenied | ErrorKind::Unauthenticated | ErrorKind::FailedPrecondition => Err(error),
        ErrorKind::InvalidArgument
        | ErrorKind::AlreadyExists
        | ErrorKind::ResourceExhausted
        | ErrorKind::Unavailable
        | ErrorKind::DeadlineExceeded
        | ErrorKind::DataLoss
        | ErrorKind::Unimplemented
        | ErrorKind::Internal => {
            // It answered, in its own way: it is asked otherwise.
            if text.contains("Server returned") { Ok(false) } else { Err(error) }
        }
    }
}
