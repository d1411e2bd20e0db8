//! `POST` and `DELETE /api/v1.0/recordings/{id}/share/`: makes a share link, and takes all of them back.

use futures_util::Stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;
use warp::{Buf, Filter as _};

use crate::api::share::Sharer;
use crate::api::{Door, body, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;

/// How long a link is good unless it is said.
const DAYS: u32 = 30;
/// And at most.
const DAYS_MAX: u32 = 366;

/// `{"expires_in_days": n}` → 201 `{"url", "expires_at"}`. A link never outlives its recording.
pub fn share(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    warp::path!("api" / "v1.0" / "recordings" / String / "share")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |id: String, headers: HeaderMap, body| {
            let door = door.clone();
            async move { reply::of(shared(&door, id, &headers, body).await) }
        })
        .boxed()
}

/// 204: no link given so far opens anything any more.
pub fn revoke(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    warp::path!("api" / "v1.0" / "recordings" / String / "share")
        .and(warp::delete())
        .and(warp::header::headers_cloned())
        .then(move |id: String, headers: HeaderMap| {
            let door = door.clone();
            async move { reply::of(revoked(&door, id, &headers).await) }
        })
        .boxed()
}

async fn shared<B: Buf>(
    door: &Door,
    id: String,
    headers: &HeaderMap,
    body: impl Stream<Item = std::result::Result<B, warp::Error>>,
) -> Result<Response> {
    door.guard.check(headers)?;
    let mut fields = body::fields(body).await?;
    let days = fields.number("expires_in_days")?.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        let why = format!("{days} is out of range; use 1 to {DAYS_MAX} days");
        return Err(Error::invalid("expires_in_days", why));
    }
    if let Some(unknown) = fields.left().first() {
        return Err(Error::invalid(unknown, "there is no such field"));
    }
    let recording = door.control.get(&RecordingId::new(id)).map_err(not_found)?;
    let (now, ttl) = (Timestamp::now(), SignedDuration::from_hours(i64::from(days) * 24));
    let end = Sharer::end(&recording, now, ttl);
    // Whole seconds, as the link has them.
    let expires_at = Timestamp::from_second(end.as_second()).unwrap_or(end).to_string();
    let url = door.sharer.url(&recording, now, ttl);
    Ok(reply::json(201, &json!({"url": url, "expires_at": expires_at})))
}

async fn revoked(door: &Door, id: String, headers: &HeaderMap) -> Result<Response> {
    door.guard.check(headers)?;
    door.control.revoke_shares(&RecordingId::new(id)).await.map_err(not_found)?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn not_found(e: Error) -> Error {
    if e.kind == ErrorKind::NotFound { Error::new(e.kind, "Not found.") } else { e }
}
