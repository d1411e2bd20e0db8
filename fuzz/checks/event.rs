//! What must hold of whatever body LiveKit's key has signed.

use super::Event;

/// It is read or refused in one line; what was read has a time that can be one.
pub fn check(body: &[u8]) {
    match Event::read(body) {
        Ok(event) => assert!(event.created_at.is_none_or(|at| at > 0)),
        Err(error) => assert!(error.message.starts_with("body: ") && !error.message.contains('\n'), "{error:?}"),
    }
}
