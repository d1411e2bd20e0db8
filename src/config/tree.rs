//! Pure. Values by their path, each with where it comes from; later layers lie over earlier ones.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The values of every layer, and who set each.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    values: Map<String, Value>,
    origins: BTreeMap<String, String>,
}

/// One value with its path.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Names separated by dots.
    pub path: &'a str,
    /// Never an object.
    pub value: &'a Value,
    /// Who set it.
    pub origin: &'a str,
}

impl Tree {
    /// Puts `value` at `path` instead of everything that was there.
    pub fn lay(&mut self, path: &str, value: Value, origin: &str) {
        take(&mut self.values, path);
        self.forget(path);
        self.merge(path, value, origin);
    }

    /// Puts `value` over what is at `path`, name by name. Nothing (`null`) changes nothing, but takes a mode away.
    pub fn merge(&mut self, path: &str, value: Value, origin: &str) {
        match value {
            Value::Null if path.starts_with("worker_classes.") => {
                take(&mut self.values, path);
                self.forget(path);
            }
            Value::Null => {}
            Value::Object(values) if values.is_empty() && (path.is_empty() || self.get(path).is_some()) => {}
            Value::Object(values) if !values.is_empty() => {
                for (key, value) in values {
                    let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                    self.merge(&path, value, origin);
                }
            }
            value @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
                if put(&mut self.values, path, value) {
                    self.forget(path);
                    self.origins.insert(path.to_owned(), origin.to_owned());
                }
            }
        }
    }

    /// The whole, without origins.
    pub fn values(&self) -> Value {
        Value::Object(self.values.clone())
    }

    /// The value at this path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let (first, rest) = split(path);
        let value = self.values.get(first)?;
        rest.map_or(Some(value), |rest| rest.split('.').try_fold(value, |value, key| value.get(key)))
    }

    /// Who set the value of this path.
    pub fn origin(&self, path: &str) -> Option<&str> {
        self.origins.get(path).map(String::as_str)
    }

    /// Every value, in the order of their paths.
    pub fn leaves(&self) -> impl Iterator<Item = Leaf<'_>> {
        self.origins.iter().filter_map(|(path, origin)| Some(Leaf { path, value: self.get(path)?, origin }))
    }

    fn forget(&mut self, path: &str) {
        let below = format!("{path}.");
        self.origins.retain(|other, _| other != path && !other.starts_with(&below));
    }
}

/// Takes the value of this path out.
pub fn take(values: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match split(path) {
        (key, None) => values.remove(key),
        (key, Some(rest)) => match values.get_mut(key)? {
            Value::Object(values) => take(values, rest),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        },
    }
}

/// False when something on the way is no object: whoever reads it says so.
fn put(values: &mut Map<String, Value>, path: &str, value: Value) -> bool {
    match split(path) {
        (key, None) => {
            values.insert(key.to_owned(), value);
            true
        }
        (key, Some(rest)) => match values.entry(key).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(values) => put(values, rest, value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
        },
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_layers_lie_over_earlier_ones_and_are_remembered() {
        let mut tree = Tree::default();
        tree.merge(
            "",
            json!({"a": {"x": 1, "y": 2}, "worker_classes": {"m": {"class": "c"}, "n": {"class": "c"}}}),
            "1st",
        );
        tree.merge("", json!({"a": {"y": 3}, "worker_classes": {"m": null}, "b": null}), "2nd");
        assert_eq!(tree.values(), json!({"a": {"x": 1, "y": 3}, "worker_classes": {"n": {"class": "c"}}}));
        assert_eq!((tree.origin("a.x"), tree.origin("a.y")), (Some("1st"), Some("2nd")));
        tree.lay("worker_classes", json!({"o": "c"}), "3rd");
        let leaves: Vec<_> = tree.leaves().map(|leaf| (leaf.path, leaf.origin)).collect();
        assert_eq!(leaves, [("a.x", "1st"), ("a.y", "2nd"), ("worker_classes.o", "3rd")]);
    }

    #[test]
    fn what_is_no_object_stays_for_its_reader() {
        let mut tree = Tree::default();
        tree.merge("", json!({"a": [1]}), "file");
        tree.lay("a.b", json!(2), "env");
        assert_eq!(tree.values(), json!({"a": [1]}));
    }
}
