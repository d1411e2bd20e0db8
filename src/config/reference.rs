//! Pure. The table of every option, as `docs/options.md` shows it.

use std::fmt::Write as _;

use super::table::{Entry, TABLE, ValueKind};

/// Markdown: YAML key, variables and flag, type, default, meaning.
pub fn reference() -> String {
    let mut text = "| YAML | environment, flag | type | default | |\n|---|---|---|---|---|\n".to_owned();
    for entry in TABLE {
        let (path, setters, kind) = (entry.path, setters(entry), entry.kind.name());
        let _ = writeln!(text, "| `{path}` | {setters} | {kind} | {} | {} |", default(entry), entry.doc);
    }
    text
}

/// Who may set it. Each also has its `GREFFIER_` name, which is said once, above the table.
fn setters(entry: &Entry) -> String {
    let names = entry.env.iter().copied().chain(entry.flag);
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

fn default(entry: &Entry) -> String {
    match (entry.default, entry.unset, entry.kind) {
        ("", words, ValueKind::Secret | ValueKind::Tree | ValueKind::List | ValueKind::Objects) => words.to_owned(),
        ("", value, _) if !value.contains(' ') && !["none", "never", "required", "AWS", "storage"].contains(&value) => {
            format!("`{value}`")
        }
        ("", words, _) => words.to_owned(),
        (default, _, _) => format!("`{default}`"),
    }
}
