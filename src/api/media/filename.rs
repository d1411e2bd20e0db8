//! Pure. Under which name a recording is downloaded.

use jiff::civil::Date;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Bytes of the room's part: file systems stop at 255 for the whole name.
const ROOM_BYTES: usize = 150;
/// What RFC 8187 calls attr-char stays as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `{room}-{date}.mp4`, without what file systems refuse.
pub fn filename(room: &str, date: Date, extension: &str) -> String {
    let refused = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c) || is_invisible(c);
    let mut name: String = room.chars().map(|c| if refused(c) { '_' } else { c }).collect();
    while name.len() > ROOM_BYTES {
        name.pop();
    }
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let name = if name.is_empty() { "recording" } else { name };
    format!("{name}-{date}.{extension}")
}

/// The header's value (RFC 6266): the name in ASCII for old clients, and as it is.
pub fn disposition(kind: &str, name: &str) -> String {
    let ascii: String = name.chars().map(|c| if c.is_ascii() && c != '%' { c } else { '_' }).collect();
    if ascii == name {
        return format!("{kind}; filename=\"{name}\"");
    }
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ENCODED))
}

/// Marks that turn or hide text, by which `gpj.exe` can look like `exe.jpg`.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_room_makes_a_good_name() {
        let name = |room: &str| filename(room, jiff::civil::date(2026, 11, 22), "mp4");
        assert_eq!(name("daily"), "daily-2026-11-22.mp4");
        assert_eq!(name("../etc/passwd"), "_etc_passwd-2026-11-22.mp4");
        assert_eq!(name("a\r\nb\"c\\d"), "a__b_c_d-2026-11-22.mp4");
        assert_eq!(name(".. ."), "recording-2026-11-22.mp4");
        assert_eq!(name("réunion\u{202e}4pm"), "réunion_4pm-2026-11-22.mp4");
        assert!(name(&"é".repeat(128)).len() < 180);
    }

    #[test]
    fn the_header_stays_ascii() {
        assert_eq!(disposition("inline", "daily.mp4"), "inline; filename=\"daily.mp4\"");
        assert_eq!(
            disposition("attachment", "réunion 1'.mp4"),
            "attachment; filename=\"r_union 1'.mp4\"; filename*=UTF-8''r%C3%A9union%201%27.mp4"
        );
        assert_eq!(disposition("inline", "5%.mp4"), "inline; filename=\"5_.mp4\"; filename*=UTF-8''5%25.mp4");
    }
}
