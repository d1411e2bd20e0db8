//! Where a file goes, from the path that was asked for: LiveKit's templates and clean-up.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::error::{Error, ErrorKind, Result};
use crate::recording::Container;

/// Extensions that LiveKit knows; a wrong one of these is replaced, another is kept and ours is added.
const KNOWN: [&str; 9] = [".mp4", ".ogg", ".mp3", ".webm", ".ivf", ".raw", ".m3u8", ".ts", ".jpeg"];
/// S3's limit for keys is 1024; names in folders have 255.
const LONGEST: usize = 512;

/// What the templates may name.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `{room_name}`.
    pub room_name: &'a str,
    /// `{room_id}`.
    pub room_id: &'a str,
}

/// The object's key, without a slash at its head. `now` is local time, as the templates have it.
pub fn resolve(path: &str, names: Names<'_>, container: Container, now: &Zoned) -> Result<String> {
    let time = now.strftime("%Y-%m-%dT%H%M%S").to_string();
    let utc = now.with_time_zone(TimeZone::UTC);
    let utc = format!("{}{:03}", utc.strftime("%Y%m%d%H%M%S"), utc.millisecond());
    let folder = path.is_empty() || path.ends_with('/');
    let filled = path
        .replace("{room_name}", names.room_name)
        .replace("{room_id}", names.room_id)
        .replace("{time}", &time)
        .replace("{utc}", &utc);
    if filled.chars().any(char::is_control) || filled.contains('\\') {
        return Err(invalid("filepath"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in filled.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let usual = format!("{}-{time}", if names.room_name.is_empty() { "web" } else { names.room_name });
    // A room may be named like a path; its file is not to leave the folder.
    let usual = usual.replace('/', "_");
    if folder || parts.is_empty() {
        parts.push(&usual);
    }
    let extension = format!(".{}", container.extension());
    let mut key = parts.join("/");
    if !key.ends_with(&extension) {
        if let Some(wrong) = KNOWN.iter().find(|known| key.ends_with(**known)) {
            key.truncate(key.len() - wrong.len());
        }
        key += &extension;
    }
    if key.len() > LONGEST {
        return Err(invalid("filepath"));
    }
    Ok(key)
}

/// LiveKit's words for a field that is wrong.
pub fn invalid(field: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("request has missing or invalid field: {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_livekits() {
        let now: Zoned = "2026-11-22T21:05:06.789+01:00[Europe/Paris]".parse().unwrap();
        let names = Names { room_name: "daily", room_id: "RM_1" };
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
        let evil = Names { room_name: "../../root", room_id: "" };
        assert_eq!(resolve("a/", evil, Container::Mp4, &now).unwrap(), "a/.._.._root-2026-11-22T210506.mp4");
        assert_eq!(resolve("a/{room_name}", evil, Container::Mp4, &now).unwrap(), "root.mp4");
        for wrong in ["a\0b", "a\nb", "a\\b", &"x".repeat(600)] {
            let error = resolve(wrong, names, Container::Mp4, &now).unwrap_err();
            assert_eq!(error.message, "request has missing or invalid field: filepath");
        }
    }
}
