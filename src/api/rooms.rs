//! `POST /api/v1.0/rooms/{room}/start-recording/` and `…/stop-recording/`.

use futures_util::Stream;
use serde_json::json;
use warp::filters::BoxedFilter;
use warp::http::HeaderMap;
use warp::reply::Response;
use warp::{Buf, Filter as _};

use crate::api::dto::{Start, Status};
use crate::api::{Door, body, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Limits, Request};

/// Starts a recording: 201 once media flows; 400, 409, or 502 with the reason.
pub fn start(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    warp::path!("api" / "v1.0" / "rooms" / String / "start-recording")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |room: String, headers: HeaderMap, body| {
            let door = door.clone();
            async move { reply::of(started(&door, &room, &headers, body).await) }
        })
        .boxed()
}

/// Stops the room's recording: 200 at once, the file follows; 404 when there is none.
pub fn stop(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    warp::path!("api" / "v1.0" / "rooms" / String / "stop-recording")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .then(move |room: String, headers: HeaderMap| {
            let door = door.clone();
            async move { reply::of(stopped(&door, &room, &headers).await) }
        })
        .boxed()
}

async fn started<B: Buf>(
    door: &Door,
    room: &str,
    headers: &HeaderMap,
    body: impl Stream<Item = std::result::Result<B, warp::Error>>,
) -> Result<Response> {
    door.guard.check(headers)?;
    let room = body::room(room)?;
    let Start { mode, encoding, options } = Start::read(body::fields(body).await?)?;
    let output = door.modes.of(&mode)?.output(&encoding, "options.")?;
    let request = Request { room: room.clone(), output, limits: Limits::default() };
    let recording = door.control.record(mode, request, options).await.map_err(|e| {
        if e.kind != ErrorKind::Unavailable {
            return e;
        }
        Error::new(e.kind, format!("Recording failed to start for room {room}: {}", e.message))
    })?;
    let message = format!("Recording successfully started for room {room}");
    let (id, status) = (recording.id.as_str(), Status::of(&recording).name());
    Ok(reply::json(201, &json!({"message": message, "id": id, "mode": recording.mode, "status": status})))
}

async fn stopped(door: &Door, room: &str, headers: &HeaderMap) -> Result<Response> {
    door.guard.check(headers)?;
    let room = body::room(room)?;
    let recording = door.control.stop(&room).await?;
    let (id, status) = (recording.id.as_str(), Status::of(&recording).name());
    Ok(reply::json(200, &json!({"message": format!("Recording stopped for room {room}."), "id": id, "status": status})))
}
