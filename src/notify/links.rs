//! What others know and letters need: where a recording is watched, where its object is, how a link to it is signed.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::{Error, ErrorKind, Result};
use crate::recording::Recording;

/// Makes a link by which whoever has it may read the object of this key for a while.
pub type Sign = Arc<dyn Fn(&str) -> BoxFuture<'static, Result<String>> + Send + Sync>;

/// Answers from other parts of the sidecar.
#[derive(Clone)]
pub struct Links {
    page: Arc<dyn Fn(&Recording) -> String + Send + Sync>,
    location: Arc<dyn Fn(&str) -> String + Send + Sync>,
    sign: Sign,
}

impl Links {
    /// Pages are `{public_url}/recording/{id}`, locations are keys, and nothing can be signed.
    pub fn new(public_url: &str) -> Self {
        let base = public_url.trim_end_matches('/').to_owned();
        Self {
            page: Arc::new(move |about| format!("{base}/recording/{}", about.id)),
            location: Arc::new(str::to_owned),
            sign: Arc::new(|key| {
                let why = format!("{key}: this storage cannot sign links; use S3, GCS or Azure");
                Box::pin(async move { Err(Error::new(ErrorKind::Unimplemented, why)) })
            }),
        }
    }

    /// With other links to the page, such as signed ones.
    pub fn with_page(self, page: impl Fn(&Recording) -> String + Send + Sync + 'static) -> Self {
        Self { page: Arc::new(page), ..self }
    }

    /// With URLs of objects, by key.
    pub fn with_location(self, location: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { location: Arc::new(location), ..self }
    }

    /// With a storage that signs.
    pub fn with_sign(self, sign: Sign) -> Self {
        Self { sign, ..self }
    }

    /// Where this recording is watched.
    pub fn page(&self, about: &Recording) -> String {
        (self.page)(about)
    }

    /// Where the object of this key is.
    pub fn location(&self, key: &str) -> String {
        (self.location)(key)
    }

    /// A link that opens the object of this key without further ado.
    pub async fn sign(&self, key: &str) -> Result<String> {
        (self.sign)(key).await
    }
}
