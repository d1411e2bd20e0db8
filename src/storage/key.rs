//! Pure. What an object may be called.

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// The longest key in bytes. S3 would take 1024; what is made of a key, such as a URL or a file name, may not.
pub const LONGEST: usize = 512;
/// The longest segment in bytes. File systems take 255; what stands beside the file while it is written needs some of them.
pub const SEGMENT: usize = 240;

/// Refuses a name for a new object: what is no relative path below the prefix, or what a file system would not take. The error
/// names `key`.
pub fn check_key(key: &str) -> Result<()> {
    check_path(key)?;
    match key.split('/').map(str::len).find(|length| *length > SEGMENT) {
        Some(length) => refuse(&format!("has a segment of {length} bytes, more than {SEGMENT}")),
        None => Ok(()),
    }
}

/// Refuses what is no relative path below the prefix: objects of old may have longer segments. The error names `key`.
pub fn check_path(key: &str) -> Result<()> {
    if key.len() > LONGEST {
        return refuse(&format!("{} bytes long, more than {LONGEST}", key.len()));
    }
    // What is told in URLs is decoded by somebody on the way: it must be harmless then, too.
    let Ok(decoded) = percent_decode_str(key).decode_utf8() else { return refuse("not UTF-8 once decoded") };
    [key, decoded.as_ref()].into_iter().find_map(fault).map_or(Ok(()), refuse)
}

fn refuse(why: &str) -> Result<()> {
    Err(Error::invalid("key", format!("{why}; use a relative path such as recordings/a.mp4")))
}

fn fault(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("empty")
    } else if key.starts_with('/') {
        Some("begins with /")
    } else if key.chars().any(char::is_control) {
        Some("holds a control character")
    } else if key.contains('\\') {
        Some("holds a backslash")
    } else if key.split('/').any(str::is_empty) {
        Some("has an empty segment")
    } else if key.split('/').any(|segment| segment == "." || segment == "..") {
        Some("has a segment . or ..")
    } else {
        None
    }
}

/// The media type of what has this key, by its ending.
pub fn content_type_of(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("mp4") => "video/mp4",
        Some("ogg") => "audio/ogg",
        Some("txt") => "text/plain",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[path = "../../fuzz/checks/key.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_let_through_stays_below_its_folder(any in ".*", likely in "[a./%25ef\\\\ü\u{0}-]{0,20}", bytes: Vec<u8>) {
            check::check(&any);
            check::check(&likely);
            check::check(&String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_key_is_a_relative_path() {
        let long =
            format!("{}/{}/{}.mp4", "a".repeat(SEGMENT), "b".repeat(SEGMENT), "c".repeat(LONGEST - 2 * SEGMENT - 6));
        for good in ["a", "recordings/EG_x.mp4", "ü/ö ä.ogg", "a..b/...", "50%.mp4", "a%2Fb", &long] {
            assert_eq!(check_key(good), Ok(()), "{good}");
        }
        let longer = format!("{long}x");
        let bad =
            ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", "./a", "a\0", "a\nb", "a\u{7f}", "a\\..\\b"];
        let encoded = ["%2e%2e/a", "a/%2E%2E/b", "..%2Fa", "%2Fa", "a%00", "a%0d", "a%5C..%5cb", "%ff"];
        let wide = format!("a/{}.mp4", "b".repeat(SEGMENT - 3));
        for bad in bad.into_iter().chain(encoded).chain([longer.as_str(), wide.as_str()]) {
            let error = check_key(bad).unwrap_err().message;
            assert!(error.starts_with("key: ") && error.ends_with("recordings/a.mp4"), "{bad:?}: {error}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
    }
}
