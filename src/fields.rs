//! Named values out of a JSON-like tree: whoever reads one gets the right type or an error that names its path.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The values of one object that nobody has read yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    path: String,
    values: Map<String, Value>,
    /// Paths of what nobody has read in objects within this one.
    unread: Vec<String>,
}

impl Fields {
    /// The fields of `value`, which must be an object or null. `path` names it; empty for the root.
    pub fn of(value: Value, path: &str) -> Result<Self> {
        match value {
            Value::Object(values) => Ok(Self { path: path.to_owned(), values, unread: Vec::new() }),
            Value::Null => Ok(Self { path: path.to_owned(), ..Self::default() }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let name = if path.is_empty() { "the document" } else { path };
                Err(Error::invalid(name, format!("expected an object, found {}", kind(&value))))
            }
        }
    }

    /// A string.
    pub fn text(&mut self, key: &str) -> Result<Option<String>> {
        self.read(key, "a string (numbers in quotes)", |value| value.as_str().map(str::to_owned))
    }

    /// A whole number.
    pub fn number(&mut self, key: &str) -> Result<Option<u32>> {
        self.read(key, "a whole number from 0 to 4294967295", |value| {
            value.as_u64().and_then(|n| u32::try_from(n).ok())
        })
    }

    /// A whole number of bytes.
    pub fn bytes(&mut self, key: &str) -> Result<Option<u64>> {
        self.read(key, "a whole number of bytes", Value::as_u64)
    }

    /// A decimal number.
    pub fn real(&mut self, key: &str) -> Result<Option<f64>> {
        self.read(key, "a number", Value::as_f64)
    }

    /// A boolean.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// A list of strings.
    pub fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let texts = |value: &Value| value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect();
        self.read(key, "a list of strings", texts)
    }

    /// An object within this one; empty when it is not there.
    pub fn section(&mut self, key: &str) -> Result<Self> {
        let value = self.values.remove(key).unwrap_or_default();
        Self::of(value, &self.path_of(key))
    }

    /// A list of objects; empty when it is not there.
    pub fn sections(&mut self, key: &str) -> Result<Vec<Self>> {
        let path = self.path_of(key);
        match self.values.remove(key).unwrap_or_default() {
            Value::Null => Ok(Vec::new()),
            Value::Array(values) => {
                values.into_iter().enumerate().map(|(n, value)| Self::of(value, &format!("{path}[{n}]"))).collect()
            }
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                Err(Error::invalid(&path, format!("expected a list, found {}", kind(&other))))
            }
        }
    }

    /// Like [`Fields::section`]; a text alone stands for the section with that text as `key`'s `main` value.
    pub fn section_or_text(&mut self, key: &str, main: &str) -> Result<Self> {
        if let Some(Value::String(text)) = self.values.get(key) {
            let alone = Value::Object(Map::from_iter([(main.to_owned(), text.as_str().into())]));
            self.values.insert(key.to_owned(), alone);
        }
        self.section(key)
    }

    /// Reads an object within this one, if it is there. What stays unread of it is among what is left of this one.
    pub fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.values.get(key).is_none_or(Value::is_null) {
            self.values.remove(key);
            return Ok(None);
        }
        let mut section = self.section(key)?;
        let value = read(&mut section)?;
        self.unread.extend(section.left());
        Ok(Some(value))
    }

    /// Knows this key, and does nothing with it.
    pub fn ignore(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// The names of the values that nobody has read yet.
    pub fn keys(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }

    /// The paths of the values that nobody has read.
    pub fn left(&self) -> Vec<String> {
        self.unread.iter().cloned().chain(self.values.keys().map(|key| self.path_of(key))).collect()
    }

    /// The whole path of this field; of this object, for an empty key.
    pub fn path_of(&self, key: &str) -> String {
        if key.is_empty() {
            return self.path.clone();
        }
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn read<T>(&mut self, key: &str, wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        match self.values.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(Error::invalid(&self.path_of(key), format!("expected {wanted}, found {}", kind(&value)))),
            },
        }
    }
}

/// What it is, without its content, which may be a secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_names_its_path_and_what_is_left_too() {
        let mut root = Fields::of(json!({"a": {"n": "x", "t": "y", "more": 1}, "b": null}), "").unwrap();
        let mut a = root.section("a").unwrap();
        let error = a.number("n").unwrap_err().message;
        assert_eq!(error, "a.n: expected a whole number from 0 to 4294967295, found a string");
        assert_eq!(a.text("t").unwrap().as_deref(), Some("y"));
        assert_eq!(a.left(), ["a.more"]);
        assert_eq!(root.flag("b").unwrap(), None);
        assert!(root.left().is_empty());
        assert!(Fields::of(json!([]), "").unwrap_err().message.starts_with("the document: "));
        let mut list = Fields::of(json!({"l": [{"n": 1}, {"n": "x"}], "m": 3}), "").unwrap();
        let mut sections = list.sections("l").unwrap();
        assert_eq!(sections[0].number("n").unwrap(), Some(1));
        assert!(sections[1].number("n").unwrap_err().message.starts_with("l[1].n: "));
        assert!(list.sections("m").unwrap_err().message.starts_with("m: expected a list"));
        assert_eq!(list.sections("none").unwrap(), []);
    }
}
