//! Proves that files can be written, read and deleted, before a recording depends on it.

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::Storage;
use crate::error::{Error, ErrorKind, Result};

impl Storage {
    /// Proves that this key can be written, without anything appearing under it: a bucket's events would tell of a probe.
    pub async fn check_key_writable(&self, key: &str, content_type: &str) -> Result<()> {
        if self.takes_parts() {
            let upload = self.begin(key, content_type).await?;
            self.abort(key, &upload).await
        } else {
            self.check().await
        }
    }

    /// Writes a small object, reads it back and deletes it. The error names the field and the fix.
    pub async fn check(&self) -> Result<()> {
        // A type that no hook takes for a recording.
        let key = format!("greffier-check-{:016x}.txt", rand::random::<u64>());
        let bytes = Bytes::from(format!("Greffier may write here: {key}\n"));
        self.put(&key, bytes.clone(), "text/plain").await?;
        let read = async {
            let content = self.get_range(&key, 0..u64::MAX).await?;
            content.stream.try_collect::<Vec<_>>().await
        };
        let read = read.await;
        self.delete(&key).await?;
        if read?.concat() != bytes {
            let object = self.object_key(&key);
            return Err(Error::new(ErrorKind::DataLoss, format!("storage: {object} was not read as it was written")));
        }
        Ok(())
    }
}
