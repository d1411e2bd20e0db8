//! Request bodies and path segments, read with limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use warp::Buf;

use crate::document;
use crate::error::{Error, ErrorKind, Result};

/// More than any request needs.
const BYTES: usize = 16 * 1024;
/// A client that is slower than this is gone.
const TIME: Duration = Duration::from_secs(5);
/// LiveKit's limit for a room's name is configurable; this is beyond it.
const ROOM_BYTES: usize = 256;

/// What follows the headers.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// A body as it comes.
pub fn boxed<B: Buf + Send + 'static>(
    stream: impl Stream<Item = std::result::Result<B, warp::Error>> + Send + 'static,
) -> Body {
    Box::pin(stream.map(|chunk| match chunk {
        Ok(mut chunk) => Ok(chunk.copy_to_bytes(chunk.remaining())),
        Err(e) => Err(Error::invalid("body", format!("cannot be read: {e}"))),
    }))
}

/// The whole body, of at most `limit` bytes.
pub async fn bytes(mut body: Body, limit: usize) -> Result<Vec<u8>> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            if bytes.len() + chunk.len() > limit {
                return Err(Error::invalid("body", format!("longer than {limit} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let slow = |_| Error::new(ErrorKind::DeadlineExceeded, format!("body: not received within {TIME:?}"));
    tokio::time::timeout(TIME, read).await.map_err(slow)?
}

/// A JSON object as what the endpoint takes; `example` is shown when there is none.
pub async fn read<T: DeserializeOwned>(body: Body, example: &str) -> Result<T> {
    let bytes = bytes(body, BYTES).await?;
    if bytes.is_empty() {
        return Err(Error::invalid("body", format!("empty; send JSON such as {example}")));
    }
    let value = document::json("body", &bytes)?;
    if !value.is_object() {
        return Err(Error::invalid("body", format!("not an object; send JSON such as {example}")));
    }
    document::read(value, "")
}

/// The room of this path segment.
pub fn room(segment: &str) -> Result<String> {
    let room = decode(segment).ok_or_else(|| Error::invalid("room", "not percent-encoded UTF-8"))?;
    if room.is_empty() || room.len() > ROOM_BYTES || room.chars().any(char::is_control) {
        return Err(Error::invalid("room", format!("must have 1 to {ROOM_BYTES} bytes and no control characters")));
    }
    Ok(room)
}

/// Percent-decoding (RFC 3986, 2.1); `None` when it is wrong or not UTF-8.
pub fn decode(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn rooms_may_have_any_script_but_no_control_characters() {
        assert_eq!(room("daily").unwrap(), "daily");
        assert_eq!(room("r%C3%A9union%2F1%20a+b").unwrap(), "réunion/1 a+b");
        for wrong in ["", "%00", "a%0Ab", "%", "%2", "%zz", "%ff", &"x".repeat(257)] {
            assert!(room(wrong).unwrap_err().message.starts_with("room: "), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_body_is_one_object_that_says_everything_once() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            days: Option<u32>,
        }
        let read = async |text: &str| {
            let body: Body = Box::pin(futures_util::stream::iter([Ok(Bytes::from(text.to_owned()))]));
            super::read::<Wanted>(body, "{}").await.map(|wanted| wanted.days).map_err(|e| e.message)
        };
        assert_eq!(read(" {\"days\": 3} ").await, Ok(Some(3)));
        assert_eq!(read("{\"days\": null}").await, Ok(None));
        let deep = format!("{{\"days\": {}{}}}", "[".repeat(200), "]".repeat(200));
        for (text, wanted) in [
            ("", "body: empty; send JSON such as {}"),
            ("[]", "body: not an object; send JSON such as {}"),
            ("null", "body: not an object; send JSON such as {}"),
            ("{\"days\": 3", "body: not valid JSON: "),
            (&deep, "body: not valid JSON: recursion limit exceeded"),
            ("{\"days\": 3, \"days\": 4}", "days: it is there twice"),
            ("{\"days\": \"s3cret\"}", "days: expected a whole number from 0 to 4294967295, found a string"),
            ("{\"Days\": 3}", "Days: there is no such field"),
        ] {
            let error = read(text).await.unwrap_err();
            assert!(error.starts_with(wanted) && !error.contains("s3cret"), "{error}");
        }
    }
}
