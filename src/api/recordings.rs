//! `GET /api/v1.0/recordings/` and `GET /api/v1.0/recordings/{id}/`.

use std::collections::HashMap;

use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::HeaderMap;
use warp::http::header::HOST;
use warp::reply::Response;

use crate::api::dto::{Item, PageItem};
use crate::api::{Door, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;

/// Recordings of a page unless asked otherwise.
const PAGE: usize = 20;
/// And at most.
const PAGE_MAX: usize = 100;

/// What was asked: `?page=` from 1, `?page_size=`.
type Query = HashMap<String, String>;

/// Newest first: `{count, next, previous, results}`; 404 for a page that is not there.
pub fn list(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    warp::path!("api" / "v1.0" / "recordings")
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(warp::query::<Query>())
        .then(move |headers: HeaderMap, query: Query| {
            let door = door.clone();
            async move { reply::of(page(&door, &headers, &query).await) }
        })
        .boxed()
}

/// One recording; 404 when there is none of this id.
pub fn get(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    warp::path!("api" / "v1.0" / "recordings" / String)
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .then(move |id: String, headers: HeaderMap| {
            let door = door.clone();
            async move { reply::of(one(&door, &headers, id).await) }
        })
        .boxed()
}

async fn page(door: &Door, headers: &HeaderMap, query: &Query) -> Result<Response> {
    door.guard.check(headers)?;
    let number = |name: &str, default: usize| match query.get(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|n| *n > 0).ok_or_else(|| Error::invalid(name, "not a number from 1")),
    };
    let (number, size) = (number("page", 1)?, number("page_size", PAGE)?.min(PAGE_MAX));
    let skip = (number - 1).saturating_mul(size);
    let page = door.control.list(skip, size)?;
    if page.recordings.is_empty() && number > 1 {
        return Err(Error::new(ErrorKind::NotFound, "Invalid page."));
    }
    // While shutting down there are no figures any more; the list is still good.
    let progress = door.control.progress().await.unwrap_or_default();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let address = |page: usize| format!("http://{host}/api/v1.0/recordings/?page={page}&page_size={size}");
    let item = |recording| Item::of(recording, door.storage.local_path(&recording.key), progress.get(&recording.id));
    let body = PageItem {
        count: page.count,
        next: (skip + size < page.count).then(|| address(number + 1)),
        previous: (number > 1).then(|| address(number - 1)),
        results: page.recordings.iter().map(item).collect(),
    };
    Ok(reply::json(200, &body))
}

async fn one(door: &Door, headers: &HeaderMap, id: String) -> Result<Response> {
    door.guard.check(headers)?;
    let recording = door
        .control
        .get(&RecordingId::new(id))
        .map_err(|e| if e.kind == ErrorKind::NotFound { Error::new(e.kind, "Not found.") } else { e })?;
    let progress = door.control.progress().await.unwrap_or_default();
    let item = Item::of(&recording, door.storage.local_path(&recording.key), progress.get(&recording.id));
    Ok(reply::json(200, &item))
}
