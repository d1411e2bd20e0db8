//! Gathers what default, file, environment and flags say into one tree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::table::{Entry, TABLE, ValueKind, entry};
use super::tree::{Tree, take};
use super::upstream::{FOREIGN, Here, gone, means_nothing};
use super::{Overrides, Warning};
use crate::error::{Error, Result};
use crate::recording::LAYOUT;

/// Where values come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--config-body`: the file's text.
    pub body: Option<String>,
    /// The variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// What flags say.
    pub flags: Overrides,
}

/// Every value with its origin, and what the operator should hear about.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The values.
    pub tree: Tree,
    /// One line each.
    pub warnings: Vec<Warning>,
    /// The file is LiveKit Egress's.
    pub upstream: bool,
}

/// Who set what nobody has set.
pub(super) const DEFAULT: &str = "default";

/// Ours, and no options.
const OTHER_VARIABLES: [&str; 6] =
    ["GREFFIER_CONFIG", "GREFFIER_LOG", "GREFFIER_SERVER", "GREFFIER_TOOLS", "GREFFIER_KEEP", "GREFFIER_FIGURES"];

/// The modes there are without a configuration.
fn modes() -> Value {
    json!({
        "screen_recording": { "class": "video_composite", "layout": LAYOUT.name() },
        "transcript": { "class": "audio_composite" },
    })
}

impl Sources {
    /// The process's own environment with these flags.
    pub fn of_process(file: Option<PathBuf>, body: Option<String>, flags: Overrides) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, body, environment, flags }
    }

    /// Reads everything. The error names the key, variable or flag.
    pub fn read(&self) -> Result<Effective> {
        let mut tree = Tree::default();
        let mut warnings = Vec::new();
        for entry in TABLE.iter().filter(|entry| !entry.default.is_empty()) {
            tree.lay(entry.path, typed(entry.kind, entry.path, entry.default)?, DEFAULT);
        }
        tree.merge("worker_classes", modes(), DEFAULT);
        let (origin, text, upstream) = self.text()?;
        lay_file(&mut tree, yaml(&origin, &text)?, &origin, upstream, &mut warnings)?;
        self.lay_environment(&mut tree, &mut warnings)?;
        for (flag, path, value) in self.flags.values() {
            tree.lay(path, value, flag);
        }
        Ok(Effective { tree, warnings, upstream })
    }

    /// The file's text, before it its name, after it whether it is LiveKit Egress's. Flags go first; of the variables a text
    /// goes before a file, as in LiveKit Egress.
    fn text(&self) -> Result<(String, String, bool)> {
        let file = |name: &str, path: &PathBuf, upstream: bool| {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Error::invalid(name, format!("cannot read {}: {e}", path.display())))?;
            Ok((path.display().to_string(), text, upstream))
        };
        if let Some(body) = &self.body {
            return Ok(("--config-body".to_owned(), body.clone(), false));
        }
        if let Some(path) = &self.file {
            return file("--config", path, false);
        }
        if let Some(path) = self.variable("GREFFIER_CONFIG") {
            return file("GREFFIER_CONFIG", &path.into(), false);
        }
        if let Some(body) = self.variable("EGRESS_CONFIG_BODY") {
            return Ok(("EGRESS_CONFIG_BODY".to_owned(), body.to_owned(), true));
        }
        if let Some(path) = self.variable("EGRESS_CONFIG_FILE") {
            return file("EGRESS_CONFIG_FILE", &path.into(), true);
        }
        Ok((String::new(), String::new(), false))
    }

    /// A variable; one that is set to nothing is not set.
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn lay_environment(&self, tree: &mut Tree, warnings: &mut Vec<Warning>) -> Result<()> {
        let mut known: Vec<String> = OTHER_VARIABLES.iter().map(|name| (*name).to_owned()).collect();
        for entry in TABLE {
            let own = entry.own_variable();
            let names = own.as_deref().into_iter().chain(entry.env.iter().copied());
            known.extend(names.clone().flat_map(|name| [name.to_owned(), format!("{name}_FILE")]));
            for name in names {
                if let Some((origin, text)) = self.value(entry, name)? {
                    tree.lay(entry.path, variable(entry, name, &text)?, &origin);
                    break;
                }
            }
        }
        // Kubernetes gives every container GREFFIER_PORT and GREFFIER_SERVICE_… when a service is called so.
        let injected = |name: &str| name.contains("_SERVICE_") || name.contains("_PORT");
        let ours =
            |name: &&String| name.starts_with("RECORDING_") || (name.starts_with("GREFFIER_") && !injected(name));
        let unknown = self.environment.keys().filter(ours).filter(|name| !known.contains(name));
        warnings.extend(unknown.map(|name| match gone(name) {
            Some(fix) => Warning::note(format!("{name}: {fix}")),
            None => Warning::unknown_variable(name, &known),
        }));
        Ok(())
    }

    /// What this variable says, or for a secret the file that its `…_FILE` form names.
    fn value(&self, entry: &Entry, name: &str) -> Result<Option<(String, String)>> {
        let plain = self.variable(name);
        if entry.kind != ValueKind::Secret {
            return Ok(plain.map(|text| (name.to_owned(), text.to_owned())));
        }
        let file = format!("{name}_FILE");
        match (plain, self.variable(&file)) {
            (Some(_), Some(_)) => Err(Error::invalid(&file, format!("{name} is set too; leave one of them out"))),
            (Some(text), None) => Ok(Some((name.to_owned(), text.to_owned()))),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| Error::invalid(&file, format!("cannot read {path}: {e}")))?;
                Ok(Some((file, text.trim_end_matches(['\n', '\r']).to_owned())))
            }
            (None, None) => Ok(None),
        }
    }
}

