//! What others know and emails need: where a recording is watched, where its object is, how a link to it is signed.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::{Attempt, Error, ErrorKind, Undelivered};
use crate::recording::Recording;

/// Makes a link by which whoever has it may read this recording's object for a while.
pub type Sign = Arc<dyn Fn(&Recording) -> BoxFuture<'static, Attempt<String>> + Send + Sync>;

/// Answers from other parts of the sidecar.
#[derive(Clone)]
pub struct Links {
    page: Arc<dyn Fn(&Recording) -> String + Send + Sync>,
    sign: Sign,
    host: Option<String>,
}

impl Links {
    /// Pages are `{public_url}/recording/{id}`, and nothing can be signed.
    pub fn new(public_url: &str) -> Self {
        let base = public_url.trim_end_matches('/').to_owned();
        let host = reqwest::Url::parse(&base).ok().and_then(|url| url.host_str().map(str::to_owned));
        Self {
            host,
            page: Arc::new(move |about| format!("{base}/recording/{}", about.id)),
            sign: Arc::new(|about| {
                let why = format!("{}: this storage cannot sign links; use S3, GCS or Azure", about.key);
                Box::pin(async move { Err(Undelivered::Never(Error::new(ErrorKind::Unimplemented, why))) })
            }),
        }
    }

    /// With other links to the page, such as signed ones.
    pub fn with_page(self, page: impl Fn(&Recording) -> String + Send + Sync + 'static) -> Self {
        Self { page: Arc::new(page), ..self }
    }

    /// With a storage that signs.
    pub fn with_sign(self, sign: Sign) -> Self {
        Self { sign, ..self }
    }

    /// The host of `public_url`.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Where this recording is watched.
    pub fn page(&self, about: &Recording) -> String {
        (self.page)(about)
    }

    /// A link that opens this recording's object without further ado.
    pub async fn sign(&self, about: &Recording) -> Attempt<String> {
        (self.sign)(about).await
    }
}
