//! What must hold of whatever a killed recorder, or anybody else, has left under the name of an MP4.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::{duration_ns, finalise};

/// Makes these bytes ordinary, as `path`: no panic, nothing endless, no memory but the file's own few times over; what succeeds
/// once changes nothing the second time.
pub fn check(bytes: &[u8], path: &Path) {
    std::fs::write(path, bytes).expect("a file");
    let Ok(made) = finalise(path, &AtomicU64::new(0)) else { return };
    let after = std::fs::read(path).expect("a file");
    assert_eq!(made.bytes, after.len() as u64);
    // An index says of each sample no more than a few numbers, and each sample of a fragment takes some of its bytes.
    assert!(after.len() <= 16 * bytes.len() + 4096, "{} bytes of {}", after.len(), bytes.len());
    if duration_ns(path).is_ok() {
        let again = finalise(path, &AtomicU64::new(0)).expect("what was made can be read");
        assert_eq!((again.bytes, again.before), (made.bytes, true));
        assert_eq!(std::fs::read(path).expect("a file"), after);
    }
}
