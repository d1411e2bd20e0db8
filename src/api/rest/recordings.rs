//! `GET /api/v1.0/recordings/`, and GET, DELETE and a layout of `/api/v1.0/recordings/{id}/`.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use warp::http::header::HOST;
use warp::reply::Response;

use crate::api::auth::{Caller, Scope};
use crate::api::body::{self, Body};
use crate::api::dto::{Item, PageItem, View};
use crate::api::rest::{Call, enabled, no_content, not_found};
use crate::api::{Api, reply};
use crate::control::{Page, Progress};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Recording, State, layout_named};

/// Recordings of a page unless asked otherwise.
const PAGE: usize = 20;
/// And at most.
pub(super) const PAGE_MAX: usize = 100;

/// Newest first: `{count, next, previous, results}`; 404 for a page that is not there. `?room=` is one room's.
pub(super) async fn list(api: &Api, caller: &Caller, call: &Call) -> Result<Response> {
    let query: HashMap<_, _> = url::form_urlencoded::parse(call.query.as_bytes()).collect();
    let number = |name: &str, default: usize| match query.get(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|n| *n > 0).ok_or_else(|| Error::invalid(name, "not a number from 1")),
    };
    let (number, size) = (number("page", 1)?, number("page_size", PAGE)?.min(PAGE_MAX));
    let skip = (number - 1).saturating_mul(size);
    let requested = query.get("room").map(|room| room.to_string());
    if let Some(room) = &requested {
        caller.enter(room)?;
    }
    let room = requested.as_ref().or(caller.room.as_ref());
    let Page { count, recordings } = api.control.page(room.map(String::as_str), skip, size).await?;
    if recordings.is_empty() && number > 1 {
        return Err(Error::new(ErrorKind::NotFound, "Invalid page."));
    }
    // While shutting down there are no figures any more; the list is still good.
    let progress = api.control.progress().await.unwrap_or_default();
    let host = call.asker.header(HOST).unwrap_or("localhost");
    let base = api.public_url.clone().unwrap_or_else(|| format!("http://{host}"));
    let filter = requested
        .map(|room| url::form_urlencoded::Serializer::new(String::from("&")).append_pair("room", &room).finish());
    let filter = filter.unwrap_or_default();
    let address = |page: usize| format!("{base}/api/v1.0/recordings/?page={page}&page_size={size}{filter}");
    let shown = recordings.iter().filter(|recording| !is_going(recording));
    let body = PageItem {
        count,
        next: (skip.saturating_add(size) < count).then(|| address(number + 1)),
        previous: (number > 1).then(|| address(number - 1)),
        results: shown.map(|recording| item(api, caller, recording, &progress)).collect(),
    };
    Ok(reply::json(200, &body))
}

/// One recording; 404 when there is none of this id.
pub(super) async fn get(api: &Api, caller: &Caller, call: &Call) -> Result<Response> {
    let recording = find(api, caller, &call.segment)?;
    Ok(shown(api, caller, &recording).await)
}

/// Removes it with its object, which `?object=keep` leaves: 204; 403 while it has not ended.
pub(super) async fn delete(api: &Api, caller: &Caller, call: &Call) -> Result<Response> {
    let query: HashMap<_, _> = url::form_urlencoded::parse(call.query.as_bytes()).collect();
    let object = match query.get("object").map(AsRef::as_ref) {
        None | Some("delete") => true,
        Some("keep") => false,
        Some(_) => return Err(Error::invalid("object", "use keep, or leave it out")),
    };
    let recording = find(api, caller, &call.segment)?;
    api.control.delete(&recording.id, object).await?;
    Ok(no_content())
}

/// The body of a request for another layout.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    layout: Option<String>,
}

/// Shows it in another layout from now on: 200; 409 when it does not run.
pub(super) async fn layout(api: &Api, caller: &Caller, call: &Call, body: Body) -> Result<Response> {
    let recording = find(api, caller, &call.segment)?;
    enabled(api)?;
    let wanted: Wanted = body::read(body, "{\"layout\": \"grid\"}").await?;
    let name = wanted.layout.ok_or_else(|| Error::invalid("layout", "missing; send {\"layout\": \"grid\"}"))?;
    let recording = api.control.set_layout(&recording.id, layout_named("layout", &name)?).await?;
    Ok(shown(api, caller, &recording).await)
}

/// The recording of this id, if the caller may see it; others and what is about to be gone look as if they were not there.
pub(super) fn find(api: &Api, caller: &Caller, segment: &str) -> Result<Recording> {
    let id = body::decode(segment).ok_or_else(not_found)?;
    let found = api.control.get(&RecordingId::new(id));
    let recording = found.map_err(|e| if e.kind == ErrorKind::NotFound { not_found() } else { e })?;
    if is_going(&recording) || !caller.may_enter(&recording.request.room) {
        return Err(not_found());
    }
    Ok(recording)
}

/// Somebody asked to have it removed.
pub(super) fn is_going(recording: &Recording) -> bool {
    match recording.state {
        State::Removing { .. } => true,
        State::Starting
        | State::Active
        | State::Ending { .. }
        | State::Saving { .. }
        | State::Ended(_)
        | State::Notified(_) => false,
    }
}

async fn shown(api: &Api, caller: &Caller, recording: &Recording) -> Response {
    let progress = api.control.progress().await.unwrap_or_default();
    reply::json(200, &item(api, caller, recording, &progress))
}

fn item(api: &Api, caller: &Caller, recording: &Recording, progress: &HashMap<RecordingId, Progress>) -> Item {
    let owner = caller.scopes.allow(Scope::Admin);
    let view = View { public_url: api.public_url.as_deref(), owner, now: Timestamp::now() };
    let file = api.storage_of(recording).ok().and_then(|storage| storage.local_path(&recording.key));
    Item::of(recording, file, progress.get(&recording.id), &view)
}
