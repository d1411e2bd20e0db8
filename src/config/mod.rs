//! The configuration: defaults, then a YAML file, then the environment, then flags. One section per module that owns its
//! struct; [`TABLE`] is the one list of every option.

mod feature;
mod length;
mod logging;
mod modes;
mod reference;
mod sections;
mod show;
mod source;
mod suggest;
mod table;
mod tree;
mod upstream;
mod warning;

pub use feature::Feature;
pub use length::length;
pub use logging::{Level, Logging};
pub use reference::reference;
pub use show::show;
pub use source::{Effective, Sources};
pub use table::{Entry, TABLE, ValueKind};
pub use warning::Warning;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::api;
use crate::control::AtClose;
use crate::document;
use crate::error::{Error, Result};
use crate::livekit::Server;
use crate::notify;
use crate::psrpc;
use crate::recording::{Limits, Policy, WorkerClasses};
use crate::secret::Secret;
use crate::storage;
use sections::Sections;

/// Everything `greffier serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `livekit`: which server, with which key.
    pub server: Server,
    /// `listen`, `api_token`.
    pub api: api::Settings,
    /// `data_dir`: store, spool and finished files.
    pub data_dir: PathBuf,
    /// `worker_classes`, with `recording.encoding`.
    pub worker_classes: WorkerClasses,
    /// `worker_classes.*.storage`: where the files of a mode go, when not to `storage`.
    pub mode_storages: BTreeMap<String, storage::Settings>,
    /// What holds for every recording.
    pub policy: Policy,
    /// `limits.recorder_memory`: a recorder that takes more bytes is replaced; none: the usual limit.
    pub recorder_memory: Option<u64>,
    /// `limits`: when a recording ends by itself.
    pub limits: Limits,
    /// `recording`: whether there are recordings, links, storage events.
    pub feature: Feature,
    /// `health_port`.
    pub health_port: Option<u16>,
    /// `prometheus_port`.
    pub prometheus_port: Option<u16>,
    /// `logging`: how much is written to standard error, and how.
    pub logging: Logging,
    /// `cluster_id`.
    pub cluster_id: String,
    /// `on_sigterm`.
    pub on_sigterm: AtClose,
    /// `disallow_local_storage`.
    pub disallow_local_storage: bool,
    /// `max_cpu_utilization`: a share of all cores; above 1 no figure keeps a recording from beginning.
    pub max_cpu_utilization: f64,
    /// `unsupported_requests`.
    pub unsupported: api::egress::Unsupported,
    /// `requests.allowed_hosts`: hosts of the network within that requests over HTTP may name.
    pub allowed_hosts: Vec<String>,
    /// `redis`: LiveKit's, by which its egress API is served; none without an address.
    pub redis: Option<psrpc::Settings>,
    /// `storage`: where finished files go.
    pub storage: storage::Settings,
    /// `mail`, `webhooks`, `room_notices`, `storage_hook`, `transcription`: who is notified, and how.
    pub notify: notify::Settings,
}

/// What flags say; it goes before everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `livekit.url`.
    pub url: Option<String>,
    /// `livekit.api_key`.
    pub api_key: Option<String>,
    /// `livekit.api_secret`.
    pub api_secret: Option<Secret>,
    /// `livekit.ca_file`.
    pub ca_file: Option<PathBuf>,
    /// `livekit.insecure`.
    pub insecure: bool,
    /// `listen`.
    pub listen: Option<String>,
    /// `data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `api_token`.
    pub api_token: Option<Secret>,
}

impl Overrides {
    /// Each flag that is given, with its option's path.
    fn values(&self) -> Vec<(&'static str, &'static str, Value)> {
        let Self { url, api_key, api_secret, ca_file, insecure, listen, data_dir, api_token } = self;
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let texts = [
            ("livekit.url", url.clone()),
            ("livekit.api_key", api_key.clone()),
            ("livekit.api_secret", api_secret.as_ref().map(|secret| secret.expose().to_owned())),
            ("livekit.ca_file", ca_file.as_ref().map(path)),
            ("listen", listen.clone()),
            ("data_dir", data_dir.as_ref().map(path)),
            ("api_token", api_token.as_ref().map(|secret| secret.expose().to_owned())),
        ];
        let texts = texts.into_iter().filter_map(|(path, text)| Some((path, text.filter(|text| !text.is_empty())?)));
        let flag =
            |path: &str| TABLE.iter().find(|entry| entry.path == path).and_then(|entry| entry.flag).unwrap_or("");
        let mut values: Vec<_> = texts.map(|(path, text)| (flag(path), path, Value::from(text))).collect();
        if *insecure {
            values.push((flag("livekit.insecure"), "livekit.insecure", true.into()));
        }
        values
    }
}

impl Config {
    /// The configuration, and a warning for each thing the operator should know.
    pub fn read(sources: &Sources) -> Result<(Self, Vec<Warning>)> {
        Self::of(&sources.read()?)
    }

    /// The LiveKit server alone, for verbs that need nothing else.
    pub fn server(sources: &Sources) -> Result<Server> {
        let effective = sources.read()?;
        let section = effective.tree.get("livekit").cloned().unwrap_or_default();
        let server = document::read(section, "livekit").and_then(|server: Server| server.validate().map(|()| server));
        server.map_err(|e| at_its_origin(&effective, e))
    }

    /// Like [`Config::read`], from a file's text and without any environment.
    pub fn parse(yaml: &str, flags: Overrides) -> Result<(Self, Vec<Warning>)> {
        Self::read(&Sources { body: Some(yaml.to_owned()), flags, ..Sources::default() })
    }

    /// What these values say.
    pub fn of(effective: &Effective) -> Result<(Self, Vec<Warning>)> {
        let mut warnings = effective.warnings.clone();
        let mut unknown = Vec::new();
        let sections = document::read_known(effective.tree.values(), "", &mut unknown);
        let config = sections.and_then(|sections: Sections| sections.read(&mut warnings));
        let config = config.map_err(|e| at_its_origin(effective, e))?;
        // A section that nobody reads has been named already, by its keys.
        unknown.retain(|path| !upstream::means_nothing(path) && !warnings.iter().any(|warning| warning.is_below(path)));
        warnings.extend(unknown.iter().map(|path| Warning::unknown_key(path, effective.upstream)));
        let mut seen = std::collections::HashSet::new();
        warnings.retain(|warning| seen.insert(warning.to_string()));
        Ok((config, warnings))
    }
}

/// Names what the operator wrote: the variable, the flag, or the key of others, instead of our path.
fn at_its_origin(effective: &Effective, error: Error) -> Error {
    let Some(path) = error.field() else { return error };
    // What was given as a whole has its origin at the whole.
    let mut at = path;
    let origin = loop {
        match (effective.tree.origin(at), at.rfind(['.', '['])) {
            (Some(origin), _) => break origin,
            (None, Some(end)) => at = &at[..end],
            (None, None) => return error,
        }
    };
    let foreign = origin.split_once(" (").and_then(|(_, key)| key.strip_suffix(')'));
    match (foreign, TABLE.iter().find(|entry| entry.is_set_by(origin))) {
        (Some(key), _) => error.clone().at(key),
        (None, Some(entry)) if entry.path == path => error.clone().at(origin),
        (None, Some(_)) => Error::invalid(origin, &error.message),
        (None, None) => error,
    }
}

#[cfg(test)]
mod tests;
