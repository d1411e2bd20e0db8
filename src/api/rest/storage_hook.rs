//! `POST /api/v1.0/recordings/storage-hook/`: a storage tells that an object is there. We know that already, for we have stored it
//! ourselves, so an event changes nothing, however often and in whatever order it comes; the answers are the feature's.

use serde_json::json;
use warp::http::HeaderValue;
use warp::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use warp::reply::Response;

use crate::api::auth::{ApiToken, bearer};
use crate::api::body::{self, Body};
use crate::api::rest::storage_event::{self, StorageEvent, StoredObject};
use crate::api::rest::{Call, refuse};
use crate::api::settings::StorageEvents;
use crate::api::{Api, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Outcome, Recording, State};

/// More than any event needs: a key is at most 1 kB, and some storages send several records.
const BYTES: usize = 64 * 1024;

/// 200 when it is about a recording, or about nothing of ours; 401, 403 and 404 as the feature's documents have them.
pub(super) async fn post(api: &Api, call: &Call, body: Body) -> Response {
    if !shows_token(&api.events, call) {
        let error = Error::new(ErrorKind::Unauthenticated, "Authorization: send `Bearer <storage event token>`");
        let mut response = reply::refused(&refuse(api, call, error));
        let realm = HeaderValue::from_static("Bearer realm=\"Storage event API\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, realm);
        return response;
    }
    if !api.events.enabled || !api.enabled {
        return reply::detail(404, "Not found.");
    }
    let bytes = match body::bytes(body, BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => return reply::error(&error),
    };
    match storage_event::read(api.events.parser, &bytes) {
        StorageEvent::Malformed => reply::detail(403, "Invalid request data."),
        StorageEvent::Other => ignored(),
        StorageEvent::Stored(objects) => {
            let answers: Result<Vec<_>> = objects.iter().map(|stored| about(api, stored)).collect();
            match answers {
                Err(error) => reply::error(&error),
                Ok(answers) if answers.contains(&Answer::Processed) => {
                    reply::json(200, &json!({"message": "Event processed."}))
                }
                Ok(_) => ignored(),
            }
        }
    }
}

/// What an object is to us.
#[derive(PartialEq)]
enum Answer {
    Processed,
    Ignored,
}

fn about(api: &Api, stored: &StoredObject) -> Result<Answer> {
    if api.storage.bucket().is_some_and(|bucket| bucket != stored.bucket) {
        return Err(Error::new(ErrorKind::PermissionDenied, "Invalid bucket specified."));
    }
    if !stored.is_media {
        return Ok(Answer::Ignored);
    }
    // The storage knows keys behind its prefix.
    let prefix = api.storage.object_key("");
    for key in stored.keys.iter().filter_map(|key| key.strip_prefix(&prefix)) {
        if let Some(recording) = api.control.with_key(key)? {
            tracing::debug!(recording = %recording.id, key, "the storage says that it is there");
            return if may_have_file(&recording) { Ok(Answer::Processed) } else { Err(no_file(&recording)) };
        }
    }
    if stored.is_in(&api.storage.object_key(&api.policy.output_folder)) {
        return Err(Error::new(ErrorKind::NotFound, "No recording found for this event."));
    }
    Ok(Answer::Ignored)
}

/// Events come before our own upload knows, and again when all is over.
fn may_have_file(recording: &Recording) -> bool {
    match &recording.state {
        State::Starting => false,
        State::Active | State::Ending { .. } | State::Saving { .. } => true,
        State::Ended(outcome) | State::Notified(outcome) | State::Removing { outcome, .. } => {
            Outcome::has_file(outcome)
        }
    }
}

fn no_file(recording: &Recording) -> Error {
    let id = &recording.id;
    let why = format!("Recording with ID {id} cannot be saved because it has not begun or is in an error state.");
    Error::new(ErrorKind::PermissionDenied, why)
}

fn ignored() -> Response {
    reply::json(200, &json!({"message": "Notification ignored."}))
}

fn shows_token(events: &StorageEvents, call: &Call) -> bool {
    // Without a token nothing was requested.
    let Some(token) = &events.token else { return true };
    let shown = call.asker.header(AUTHORIZATION).and_then(bearer);
    shown.is_some_and(|shown| ApiToken::shown(std::slice::from_ref(token), shown).is_some())
}
