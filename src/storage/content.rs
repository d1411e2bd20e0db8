//! What a store says of an object, and the object itself as it comes.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::error::Result;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its size.
    pub bytes: u64,
    /// The store's name for this content, when it has one.
    pub etag: Option<String>,
}

/// A part of an object.
pub struct Content {
    /// The bytes, as they come.
    pub stream: BoxStream<'static, Result<Bytes>>,
    /// Which ones.
    pub range: Range<u64>,
    /// The size of the whole object.
    pub bytes: u64,
    /// Its media type, such as `video/mp4`.
    pub content_type: String,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream: _, range, bytes, content_type } = self;
        f.debug_struct("Content")
            .field("range", range)
            .field("bytes", bytes)
            .field("content_type", content_type)
            .finish_non_exhaustive()
    }
}
