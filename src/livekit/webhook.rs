//! Pure. Webhooks in LiveKit's shape: a token beside the body that holds the body's hash, signed by the server's key.
//!
//! `livekit_api`'s `WebhookReceiver` is not used: it refuses an event with a field that it does not know, so that a newer server's
//! events would be lost.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::token;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// The token that goes with this body. It is shown bare: LiveKit's receivers expect no "Bearer".
pub fn sign(api_key: &str, api_secret: &Secret, body: &[u8]) -> Result<String> {
    token::of_body(api_key, api_secret, &BASE64_STANDARD.encode(digest(&SHA256, body)))
}

/// Checks that the token is signed by this key, and speaks of this body.
pub fn verify(api_key: &str, api_secret: &Secret, token: &str, body: &[u8]) -> Result<()> {
    let wrong = |why: &str| Error::new(ErrorKind::Unauthenticated, format!("Authorization: {why}"));
    let claims = token::Verifier::new(api_key, api_secret).verify(token);
    let claims = claims.map_err(|_| wrong("not a token signed by the configured api_key"))?;
    let claimed = BASE64_STANDARD.decode(claims.sha256).unwrap_or_default();
    verify_slices_are_equal(&claimed, digest(&SHA256, body).as_ref())
        .map_err(|_| wrong("the token was signed for another body"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_what_our_key_has_signed_for_this_very_body_is_believed(body: Vec<u8>, other: Vec<u8>, token in ".*") {
            let (ours, theirs) = (Secret::new("secret"), Secret::new("another"));
            let signed = |secret, body: &[u8]| sign("key", secret, body).unwrap();
            prop_assert!(verify("key", &ours, &signed(&ours, &body), &body).is_ok());
            for (token, body) in [(token.as_str(), &body), (&signed(&theirs, &body), &body)] {
                prop_assert_eq!(verify("key", &ours, token, body).unwrap_err().kind, ErrorKind::Unauthenticated);
            }
            prop_assert_eq!(verify("key", &ours, &signed(&ours, &other), &body).is_ok(), other == body);
        }
    }
}
