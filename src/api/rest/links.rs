//! `POST` and `DELETE /api/v1.0/recordings/{id}/share/`: makes a share link, and takes all of them back.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use warp::reply::Response;

use crate::api::auth::Caller;
use crate::api::body::{self, Body};
use crate::api::rest::recordings::find;
use crate::api::rest::{Call, no_content};
use crate::api::share::Sharer;
use crate::api::{Api, reply};
use crate::error::{Error, Result};

/// How long a link is good unless it is said.
pub const DAYS: u32 = 30;
/// And at most.
pub(super) const DAYS_MAX: u32 = 366;

/// The body of a request for a link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    expires_in_days: Option<u32>,
}

/// `{"expires_in_days": n}` → 201 `{"url", "expires_at"}`. A link never outlives its recording.
pub(super) async fn share(api: &Api, caller: &Caller, call: &Call, body: Body) -> Result<Response> {
    let recording = find(api, caller, &call.segment)?;
    let wanted: Wanted = body::read(body, "{\"expires_in_days\": 30}").await?;
    let days = wanted.expires_in_days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        let why = format!("{days} is out of range; use 1 to {DAYS_MAX} days");
        return Err(Error::invalid("expires_in_days", why));
    }
    let (now, ttl) = (Timestamp::now(), SignedDuration::from_hours(i64::from(days) * 24));
    let end = Sharer::end(&recording, now, ttl);
    // Whole seconds, as the link has them.
    let expires_at = Timestamp::from_second(end.as_second()).unwrap_or(end).to_string();
    let url = api.sharer.url(&recording, now, ttl);
    Ok(reply::json(201, &json!({"url": url, "expires_at": expires_at})))
}

/// 204: no link given so far opens anything any more.
pub(super) async fn revoke(api: &Api, caller: &Caller, call: &Call) -> Result<Response> {
    let recording = find(api, caller, &call.segment)?;
    api.control.revoke_shares(&recording.id).await?;
    Ok(no_content())
}
