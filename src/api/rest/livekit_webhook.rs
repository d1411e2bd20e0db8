//! `POST /api/v1.0/rooms/webhooks-livekit/`: LiveKit tells what happens in its rooms, signed with its key.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use livekit_api::access_token::TokenVerifier;
use serde_json::json;
use warp::http::header::AUTHORIZATION;
use warp::reply::Response;

use super::livekit_event::Event;
use crate::api::body::{self, Body};
use crate::api::rest::{Ask, refuse};
use crate::api::{Door, Key, reply};
use crate::error::{Error, ErrorKind, Result};

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
    if let Err(error) = verify(&door.key, shown, &bytes) {
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

/// The token is signed by our key, and speaks of this body.
fn verify(key: &Key, token: &str, body: &[u8]) -> Result<()> {
    let wrong = |why: &str| Error::new(ErrorKind::Unauthenticated, format!("Authorization: {why}"));
    let verifier = TokenVerifier::with_api_key(&key.name, key.secret.expose());
    let claims = verifier.verify(token).map_err(|_| wrong("not a token signed by the configured api_key"))?;
    let claimed = BASE64_STANDARD.decode(claims.sha256).unwrap_or_default();
    verify_slices_are_equal(&claimed, digest(&SHA256, body).as_ref())
        .map_err(|_| wrong("the token was signed for another body"))
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::AccessToken;
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    fn signed(secret: &str, body: &[u8]) -> String {
        let hash = BASE64_STANDARD.encode(digest(&SHA256, body).as_ref());
        AccessToken::with_api_key("key", secret).with_sha256(&hash).to_jwt().unwrap()
    }

    proptest! {
        #[test]
        fn only_what_our_key_has_signed_for_this_very_body_is_believed(body: Vec<u8>, other: Vec<u8>, token in ".*") {
            let key = Key { name: "key".into(), secret: Secret::new("secret") };
            prop_assert!(verify(&key, &signed("secret", &body), &body).is_ok());
            for (token, body) in [(token.as_str(), &body), (&signed("another", &body), &body)] {
                prop_assert_eq!(verify(&key, token, body).unwrap_err().kind, ErrorKind::Unauthenticated);
            }
            prop_assert_eq!(verify(&key, &signed("secret", &other), &body).is_ok(), other == body);
        }
    }
}
