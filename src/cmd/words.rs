//! What the API says, as people read it in a terminal, in their own time zone.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Characters in a line of the table.
const LINE: usize = 100;
const HEADER: [&str; 6] = ["ID", "ROOM", "STATUS", "STARTED", "LENGTH", "SIZE"];
const ROOM: usize = 1;
/// Numbers end where their column ends.
const NUMBERS: [usize; 2] = [4, 5];
const GAP: usize = 2;

/// What is worth knowing first; the rest follows in its own order.
const FIRST: [&str; 11] =
    ["id", "room", "status", "error", "details", "started_at", "ended_at", "duration", "size", "path", "url"];
/// The same as another.
const TWICE: [&str; 2] = ["expired_at", "egress_status"];

/// A line for each recording, none longer than a hundred characters.
pub fn table(recordings: &[Value]) -> String {
    let rows: Vec<_> = std::iter::once(HEADER.map(str::to_owned)).chain(recordings.iter().map(cells)).collect();
    let width = |n: usize| rows.iter().map(|row: &[String; 6]| row[n].chars().count()).max().unwrap_or(0);
    let mut widths: [usize; 6] = std::array::from_fn(width);
    let others: usize = widths.iter().sum::<usize>() - widths[ROOM] + GAP * (HEADER.len() - 1);
    widths[ROOM] = widths[ROOM].min(LINE.saturating_sub(others).max(HEADER[ROOM].len()));
    let mut text = String::new();
    for row in rows {
        let cells = row.into_iter().zip(widths).enumerate().map(|(n, (cell, width))| {
            let cell = shortened(&cell, width);
            if NUMBERS.contains(&n) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn cells(recording: &Value) -> [String; 6] {
    let length = recording.get("duration").filter(|length| !length.is_null());
    let length = length.or_else(|| recording.pointer("/progress/duration")).and_then(Value::as_f64);
    let size = recording.get("size").filter(|size| !size.is_null());
    let size = size.or_else(|| recording.pointer("/progress/bytes")).and_then(Value::as_u64);
    let started = text_of(recording, "/started_at");
    [
        text_of(recording, "/id"),
        text_of(recording, "/room/name"),
        text_of(recording, "/status"),
        if started.is_empty() { "–".to_owned() } else { short_moment(&started) },
        length.map_or_else(|| "–".to_owned(), clock),
        size.map_or_else(|| "–".to_owned(), |bytes| HumanBytes(bytes).to_string()),
    ]
}

/// Everything that is known of one recording, a line each.
pub fn facts(recording: &Value) -> String {
    let Some(fields) = recording.as_object() else { return String::new() };
    let rest = fields.keys().map(String::as_str).filter(|key| !FIRST.contains(key) && !TWICE.contains(key));
    let mut lines = Vec::new();
    for key in FIRST.into_iter().chain(rest) {
        if let Some(value) = fields.get(key) {
            collect(key, value, &mut lines);
        }
    }
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(name, text)| format!("{name:width$}  {text}\n")).collect()
}

fn collect(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let key = name.rsplit(' ').next().unwrap_or(name);
    let text = match value {
        Value::Null => return,
        Value::Object(fields) => {
            for (key, value) in fields {
                // A room is its name.
                let name = if name == "room" && key == "name" { name.to_owned() } else { format!("{name} {key}") };
                collect(&name, value, lines);
            }
            return;
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (n, value) in values.iter().enumerate() {
                collect(&format!("{name} {}", n + 1), value, lines);
            }
            return;
        }
        Value::Array(values) if values.is_empty() => return,
        Value::Array(values) => values.iter().map(scalar).collect::<Vec<_>>().join(", "),
        Value::Number(number) if key == "duration" => clock(number.as_f64().unwrap_or_default()),
        Value::Number(number) if matches!(key, "size" | "bytes") => {
            number.as_u64().map_or_else(|| number.to_string(), |bytes| HumanBytes(bytes).to_string())
        }
        Value::String(text) if key.ends_with("_at") => moment(text),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
    };
    lines.push((name.strip_suffix("_at").unwrap_or(name).replace('_', " "), text));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// For programs: as the API said it.
pub fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The text at this place (RFC 6901); empty when there is none.
pub fn text_of(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).map(plain).unwrap_or_default()
}

/// Names are chosen by strangers: what would steer a terminal is taken out.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A time of the API's in the reader's zone, with it.
pub fn moment(text: &str) -> String {
    zoned(text, "%Y-%m-%d %H:%M:%S %Z")
}

fn short_moment(text: &str) -> String {
    zoned(text, "%Y-%m-%d %H:%M")
}

fn zoned(text: &str, format: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => plain(text),
    }
}

/// `1:02:03`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_line_is_longer_than_a_hundred_characters() {
        let long = json!({
            "id": "EG_nPQZPwZEVdHN", "room": {"name": "Ω".repeat(300)}, "status": "notification_succeeded",
            "started_at": "2026-11-22T17:00:01.123456789Z", "duration": 362_439.0, "size": 999_999_999_999_u64,
        });
        let waiting = json!({"id": "EG_aaaaaaaaaaaa", "room": {"name": "a\u{1b}[31mb"}, "status": "initiated"});
        let text = table(&[long, waiting]);
        assert!(text.lines().all(|line| line.chars().count() <= LINE), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("100:40:39") && text.contains("ΩΩ…") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(table(&[]).trim_end(), "ID  ROOM  STATUS  STARTED  LENGTH  SIZE");
    }

    #[test]
    fn all_that_is_known_is_said_once() {
        let recording = json!({
            "id": "EG_x", "room": {"name": "daily"}, "status": "active", "size": null, "expired_at": null, "is_expired": false,
            "options": {}, "progress": {"duration": 61.6, "bytes": 2048, "speaker": "Ada\u{7}"},
            "health": {"holes": [{"from": 1}], "words": ["a", "b"]},
        });
        let wanted = "\
id                   EG_x
room                 daily
status               active
health holes 1 from  1
health words         a, b
is expired           no
progress bytes       2.00 KiB
progress duration    0:01:02
progress speaker     Ada \n";
        assert_eq!(facts(&recording), wanted);
    }
}
