//! `POST /api/v1.0/rooms/webhooks-livekit/`: LiveKit tells what happens in its rooms, signed with its key.

use serde_json::json;
use warp::http::header::AUTHORIZATION;
use warp::reply::Response;

use super::livekit_event::Event;
use crate::api::body::{self, Body};
use crate::api::rest::{Ask, refuse};
use crate::api::{Door, reply};
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
    let event = match Event::read(&bytes) {
        Ok(event) => event,
        Err(error) => return reply::error(&error),
    };
    tracing::debug!(event = event.name, room = event.room, "LiveKit tells");
    if event.name == "room_finished" && !event.room.is_empty() {
        finished(door, &event.room, event.created_at).await;
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
