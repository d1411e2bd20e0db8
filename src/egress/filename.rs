//! Where a file goes, from the path that was requested: LiveKit's templates and clean-up.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::error::{Error, ErrorKind, Result};
use crate::recording::Container;

/// Extensions that LiveKit knows; a wrong one of these is replaced, another is kept and ours is added.
const KNOWN: [&str; 9] = [".mp4", ".ogg", ".mp3", ".webm", ".ivf", ".raw", ".m3u8", ".ts", ".jpeg"];
/// S3's limit for keys is 1024; names in folders have 255.
const LONGEST: usize = 512;
/// The longest segment in bytes: file systems take 255, and something stands beside the file while it is written.
const SEGMENT: usize = 240;

/// What the templates may name.
#[derive(Clone, Copy, Debug)]
pub struct RoomNames<'a> {
    /// `{room_name}`.
    pub room_name: &'a str,
    /// `{room_id}`.
    pub room_id: &'a str,
}

/// The object's key, without a slash at its head. `now` is local time, as the templates have it. A room's name stays within its
/// segment, whatever it is; where it makes one too long, that is shortened. What was requested word for word is refused instead.
pub fn resolve(path: &str, names: RoomNames<'_>, container: Container, now: &Zoned) -> Result<String> {
    let time = now.strftime("%Y-%m-%dT%H%M%S").to_string();
    let utc = now.with_time_zone(TimeZone::UTC);
    let utc = format!("{}{:03}", utc.strftime("%Y%m%d%H%M%S"), utc.millisecond());
    let fill = |text: &str| {
        text.replace("{room_name}", &within_segment(names.room_name))
            .replace("{room_id}", &within_segment(names.room_id))
            .replace("{time}", &time)
            .replace("{utc}", &utc)
    };
    if path.chars().any(char::is_control) || path.contains('\\') {
        return Err(invalid("filepath"));
    }
    let folder = path.is_empty() || path.ends_with('/');
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            requested => {
                let filled = fill(requested);
                if filled == requested && filled.len() > SEGMENT {
                    return Err(invalid("filepath"));
                }
                // A name that is not known, or is empty, leaves nothing, or what would mean a folder.
                match filled.as_str() {
                    "" => {}
                    "." | ".." => parts.push(filled.replace('.', "_")),
                    _ => parts.push(filled),
                }
            }
        }
    }
    if folder || parts.is_empty() {
        let name = if names.room_name.is_empty() { "web" } else { names.room_name };
        parts.push(format!("{}-{time}", within_segment(name)));
    }
    let extension = format!(".{}", container.extension());
    if let Some(last) = parts.last_mut().filter(|last| !last.ends_with(&extension)) {
        if let Some(wrong) = KNOWN.iter().find(|known| last.ends_with(**known)) {
            last.truncate(last.len() - wrong.len());
        }
        *last += &extension;
    }
    let key = parts.iter().map(|part| shortened(part)).collect::<Vec<_>>().join("/");
    if key.len() > LONGEST {
        return Err(invalid("filepath"));
    }
    Ok(key)
}

/// A name from outside as (a part of) one segment: it opens no folder, leaves none, and holds nothing that a key must not.
fn within_segment(name: &str) -> String {
    let plain = name.replace(|c: char| c == '/' || c == '\\' || c.is_control(), "_");
    if plain.trim_matches('.').is_empty() { plain.replace('.', "_") } else { plain }
}

/// A segment that is too long keeps its beginning and its ending; a hash of the whole keeps it apart from others.
fn shortened(segment: &str) -> String {
    if segment.len() <= SEGMENT {
        return segment.to_owned();
    }
    let head = segment.floor_char_boundary(SEGMENT - 1 - HASH - TAIL);
    let tail = segment.ceil_char_boundary(segment.len() - TAIL);
    format!("{}~{:08x}{}", &segment[..head], fnv1a(segment.as_bytes()), &segment[tail..])
}

/// So much of the end is kept: a time and the extension.
const TAIL: usize = 24;
/// A hash in hexadecimal.
const HASH: usize = 8;

/// FNV-1a, 32 bits: the same on every machine and in every version.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// LiveKit's words for a field that is wrong.
pub fn invalid(field: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("request has missing or invalid field: {field}"))
}

