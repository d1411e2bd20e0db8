//! The tokens that LiveKit's key signs, and those that others show us.

use std::time::Duration;

use livekit_api::access_token::{AccessToken, Claims, TokenVerifier, VideoGrants};

use super::Server;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// Upstream's worker tokens live as long; LiveKit refreshes a participant's token by itself.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Of a token that is used once.
const ONCE: Duration = Duration::from_secs(300);

/// A token that joins `room` hidden, as recorder, of kind `egress`, and may only subscribe.
pub fn recorder(server: &Server, room: &str, identity: &str) -> Result<String> {
    let grants = VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_subscribe: Some(true),
        can_publish: Some(false),
        can_publish_data: Some(false),
        hidden: true,
        recorder: true,
        ..VideoGrants::default()
    };
    sign(
        AccessToken::with_api_key(&server.api_key, server.api_secret.expose())
            .with_identity(identity)
            .with_kind("egress"),
        grants,
    )
}

/// A token that may list rooms, to learn whether a room exists before joining would create it.
pub fn lister(server: &Server) -> Result<String> {
    let grants = VideoGrants { room_list: true, ..VideoGrants::default() };
    sign_for(ONCE, AccessToken::with_api_key(&server.api_key, server.api_secret.expose()), grants)
}

/// A token that may change `room` and send messages into it.
pub fn room_admin(server: &Server, room: &str) -> Result<String> {
    let grants = VideoGrants { room_admin: true, room: room.to_owned(), ..VideoGrants::default() };
    sign_for(ONCE, AccessToken::with_api_key(&server.api_key, server.api_secret.expose()), grants)
}

/// A token that goes with a body of this SHA-256, in base64.
pub(super) fn of_body(key: &str, secret: &Secret, hash: &str) -> Result<String> {
    let token = AccessToken::with_api_key(key, secret.expose()).with_sha256(hash);
    sign_for(ONCE, token, VideoGrants::default())
}

/// Knows which tokens the key has signed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier(TokenVerifier);

impl Verifier {
    /// Of this key.
    pub fn new(api_key: &str, api_secret: &Secret) -> Self {
        Self(TokenVerifier::with_api_key(api_key, api_secret.expose()))
    }

    /// What the token grants. `Unauthenticated` when the key has not signed it, or it has expired.
    pub fn verify(&self, token: &str) -> Result<Claims> {
        self.0.verify(token).map_err(|e| Error::new(ErrorKind::Unauthenticated, e.to_string()))
    }
}

/// A token by which somebody may record `room` over our API, as LiveKit's `roomRecord` grants it.
pub fn room_record(key: &str, secret: &Secret, room: &str, identity: &str, lifetime: Duration) -> Result<String> {
    let grants = VideoGrants { room_record: true, room: room.to_owned(), ..VideoGrants::default() };
    sign_for(lifetime, AccessToken::with_api_key(key, secret.expose()).with_identity(identity), grants)
}

fn sign(token: AccessToken, grants: VideoGrants) -> Result<String> {
    sign_for(LIFETIME, token, grants)
}

fn sign_for(lifetime: Duration, token: AccessToken, grants: VideoGrants) -> Result<String> {
    token
        .with_ttl(lifetime)
        .with_grants(grants)
        .to_jwt()
        .map_err(|e| Error::invalid("api_key/api_secret", format!("cannot sign a token: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorder_is_hidden_and_cannot_publish() {
        let server = Server {
            url: "ws://x".into(),
            api_key: "k".into(),
            api_secret: Secret::new("s".repeat(32)),
            ca_file: None,
            insecure: false,
        };
        let jwt = recorder(&server, "R", "greffier").unwrap();
        let claims = livekit_api::access_token::Claims::from_unverified(&jwt).unwrap();
        assert!(claims.video.hidden && claims.video.recorder && claims.video.room_join);
        assert_eq!((claims.video.can_publish, claims.video.can_subscribe), (Some(false), Some(true)));
        assert_eq!((claims.video.room.as_str(), claims.kind.as_str()), ("R", "egress"));
    }
}
