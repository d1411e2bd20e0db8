//! `POST /api/v1.0/rooms/webhooks-livekit/`: LiveKit tells what happens in its rooms, signed with its key.

use serde_json::json;
use warp::http::header::AUTHORIZATION;
use warp::reply::Response;

use super::livekit_event::Event;
use crate::api::body::{self, Body};
use crate::api::rest::{Call, refuse};
use crate::api::{Api, reply};
use crate::livekit::webhook;

/// Rooms and participants carry metadata.
const BYTES: usize = 512 * 1024;

/// 200 whatever it tells; 401 when it is not signed by our key.
pub(super) async fn post(api: &Api, call: &Call, body: Body) -> Response {
    let bytes = match body::bytes(body, BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => return reply::error(&error),
    };
    // LiveKit shows the bare token; others write it as usual.
    let shown = call.asker.header(AUTHORIZATION).unwrap_or_default();
    let shown = shown.strip_prefix("Bearer ").unwrap_or(shown);
    if let Err(error) = webhook::verify(&api.key.name, &api.key.secret, shown, &bytes) {
        return reply::refused(&refuse(api, call, error));
    }
    let event = match Event::read(&bytes) {
        Ok(event) => event,
        Err(error) => return reply::error(&error),
    };
    tracing::debug!(event = event.name, room = event.room, "LiveKit webhook received");
    if event.name == "room_finished" && !event.room.is_empty() {
        finished(api, &event.room, event.created_at).await;
    }
    reply::json(200, &json!({"status": "success"}))
}

/// Ends the room's recording, unless it is a later one: events may come late, and rooms come back under the same name.
async fn finished(api: &Api, room: &str, at: Option<i64>) {
    let running = api.control.progress().await.unwrap_or_default();
    let recordings = running.keys().filter_map(|id| api.control.get(id).ok());
    let mut of_room = recordings.filter(|recording| recording.request.room == room);
    let is_older = |created: i64| at.is_none_or(|at| created <= at);
    if of_room.any(|recording| is_older(recording.created_at.as_second())) {
        api.control.room_closed(room, "the room was finished").await;
    }
}
