//! Pure. The effective values as YAML, each with its origin; secrets are stars.

use std::fmt::Write as _;

use serde_json::Value;

use super::source::Effective;
use super::table::{ValueKind, entry};
use super::tree::Leaf;
use crate::secret::shown_url;

/// Where the origins stand.
const COLUMN: usize = 56;

/// One line for each value, within its sections. Keys that nobody knows are not shown: they have no effect, and may be
/// secrets.
pub fn show(effective: &Effective) -> String {
    let mut text = String::new();
    let mut before: Vec<&str> = Vec::new();
    for Leaf { path, value, origin } in effective.tree.leaves() {
        let Some(entry) = entry(path) else { continue };
        let mut sections: Vec<_> = path.split('.').collect();
        let Some(key) = sections.pop() else { continue };
        let same = before.iter().zip(&sections).take_while(|(a, b)| a == b).count();
        for (depth, section) in sections.iter().enumerate().skip(same) {
            let _ = writeln!(text, "{}{section}:", "  ".repeat(depth));
        }
        let shown = if entry.kind == ValueKind::Secret { "'***'".to_owned() } else { scalar(value) };
        let line = format!("{}{key}: {shown}", "  ".repeat(sections.len()));
        let _ = writeln!(text, "{line:COLUMN$} # from {origin}");
        before = sections;
    }
    text
}

/// A value as YAML, on one line.
fn scalar(value: &Value) -> String {
    match value {
        // A webhook's URL may hold a token, a proxy's a password.
        Value::String(text) if text.contains("://") => quoted(&shown_url(text)),
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("[{}]", list.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// In quotes, where YAML would read something else without.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@+".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(plain)
        && !text.ends_with(':')
        && !matches!(text.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if word { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_in_urls_are_not_shown() {
        assert_eq!(scalar(&"smtp://u:p@ss@mail:25".into()), "\"smtp://***@mail:25\"");
        assert_eq!(scalar(&json!(["https://x/hook?token=s3cret"])), "[\"https://x/hook?…\"]");
    }

    #[test]
    fn what_yaml_would_misread_is_quoted() {
        for (text, shown) in
            [("ws://a:1", "ws://a:1"), ("", "\"\""), ("no", "\"no\""), ("12", "\"12\""), ("a b", "\"a b\"")]
        {
            assert_eq!(quoted(text), shown);
        }
    }
}
