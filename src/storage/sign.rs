//! Leave to read one object, for somebody who has no keys: a URL, or headers for nginx.

use std::time::Duration;

use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::Method;
use url::Url;

use super::Storage;
use super::bucket::path;
use super::key::check_path;
use crate::error::{Error, ErrorKind, Result};

/// How long the URL counts of which only the place is used.
const MOMENT: Duration = Duration::from_secs(60);

impl Storage {
    /// A URL under which anybody may read the object for this long. `FailedPrecondition` for a local folder.
    pub async fn sign_get(&self, key: &str, ttl: Duration) -> Result<Url> {
        check_path(key)?;
        let (bucket, key) = (self.remote("a signed URL")?, self.object_key(key));
        let signed = bucket.plain.signed_url(Method::GET, &path(&key)?, ttl).await;
        signed.map_err(|e| bucket.failed("sign a URL of", &key, &e))
    }

    /// The headers by which a `GET` of the object, sent to [`Storage::object_url`], is let through within 15 minutes (AWS
    /// Signature 4): `Authorization`, `X-Amz-Date`, `X-Amz-Content-SHA256`; with temporary keys also `X-Amz-Security-Token`.
    /// Only they and `Host` are signed: `Range` and `If-…` pass. `FailedPrecondition` for all but S3.
    pub async fn authorize_get(&self, key: &str) -> Result<Vec<(&'static str, String)>> {
        check_path(key)?;
        let bucket = self.remote("signed headers")?;
        let Some(s3) = &bucket.s3 else {
            let why = "signed headers: only S3 knows them; configure storage.s3";
            return Err(Error::new(ErrorKind::FailedPrecondition, why));
        };
        let url = self.object_url(key).await?;
        let credential = s3.credentials().get_credential().await.map_err(|e| bucket.failed("sign for", key, &e))?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let internal =
            |e: &dyn std::fmt::Display| Error::new(ErrorKind::Internal, format!("cannot sign for {key}: {e}"));
        *request.uri_mut() = url.as_str().parse().map_err(|e| internal(&e))?;
        let authorizer = AwsAuthorizer::new(&credential, "s3", &bucket.region);
        authorizer.try_authorize(&mut request, None).map_err(|e| internal(&e))?;
        let names = ["Authorization", "X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token"];
        let header = |name: &'static str| Some((name, request.headers().get(name)?.to_str().ok()?.to_owned()));
        Ok(names.into_iter().filter_map(header).collect())
    }

    /// Where the object is, for whoever has leave to read it. `FailedPrecondition` for a local folder.
    pub async fn object_url(&self, key: &str) -> Result<Url> {
        let mut url = self.sign_get(key, MOMENT).await?;
        url.set_query(None);
        Ok(url)
    }
}
