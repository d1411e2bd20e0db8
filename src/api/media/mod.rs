//! `GET`/`HEAD /recording/{id}/media`: the file itself, in parts (RFC 9110, 14), so that players seek without fetching all of it.

mod filename;
mod range;

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use warp::Filter as _;
use warp::Reply as _;
use warp::filters::BoxedFilter;
use warp::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use warp::http::{HeaderValue, Method, StatusCode};
use warp::reply::Response;

use crate::api::auth::{Asker, Sight, asker, sight};
use crate::api::phase::Phase;
use crate::api::reply::{fetched, secured};
use crate::api::{Api, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::Recording;
use crate::storage::Storage;
use range::{RangeDecision, RangeRequest};

/// Chunks that wait for a slow client.
const WAITING: usize = 4;

/// `?s=`: the token of a share link; `?download=1`: to be saved rather than shown.
type Query = HashMap<String, String>;

/// 200, 206, 304, 401, 404 (no such recording, or no file of it now) or 416.
pub fn media(api: &Api) -> BoxedFilter<(Response,)> {
    let api = api.clone();
    warp::path!("recording" / String / "media")
        .and(fetched())
        .and(warp::method())
        .and(asker())
        .and(warp::query::<Query>())
        .then(move |id: String, method: Method, asker: Asker, query: Query| {
            let api = api.clone();
            async move { secured(reply::of(answer(&api, &RecordingId::new(id), &method, &asker, &query).await)) }
        })
        .boxed()
}

async fn answer(api: &Api, id: &RecordingId, method: &Method, asker: &Asker, query: &Query) -> Result<Response> {
    let now = Timestamp::now();
    let recording = match sight(api, asker, id, query.get("s").map(String::as_str), now)? {
        Sight::Seen(recording, _) => recording,
        Sight::Nothing => return Err(missing("Not found.")),
        Sight::Wait(refused) => return Ok(reply::refused(&refused)),
        Sight::Refused("denied") => return Err(Error::new(ErrorKind::PermissionDenied, "You may not see this.")),
        Sight::Refused(_) => {
            return Err(Error::new(ErrorKind::Unauthenticated, "This link or token is not accepted."));
        }
    };
    let phase = Phase::of(&recording, now);
    if phase != Phase::Ready {
        return Err(missing(&format!("There is no file to see: {}.", phase.name())));
    }
    let bytes = size(&api.storage_of(&recording)?, &recording).await?;
    // What is stored is never changed.
    let etag = format!("\"{id}-{bytes:x}\"");
    let text = |name: HeaderName| asker.header(name);
    // Ranges are defined for GET alone.
    let range = text(RANGE).filter(|_| *method == Method::GET);
    let requested = RangeRequest { range, if_range: text(IF_RANGE), if_none_match: text(IF_NONE_MATCH) };
    let (status, wanted) = match requested.decide(bytes, &etag) {
        RangeDecision::Whole => (StatusCode::OK, 0..bytes),
        RangeDecision::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        RangeDecision::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        RangeDecision::Unchanged => (StatusCode::NOT_MODIFIED, 0..0),
    };
    let mut response = if *method == Method::HEAD || wanted.is_empty() {
        Response::default()
    } else {
        warp::reply::stream(body(&api.storage_of(&recording)?, &recording, wanted.clone()).await?).into_response()
    };
    *response.status_mut() = status;
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(ETAG, &etag);
    set(ACCEPT_RANGES, "bytes");
    // Whoever fetches it again asks whether he still may.
    set(CACHE_CONTROL, "private, no-cache");
    if status == StatusCode::PARTIAL_CONTENT {
        set(CONTENT_RANGE, &format!("bytes {}-{}/{bytes}", wanted.start, wanted.end - 1));
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        set(CONTENT_RANGE, &format!("bytes */{bytes}"));
    }
    if status.is_success() {
        set(CONTENT_LENGTH, &(wanted.end - wanted.start).to_string());
        set(CONTENT_TYPE, recording.content_type());
        let kind = if query.get("download").is_some_and(|value| value != "0") { "attachment" } else { "inline" };
        set(CONTENT_DISPOSITION, &filename::disposition(kind, &name(&recording)));
    }
    Ok(response)
}

/// The day is the owner's, where he is known.
fn name(recording: &Recording) -> String {
    let zone = recording.options.owner.as_ref().and_then(|owner| owner.time_zone.as_deref());
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let at = recording.started_at.unwrap_or(recording.created_at).to_zoned(zone);
    filename::filename(&recording.request.room, at.date(), recording.extension())
}

/// The stored file's length.
async fn size(storage: &Storage, recording: &Recording) -> Result<u64> {
    let head = storage.head(&recording.key).await.map_err(|e| lost(recording, e))?;
    Ok(head.ok_or_else(|| lost(recording, missing("nothing is there")))?.bytes)
}

/// These bytes of the stored file, chunk by chunk.
async fn body(
    storage: &Storage,
    recording: &Recording,
    range: Range<u64>,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + Sync + 'static + use<>> {
    let mut content = storage.get_range(&recording.key, range).await.map_err(|e| lost(recording, e))?;
    let (sender, mut chunks) = mpsc::channel(WAITING);
    // warp wants a stream that threads can share, which a store's is not. The task ends with either side.
    tokio::spawn(async move {
        while let Some(chunk) = content.stream.next().await {
            let failed = chunk.is_err();
            if sender.send(chunk).await.is_err() || failed {
                break;
            }
        }
    });
    Ok(futures_util::stream::poll_fn(move |context| chunks.poll_recv(context)))
}

fn missing(why: &str) -> Error {
    Error::new(ErrorKind::NotFound, why)
}

/// What is missing is said so; a store that does not answer is another thing.
fn lost(recording: &Recording, e: Error) -> Error {
    tracing::warn!(recording = %recording.id, key = recording.key, "the stored file cannot be read: {e}");
    if e.kind == ErrorKind::NotFound {
        missing("The file is no longer in its storage.")
    } else {
        Error::new(ErrorKind::Unavailable, "The storage does not answer; try again.")
    }
}
