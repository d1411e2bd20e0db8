//! What must hold of whatever is written as a length of time.

use super::length;

/// It is read as what a sum of its parts is, or refused with the field's name.
pub fn check(text: &str) {
    match length("limits.max_duration", text) {
        Ok(read) => {
            let again = length("x", &format!("{}s", read.as_secs())).expect("what we write can be read");
            assert!(again.as_secs().abs_diff(read.as_secs()) <= read.as_secs() >> 50, "{text:?}");
        }
        Err(error) => assert!(error.message.starts_with("limits.max_duration: "), "{error:?}"),
    }
}
