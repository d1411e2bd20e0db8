//! Which parts an S3 store has of an upload, by its own word (`ListParts`), which the library does not ask for.

use std::time::Duration;

use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use url::Url;

use super::Storage;
use super::key::check_path;
use super::multipart::bare;
use crate::error::{Error, ErrorKind, Result, chain};

/// A list is short, or not worth waiting for.
const WAIT: Duration = Duration::from_secs(60);

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its place, from 0.
    pub index: u32,
    /// Bytes.
    pub bytes: u64,
    /// The store's name for it.
    pub id: String,
}

impl Storage {
    /// The parts of this upload. `Unimplemented` for all but S3, `NotFound` when the store does not know the upload (any more),
    /// `PermissionDenied` without `s3:ListMultipartUploadParts`.
    pub async fn parts_of(&self, key: &str, upload: &str) -> Result<Vec<StoredPart>> {
        check_path(key)?;
        let bucket = self.remote("parts")?;
        let (Some(s3), Some(client)) = (&bucket.s3, &bucket.client) else {
            return Err(Error::new(ErrorKind::Unimplemented, "storage: only S3 says which parts it has"));
        };
        let (object, place) = (self.object_key(key), self.object_url(key).await?);
        let internal =
            |e: &dyn std::fmt::Display| Error::new(ErrorKind::Internal, format!("cannot list parts of {key}: {e}"));
        let (mut parts, mut after) = (Vec::new(), 0);
        loop {
            let url = with_query(place.clone(), bare(upload), after);
            let credential =
                s3.credentials().get_credential().await.map_err(|e| bucket.failed("sign for", &object, &e))?;
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            *request.uri_mut() = url.as_str().parse().map_err(|e| internal(&e))?;
            let authorizer = AwsAuthorizer::new(&credential, "s3", &bucket.region);
            authorizer.try_authorize(&mut request, None).map_err(|e| internal(&e))?;
            let answer = client.get(url).timeout(WAIT).headers(request.headers().clone()).send().await;
            let answer = answer.map_err(|e| bucket.explained("list parts of", &object, &chain(&e.without_url())))?;
            let status = answer.status();
            let text = answer.text().await;
            let text = text.map_err(|e| bucket.explained("list parts of", &object, &chain(&e.without_url())))?;
            if !status.is_success() {
                return Err(bucket.explained("list parts of", &object, &format!("status code: {status} - {text}")));
            }
            let page = read(&text);
            let last = page.last().map(|part| part.index + 1);
            parts.extend(page);
            match last.filter(|last| *last > after && text.contains("<IsTruncated>true</IsTruncated>")) {
                Some(last) => after = last,
                None => return Ok(parts),
            }
        }
    }
}

fn with_query(mut url: Url, upload: &str, after: u32) -> Url {
    let mut query = url.query_pairs_mut();
    if after > 0 {
        query.append_pair("part-number-marker", &after.to_string());
    }
    query.append_pair("uploadId", upload);
    drop(query);
    url
}

/// The parts of an answer; what is none is left out.
fn read(answer: &str) -> Vec<StoredPart> {
    let part = |text: &str| {
        let within = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner)
        };
        let id = within("ETag")?.replace("&quot;", "\"").replace("&#34;", "\"");
        let index = within("PartNumber")?.parse::<u32>().ok()?.checked_sub(1)?;
        Some(StoredPart { index, bytes: within("Size")?.parse().ok()?, id })
    };
    answer.split("<Part>").skip(1).filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_of_its_parts_is_read() {
        let answer = "<?xml version=\"1.0\"?><ListPartsResult><IsTruncated>false</IsTruncated>\
            <Part><PartNumber>1</PartNumber><ETag>&quot;a1&quot;</ETag><Size>5242880</Size></Part>\
            <Part><ETag>\"b2\"</ETag><PartNumber>2</PartNumber><Size>7</Size></Part>\
            <Part><PartNumber>0</PartNumber><ETag>x</ETag><Size>7</Size></Part><Part>\
            </ListPartsResult>";
        let part = |index, bytes, id: &str| StoredPart { index, bytes, id: id.to_owned() };
        assert_eq!(read(answer), [part(0, 5 << 20, "\"a1\""), part(1, 7, "\"b2\"")]);
        assert_eq!(read("<html>"), []);
        let url = with_query(Url::parse("http://h/b/k").unwrap(), "a+b=", 1000);
        assert_eq!(url.as_str(), "http://h/b/k?part-number-marker=1000&uploadId=a%2Bb%3D");
    }
}
