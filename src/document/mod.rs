//! JSON and YAML into structs: an error names its path and what was expected there, never what was found, which may be a secret.

mod fault;
mod node;
mod strict;

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;
use serde_path_to_error::{Path, Segment, Track};

use crate::error::{Error, Result};
use node::Node;
use strict::Strict;

/// Most characters of a name that are shown.
const NAME: usize = 60;

/// The value of a JSON text (RFC 8259), `name` for errors. A name that is there twice in one object is an error: one of the two
/// was meant (section 4 leaves it open which).
pub fn json(name: &str, text: &[u8]) -> Result<Value> {
    let mut track = Track::new();
    let mut parser = serde_json::Deserializer::from_slice(text);
    let read = Strict::deserialize(serde_path_to_error::Deserializer::new(&mut parser, &mut track));
    match read.and_then(|value| parser.end().map(|()| value)) {
        Ok(Strict(value)) => Ok(value),
        Err(e) if e.is_data() => Err(Error::invalid(&path_below("", &track.path(), None), e)),
        Err(e) => Err(Error::invalid(name, format!("not valid JSON: {e}"))),
    }
}

/// `value` as a struct whose fields know what they want. `path` names the value; empty for the root. What is null is as good as
/// left out.
pub fn read<T: DeserializeOwned>(value: Value, path: &str) -> Result<T> {
    read_known(value, path, &mut Vec::new())
}

/// Like [`read`]; `unknown` gets the paths of what `T` does not know.
pub fn read_known<T: DeserializeOwned>(value: Value, path: &str, unknown: &mut Vec<String>) -> Result<T> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(Node(value), &mut track);
    let read = serde_ignored::deserialize(tracked, |ignored| unknown.push(join(path, &ignored_name(&ignored))));
    read.map_err(|fault| Error::invalid(&path_below(path, &track.path(), fault.field), fault))
}

/// For `deserialize_with`: a value that passes `check`, or why it does not.
pub fn checked<'de, D, T, U, E>(
    value: D,
    check: impl FnOnce(T) -> std::result::Result<U, E>,
) -> std::result::Result<U, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    E: fmt::Display,
{
    T::deserialize(value).and_then(|value| check(value).map_err(D::Error::custom))
}

/// For `deserialize_with`: a string; an empty one is none.
pub fn filled<'de, D: Deserializer<'de>, T: From<String>>(value: D) -> std::result::Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(value)?;
    Ok(text.filter(|text| !text.is_empty()).map(T::from))
}

/// A name of somebody else's as it may stand in a message: on one line, and not longer than it helps.
pub fn shown(name: &str) -> String {
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let mut shown = String::new();
    for (n, c) in name.chars().enumerate() {
        match c {
            _ if n == NAME => {
                shown.push('…');
                break;
            }
            '"' | '\'' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Like [`shown`], name by name.
pub fn shown_path(path: &str) -> String {
    path.split('.').map(shown).collect::<Vec<_>>().join(".")
}

/// `path`, what is `below` it, and the `field` of that.
fn path_below(path: &str, below: &Path, field: Option<&str>) -> String {
    let mut whole = path.to_owned();
    for segment in below {
        match segment {
            Segment::Seq { index } => whole = format!("{whole}[{index}]"),
            Segment::Map { key } => whole = join(&whole, &shown(key)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let whole = field.map_or_else(|| whole.clone(), |field| join(&whole, field));
    if whole.is_empty() { "the document".to_owned() } else { whole }
}

fn ignored_name(path: &serde_ignored::Path) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", ignored_name(parent)),
        Path::Map { parent, key } => join(&ignored_name(parent), key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            ignored_name(parent)
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() || key.is_empty() { format!("{path}{key}") } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests;