/// Lays the file over the defaults: first what is under the names of others, then what is under ours.
fn lay_file(
    tree: &mut Tree,
    mut values: Map<String, Value>,
    origin: &str,
    upstream: bool,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    let mut nothing = Vec::new();
    for (key, here) in FOREIGN {
        let Some(value) = take(&mut values, key) else { continue };
        let (path, value) = match *here {
            Here::Nothing => {
                nothing.push(*key);
                continue;
            }
            Here::Gone(fix) => {
                warnings.push(Warning::note(format!("{key}: {fix}")));
                continue;
            }
            Here::Is(path) => (path, value),
            Here::Millis(path) => {
                let text = value.as_u64().map(|ms| format!("{ms}ms"));
                let wrong = || Error::invalid(key, "expected milliseconds as a whole number");
                (path, if value.is_null() { value } else { text.ok_or_else(wrong)?.into() })
            }
        };
        if at(&values, path).is_some_and(|ours| !ours.is_null() && !ours.is_object()) {
            warnings.push(Warning::note(format!("{key}: not used, because {path} is there too")));
        }
        tree.merge(path, value, &format!("{origin} ({key})"));
    }
    drop_empty(&mut values);
    tree.merge("", Value::Object(values), origin);
    if !nothing.is_empty() {
        warnings.push(Warning::note(format!("{}: no meaning here, ignored", nothing.join(", "))));
    }
    let unknown = tree.leaves().filter(|leaf| leaf.origin.starts_with(origin) && entry(leaf.path).is_none());
    let unknown = unknown.map(|leaf| leaf.path).filter(|path| !is_above_an_entry(path) && !means_nothing(path));
    let unknown: Vec<_> = unknown.collect();
    warnings.extend(unknown.into_iter().map(|path| Warning::unknown_key(path, upstream)));
    Ok(())
}

/// A text where an object should be: whoever reads the section says so.
fn is_above_an_entry(path: &str) -> bool {
    TABLE.iter().any(|entry| entry.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn at<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = values.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

/// Takes away sections whose keys all were foreign.
fn drop_empty(values: &mut Map<String, Value>) {
    values.retain(|_, value| value.as_object().is_none_or(|section| !section.is_empty()));
}

/// The YAML text as an object.
fn yaml(origin: &str, text: &str) -> Result<Map<String, Value>> {
    match parse(text).map_err(|why| Error::invalid(name_of(origin), format!("not valid YAML: {why}")))? {
        Value::Object(values) => Ok(values),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Error::invalid(name_of(origin), "expected an object, such as `listen: 127.0.0.1:7990`"))
        }
    }
}

fn name_of(origin: &str) -> &str {
    if origin.is_empty() { "--config" } else { origin }
}

/// YAML, which JSON is too, and Python's dictionaries nearly.
fn parse(text: &str) -> std::result::Result<Value, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Value::Null);
    }
    // The whole report shows lines of the file, which may hold secrets; its first line says what and where.
    serde_saphyr::from_str(text).map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())
}

/// What a variable says, as the option wants it.
fn variable(entry: &Entry, name: &str, text: &str) -> Result<Value> {
    let own = entry.own_variable().is_some_and(|own| own == name);
    match entry.kind {
        ValueKind::Millis if !own => {
            let ms: u64 = text.trim().parse().map_err(|_| Error::invalid(name, "expected whole milliseconds"))?;
            Ok(format!("{ms}ms").into())
        }
        ValueKind::NotFlag if !own => Ok(typed(ValueKind::Flag, name, text)?.as_bool().map(|flag| !flag).into()),
        ValueKind::Text
        | ValueKind::Secret
        | ValueKind::Number
        | ValueKind::Real
        | ValueKind::Flag
        | ValueKind::NotFlag
        | ValueKind::List
        | ValueKind::Length
        | ValueKind::Millis
        | ValueKind::Tree
        | ValueKind::Objects => typed(entry.kind, name, text),
    }
}

/// A text as a value of this kind; the error names `field` and never shows the text, which may be a secret in the wrong
/// place.
fn typed(kind: ValueKind, field: &str, text: &str) -> Result<Value> {
    let wrong = |wanted: &str| Error::invalid(field, format!("expected {wanted}"));
    if kind == ValueKind::Secret {
        return Ok(text.into());
    }
    let text = text.trim();
    match kind {
        ValueKind::Text | ValueKind::Secret | ValueKind::Length | ValueKind::Millis => Ok(text.into()),
        ValueKind::Number => text.parse::<u64>().map(Value::from).map_err(|_| wrong("a whole number")),
        ValueKind::Real => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            Ok(_) | Err(_) => Err(wrong("a number")),
        },
        ValueKind::Flag | ValueKind::NotFlag => match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "y" | "t" => Ok(true.into()),
            "false" | "0" | "no" | "off" | "n" | "f" => Ok(false.into()),
            _ => Err(wrong("true or false")),
        },
        ValueKind::List if !text.starts_with('[') => {
            Ok(text.split(',').map(str::trim).filter(|one| !one.is_empty()).collect::<Vec<_>>().into())
        }
        ValueKind::List => match parse(text) {
            Ok(Value::Array(list)) => Ok(list.into()),
            Ok(_) | Err(_) => Err(wrong("a list such as a,b or [\"a\", \"b\"]")),
        },
        ValueKind::Objects => match parse(text) {
            Ok(Value::Array(list)) => Ok(list.into()),
            Ok(_) | Err(_) => Err(wrong("a list such as [{\"name\": \"value\"}]")),
        },
        ValueKind::Tree => match parse(text) {
            Ok(Value::Object(values)) => Ok(values.into()),
            Ok(_) | Err(_) => Err(wrong("an object such as {\"name\": \"value\"}")),
        },
    }
}