#[cfg(test)]
#[path = "../../fuzz/checks/filename.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_asked_for_a_key_comes_out(
            path in "([a./]|\\{room_name\\}|\\{room_id\\}|\\{time\\}|\\{utc\\}|.){0,12}", room in "[./a\u{0}]{0,6}|.*", id in ".*",
        ) {
            check::check(&path, &room, &id);
        }
    }

    #[test]
    fn paths_are_livekits() {
        let now: Zoned = "2026-11-22T21:05:06.789+01:00[Europe/Paris]".parse().unwrap();
        let names = RoomNames { room_name: "daily", room_id: "RM_1" };
        let table = [
            ("recordings/0b2c.mp4", "recordings/0b2c.mp4"),
            ("", "daily-2026-11-22T210506.mp4"),
            ("out/", "out/daily-2026-11-22T210506.mp4"),
            ("/out/x", "out/x.mp4"),
            ("../../etc/passwd", "etc/passwd.mp4"),
            ("a/./b/../c.webm", "a/c.mp4"),
            ("{room_name}/{room_id}-{time}.mp4", "daily/RM_1-2026-11-22T210506.mp4"),
            ("{utc}.ogg", "20261122200506789.mp4"),
            ("v1.2", "v1.2.mp4"),
        ];
        for (path, wanted) in table {
            assert_eq!(resolve(path, names, Container::Mp4, &now).unwrap(), wanted, "{path}");
        }
        assert_eq!(resolve("x.mp4", names, Container::Ogg, &now).unwrap(), "x.ogg");
        let evil = RoomNames { room_name: "../../root", room_id: "" };
        assert_eq!(resolve("a/", evil, Container::Mp4, &now).unwrap(), "a/.._.._root-2026-11-22T210506.mp4");
        assert_eq!(resolve("a/{room_name}", evil, Container::Mp4, &now).unwrap(), "a/.._.._root.mp4");
        for wrong in ["a\0b", "a\nb", "a\\b", &"x".repeat(600)] {
            let error = resolve(wrong, names, Container::Mp4, &now).unwrap_err();
            assert_eq!(error.message, "request has missing or invalid field: filepath");
        }
    }

    #[test]
    fn a_rooms_name_never_leaves_its_segment() {
        let now: Zoned = "2026-11-22T21:05:06.789+01:00[Europe/Paris]".parse().unwrap();
        for name in ["..", ".", "../..", "/etc/passwd", "a/../../b", "\\..\\x", "a\nb", "...", "./.", "x/.", "\0"] {
            let names = RoomNames { room_name: name, room_id: name };
            for path in
                ["a/{room_name}", "a/b/../{room_id}", "a/", "a/{room_name}/", "a/{room_name}/x", "a/x-{room_name}.mp4"]
            {
                let key = resolve(path, names, Container::Mp4, &now).unwrap();
                assert!(key.starts_with("a/"), "{path} {name:?}: {key}");
                crate::storage::check_key(&key).unwrap();
                assert_eq!(
                    key.split('/').count(),
                    path.replace("b/../", "").split('/').count(),
                    "{path} {name:?}: {key}"
                );
            }
        }
    }

    #[test]
    fn a_name_that_is_not_there_opens_no_folder() {
        let now: Zoned = "2026-11-22T21:05:06.789+01:00[Europe/Paris]".parse().unwrap();
        let names = RoomNames { room_name: "", room_id: "" };
        for (path, wanted) in [
            ("{room_name}/x", "x.mp4"),
            ("a/{room_id}/x", "a/x.mp4"),
            ("a/{room_id}../x", "a/__/x.mp4"),
            ("{room_name}", "web-2026-11-22T210506.mp4"),
        ] {
            assert_eq!(resolve(path, names, Container::Mp4, &now).unwrap(), wanted, "{path}");
        }
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let now: Zoned = "2026-11-22T21:05:06.789+01:00[Europe/Paris]".parse().unwrap();
        assert_eq!(SEGMENT, crate::storage::SEGMENT);
        for letter in ["r", "ü", "語", "🎥"] {
            for bytes in [230, 240, 252, 300, 384, 1000] {
                let room = |last: &str| format!("{}{last}", letter.repeat(bytes / letter.len()));
                let key = |room: &str, path: &str| {
                    let names = RoomNames { room_name: room, room_id: "RM_1" };
                    resolve(path, names, Container::Mp4, &now).unwrap()
                };
                for path in ["", "out/", "{room_name}/{time}", "{room_name}.mp4"] {
                    let (one, other) = (key(&room("a"), path), key(&room("b"), path));
                    assert_ne!(one, other);
                    assert!(one.ends_with(".mp4"));
                    crate::storage::check_key(&one).unwrap();
                }
                assert!(key(&room("a"), "").ends_with("-2026-11-22T210506.mp4"));
            }
        }
        // What was requested word for word is not changed.
        let names = RoomNames { room_name: "r", room_id: "" };
        assert!(resolve(&format!("{}.mp4", "x".repeat(255)), names, Container::Mp4, &now).is_err());
        assert!(resolve(&format!("{}/a.mp4", "x".repeat(241)), names, Container::Mp4, &now).is_err());
    }
}
