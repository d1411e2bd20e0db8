//! `POST /api/v1.0/rooms/webhooks-livekit/`: LiveKit tells what happens in its rooms, signed with its key.

use serde_json::{Value, json};
use warp::http::header::AUTHORIZATION;
use warp::reply::Response;

use crate::api::body::{self, Body};
use crate::api::rest::{Ask, refuse};
use crate::api::{Door, reply};
use crate::error::Error;
use crate::livekit::webhook;

/// Rooms and participants carry metadata.
const BYTES: usize = 512 * 1024;

/// 200 whatever it tells; 401 when it is not signed by our key.
pub(super) async fn post(door: &Door, ask: &Ask, body: Body) -> Response {
    let bytes = match body::bytes(body, BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => return reply::error(&error),
    };
    // LiveKit shows the bare token; others write it as usual.
    let shown = ask.asker.header(AUTHORIZATION).unwrap_or_default();
    let shown = shown.strip_prefix("Bearer ").unwrap_or(shown);
    if let Err(error) = webhook::verify(&door.key.name, &door.key.secret, shown, &bytes) {
        return reply::refused(&refuse(door, ask, error));
    }
    let event: Value = match serde_json::from_slice(&bytes) {
        Ok(event) => event,
        Err(e) => return reply::error(&Error::invalid("body", format!("not valid JSON: {e}"))),
    };
    let (name, room) =
        (event["event"].as_str().unwrap_or_default(), event["room"]["name"].as_str().unwrap_or_default());
    tracing::debug!(event = name, room, "LiveKit tells");
    if name == "room_finished" && !room.is_empty() {
        finished(door, room, created_at(&event)).await;
    }
    reply::json(200, &json!({"status": "success"}))
}

/// Ends the room's recording, unless it is a later one: events may come late, and rooms come back under the same name.
async fn finished(door: &Door, room: &str, at: Option<i64>) {
    let running = door.control.progress().await.unwrap_or_default();
    let recordings = running.keys().filter_map(|id| door.control.get(id).ok());
    let mut of_room = recordings.filter(|recording| recording.request.room == room);
    let is_older = |created: i64| at.is_none_or(|at| created <= at);
    if of_room.any(|recording| is_older(recording.created_at.as_second())) {
        door.control.room_closed(room, "the room was finished").await;
    }
}

/// When it happened, in seconds since 1970. Protobuf's JSON writes large numbers as text.
fn created_at(event: &Value) -> Option<i64> {
    let at = &event["createdAt"];
    at.as_i64().or_else(|| at.as_str()?.parse().ok()).filter(|at| *at > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_time_of_an_event_panics(text in ".*", number: i64) {
            let _ = created_at(&json!({"createdAt": text}));
            let _ = created_at(&json!({"createdAt": number}));
            prop_assert_eq!(created_at(&json!({"createdAt": number.to_string()})), Some(number).filter(|at| *at > 0));
        }
    }
}
