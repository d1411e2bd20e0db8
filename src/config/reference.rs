//! Pure. The table of every option, as the README shows it.

use std::fmt::Write as _;

use super::table::{Entry, Kind, TABLE};

/// Markdown: YAML key, variables and flag, default, meaning.
pub fn reference() -> String {
    let mut text = "| YAML | environment, flag | default | |\n|---|---|---|---|\n".to_owned();
    for entry in TABLE {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", entry.path, setters(entry), default(entry), entry.doc);
    }
    text
}

/// Who may set it. Each also has its `GREFFIER_` name, which is said once, above the table.
fn setters(entry: &Entry) -> String {
    let names = entry.env.iter().copied().chain(entry.flag);
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

fn default(entry: &Entry) -> String {
    match (entry.default, entry.kind) {
        ("", Kind::Secret) => "(secret)".to_owned(),
        ("", _) => String::new(),
        (default, _) => format!("`{default}`"),
    }
}
