//! What must hold of whatever is the end of an OGG file.

use super::ogg::{duration_ns, has_ended};

/// Reads the end of a file that is cut off further and further: an end is not seen before it has come, and the film does not
/// become shorter.
pub fn check(tail: &[u8]) {
    let mut longest = 0;
    for end in 0..=tail.len().min(400) {
        let duration = duration_ns(&tail[..end]);
        assert!(duration >= longest);
        longest = duration;
    }
    let _ = duration_ns(tail);
    assert!(!has_ended(tail) || tail.windows(4).any(|page| page == b"OggS"));
}
