//! What must hold of whatever is asked for as the name of an object.

use std::path::{Component, Path};

use super::{check_key, content_type_of};

/// What is let through stays below its folder, also when somebody decodes it on the way; a refusal is one clean line.
pub fn check(key: &str) {
    let _ = content_type_of(key);
    match check_key(key) {
        Ok(()) => {
            let decoded = percent_encoding::percent_decode_str(key).decode_utf8().expect("it was looked at");
            for name in [key, decoded.as_ref()] {
                assert!(!name.is_empty() && !name.chars().any(char::is_control), "{name:?}");
                let stays = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
                assert!(stays && !name.contains("//") && !name.contains('\\'), "{name:?}");
            }
            assert!(key.len() <= 512 && key.split('/').all(|segment| segment.len() <= 240), "{key:?}");
        }
        Err(error) => assert!(!error.message.chars().any(char::is_control), "{error:?}"),
    }
}
