//! `POST /api/v1.0/rooms/{room}/start-recording/` and `…/stop-recording/`.

use serde_json::json;
use warp::reply::Response;

use crate::api::auth::Caller;
use crate::api::body::{self, Body};
use crate::api::dto::RestStatus;
use crate::api::rest::start::{EXAMPLE, StartBody};
use crate::api::rest::{Call, enabled};
use crate::api::{Api, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{self, Limits, Outcome, Recording, Request};

/// Starts a recording: 201 once media flows; 400, 409, 502 with the reason, or 503 when the machine is
/// full. Repeated with the same idempotency key it is the
/// same start.
pub(super) async fn start(api: &Api, caller: &Caller, call: &Call, body: Body) -> Result<Response> {
    let room = body::room(&call.segment)?;
    caller.enter(&room)?;
    enabled(api)?;
    let header = call.asker.headers.get("idempotency-key").map(|value| value.to_str().unwrap_or_default());
    let start = StartBody::read(body::read(body, EXAMPLE).await?)?.with_idempotency_key(header)?;
    if let Some(mode) = &start.options.original_mode {
        api.modes.of(mode).map_err(|e| e.at("options.original_mode"))?;
    }
    let output = api.modes.of(&start.mode)?.output(&start.encoding, "options.")?;
    start.check_key(output.container())?;
    let limits = limits(api.limits, &start)?;
    let request = Request { room: room.clone(), output, limits };
    let wanted = recording::Start::new(start.mode.clone(), request, start.options.clone());
    let recording = api
        .control
        .start(recording::Start { caller_room: caller.room.clone(), ..wanted })
        .await
        .map_err(|e| if e.kind == ErrorKind::Unavailable { failed(&room, &e.message) } else { e })?;
    if recording.mode != start.mode || recording.options != start.options {
        let why = "Idempotency-Key: another request was made with it";
        return Err(Error::new(ErrorKind::FailedPrecondition, why));
    }
    if let Some(why) = never_began(&recording) {
        return Err(failed(&room, &why));
    }
    let message = format!("Recording successfully started for room {room}");
    let (id, status) = (recording.id.as_str(), RestStatus::of(&recording).name());
    Ok(reply::json(201, &json!({"message": message, "id": id, "mode": recording.mode, "status": status})))
}

/// Stops the room's recording: 200 at once, the file follows; 404 when there is none.
pub(super) async fn stop(api: &Api, caller: &Caller, call: &Call) -> Result<Response> {
    let room = body::room(&call.segment)?;
    caller.enter(&room)?;
    enabled(api)?;
    let recording = api.control.stop(&room).await?;
    let (id, status) = (recording.id.as_str(), RestStatus::of(&recording).name());
    Ok(reply::json(200, &json!({"message": format!("Recording stopped for room {room}."), "id": id, "status": status})))
}

fn failed(room: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("Recording failed to start for room {room}: {why}"))
}

/// Why a start that is repeated had failed.
fn never_began(recording: &Recording) -> Option<String> {
    let outcome = recording.state.outcome().filter(|_| recording.started_at.is_none())?;
    outcome.failure().map(ToString::to_string).or_else(|| match outcome {
        Outcome::Aborted(reason) => Some(reason.to_string()),
        Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::CutShort(_) | Outcome::Failed(_) => None,
    })
}

/// A request may ask for less than everybody gets, not for more.
fn limits(usual: Limits, start: &StartBody) -> Result<Limits> {
    match (start.max_duration, usual.max_duration) {
        (Some(requested), Some(most)) if requested > most => {
            let (requested, most) = (requested.as_secs(), most.as_secs());
            Err(Error::invalid(
                "options.max_duration",
                format!("{requested} is more than the configured {most} seconds"),
            ))
        }
        (requested, usual_one) => Ok(Limits { max_duration: requested.or(usual_one), ..usual }),
    }
}
