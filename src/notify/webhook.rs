//! A signed webhook in LiveKit's shape, so that whoever understands LiveKit's server understands us.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_protocol::WebhookEvent;

use super::settings::Key;
use crate::egress::proto;
use crate::error::{Attempt, Error, ErrorKind};
use crate::http;
use crate::livekit;
use crate::recording::{Event, Recording};

/// Posts it once. What LiveKit has no event for is not posted.
pub(super) async fn post(
    web: &reqwest::Client,
    url: &str,
    key: &Key,
    event: Event,
    about: &Recording,
    location: &str,
) -> Attempt {
    let Some(event) = webhook(event, about, location) else { return Ok(()) };
    let internal = |e: String| Error::new(ErrorKind::Internal, format!("webhook: {e}"));
    let body = serde_json::to_vec(&event).map_err(|e| internal(e.to_string()))?;
    let token = livekit::webhook::sign(&key.api_key, &key.api_secret, &body)?;
    let request = web.post(url).header("Authorization", token).header("Content-Type", "application/webhook+json");
    let whom = format!("webhook to {}", http::host(url));
    http::send(request.body(body), &whom).await?.taken(&whom).map(drop)
}

/// The event under LiveKit's name; the same job gives the same one, to the letter.
fn webhook(event: Event, about: &Recording, location: &str) -> Option<WebhookEvent> {
    let name = match event {
        Event::Accepted => "egress_started",
        Event::Started | Event::Ending => "egress_updated",
        Event::Ended => "egress_ended",
        Event::Joined | Event::LimitNear(_) => return None,
    };
    Some(WebhookEvent {
        event: name.to_owned(),
        egress_info: Some(proto::shown(proto::info(about, location))),
        id: id(event, about),
        created_at: about.updated_at.as_second(),
        ..WebhookEvent::default()
    })
}

/// `EV_` and twelve characters that are the same at every try, so that a receiver can tell a repetition.
fn id(event: Event, about: &Recording) -> String {
    let hash = digest(&SHA256, format!("webhook\n{}\n{}", about.id, event.name()).as_bytes());
    // Twelve of the alphanumerics only: 32 bytes make 43 characters, nearly all of which are.
    let text = URL_SAFE_NO_PAD.encode(hash);
    format!("EV_{}", text.chars().filter(char::is_ascii_alphanumeric).take(12).collect::<String>())
}
