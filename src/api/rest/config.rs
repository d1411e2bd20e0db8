//! `GET /api/v1.0/config/`: what clients must know to show the feature. Open to all, as the feature's documents have it.

use serde_json::json;
use warp::reply::Response;

use crate::api::{Api, reply};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// `{"recording": {is_enabled, available_modes, expiration_days, max_duration (ms)}}`.
pub(super) fn get(api: &Api) -> Response {
    let days = api.policy.expires_after.map(|after| after.as_secs() / DAY);
    let milliseconds = api.limits.max_duration.map(|most| most.as_millis() as u64);
    let modes: Vec<_> = api.modes.names().collect();
    reply::json(
        200,
        &json!({"recording": {
            "is_enabled": api.enabled,
            "available_modes": modes,
            "expiration_days": days,
            "max_duration": milliseconds,
        }}),
    )
}
