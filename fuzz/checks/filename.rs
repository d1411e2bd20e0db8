//! What must hold of whatever path is asked for, in whatever room.

use jiff::Zoned;

use super::{RoomNames, resolve};
use crate::recording::Container;
use crate::storage::check_key;

/// What comes out is a key that any storage takes, with the ending of its container, and the room opens no folder of its own.
pub fn check(path: &str, room_name: &str, room_id: &str) {
    let now: Zoned = "2026-11-22T21:05:06.789+01:00[Europe/Paris]".parse().expect("a time");
    for container in [Container::Mp4, Container::Ogg] {
        let Ok(key) = resolve(path, RoomNames { room_name, room_id }, container, &now) else { continue };
        assert!(key.ends_with(&format!(".{}", container.extension())), "{key:?}");
        // A storage decodes what it is given: a room whose name means something then is refused there, by name.
        if !key.contains('%') {
            check_key(&key).unwrap_or_else(|e| panic!("{path:?} in {room_name:?}: {key:?}: {e:?}"));
        }
        let plain = resolve(path, RoomNames { room_name: "r", room_id: "i" }, container, &now);
        if let (Ok(plain), false) = (plain, room_name.is_empty() || room_id.is_empty()) {
            assert_eq!(key.split('/').count(), plain.split('/').count(), "{path:?} in {room_name:?}: {key:?}");
        }
    }
}
