//! The configuration: defaults, then a YAML file, then environment and flags. One section per module that owns its struct.

use std::path::{Path, PathBuf};

use crate::api;
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::notify;
use crate::recording::{Class, Policy, WorkerClass, WorkerClasses, layout_named};
use crate::room::Server;
use crate::secret::Secret;
use crate::storage;

/// Where the sidecar listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:7990";
/// Where the sidecar keeps its data unless told otherwise.
const DATA_DIR: &str = "greffier-data";
/// A mode's layout unless told otherwise.
const LAYOUT: &str = "speaker-light";

/// Everything `greffier serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `livekit`: which server, with which key.
    pub server: Server,
    /// `listen`, `api_token`.
    pub api: api::Settings,
    /// `data_dir`: store, spool and finished files.
    pub data_dir: PathBuf,
    /// `storage`: where finished files go.
    pub storage: storage::Settings,
    /// `worker_classes`.
    pub worker_classes: WorkerClasses,
    /// What holds for every recording.
    pub policy: Policy,
    /// `mail`, `webhooks`, `room_notices`, `storage_hook`, `transcription`: who is told, and how.
    pub notify: notify::Settings,
}

/// What environment and flags say; each goes before the file.
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

impl Config {
    /// The configuration, and one warning for each key of the file that nobody knows.
    pub fn read(file: Option<&Path>, overrides: Overrides) -> Result<(Self, Vec<String>)> {
        let yaml = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|e| Error::invalid("--config", format!("cannot read {}: {e}", path.display())))?,
            None => String::new(),
        };
        Self::parse(&yaml, overrides)
    }

    /// Like [`Config::read`], from the file's text.
    pub fn parse(yaml: &str, overrides: Overrides) -> Result<(Self, Vec<String>)> {
        let mut root = Fields::of(values(yaml)?, "")?;
        let mut livekit = root.section("livekit")?;
        let file_secret = livekit.text("api_secret")?.map(Secret::new);
        let file_ca = livekit.text("ca_file")?.map(PathBuf::from);
        let file_insecure = livekit.flag("insecure")?.unwrap_or(false);
        let file_url = livekit.text("url")?;
        let file_key = livekit.text("api_key")?;
        let server = Server {
            url: overrides.url.or(file_url).unwrap_or_default(),
            api_key: overrides.api_key.or(file_key).unwrap_or_default(),
            api_secret: overrides.api_secret.or(file_secret).unwrap_or_else(|| Secret::new("")),
            ca_file: overrides.ca_file.or(file_ca),
            insecure: overrides.insecure || file_insecure,
        };
        server.validate()?;
        let file_token = root.text("api_token")?.map(Secret::new);
        let file_listen = root.text("listen")?;
        let listen = overrides.listen.or(file_listen).unwrap_or_else(|| LISTEN.to_owned());
        let mut api = api::Settings::new(&listen, overrides.api_token.or(file_token))?;
        api.public_url = root.text("public_url")?.map(|url| api::public_url(&url)).transpose()?;
        let file_data = root.text("data_dir")?.map(PathBuf::from);
        let data_dir = overrides.data_dir.or(file_data).unwrap_or_else(|| PathBuf::from(DATA_DIR));
        let mut stores = root.section("storage")?;
        let storage = storage::Settings::read(&mut stores)?;
        let mut modes = root.section("worker_classes")?;
        let (worker_classes, mut unknown) = worker_classes(&mut modes)?;
        let (notify, more) = notify::Settings::read(&mut root)?;
        unknown.extend(more);
        unknown.extend(livekit.left());
        unknown.extend(stores.left());
        unknown.extend(root.left());
        let warnings = unknown.into_iter().map(|path| format!("{path}: unknown key, ignored")).collect();
        let policy = Policy { targets: notify.targets(), ..Policy::default() };
        Ok((Self { server, api, data_dir, storage, worker_classes, policy, notify }, warnings))
    }
}

/// The YAML text as a tree.
fn values(yaml: &str) -> Result<serde_json::Value> {
    if yaml.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(serde_json::Value::Null);
    }
    // The whole report shows lines of the file, which may hold secrets; its first line says what and where.
    serde_saphyr::from_str(yaml).map_err(|e| {
        let report = e.to_string();
        Error::invalid("--config", format!("not valid YAML: {}", report.lines().next().unwrap_or_default()))
    })
}

fn worker_classes(modes: &mut Fields) -> Result<(WorkerClasses, Vec<String>)> {
    let mut classes = WorkerClasses::default();
    let mut unknown = Vec::new();
    for mode in modes.keys() {
        let mut fields = modes.section(&mode)?;
        let path = fields.path_of("class");
        let names = "use video_composite or audio_composite";
        let name = fields.text("class")?.ok_or_else(|| Error::invalid(&path, format!("missing; {names}")))?;
        let class =
            Class::named(&name).ok_or_else(|| Error::invalid(&path, format!("there is no class {name:?}; {names}")))?;
        let layout = fields.text("layout")?.unwrap_or_else(|| LAYOUT.to_owned());
        let layout = layout_named(&fields.path_of("layout"), &layout)?;
        let extension = class.container().extension();
        if let Some(outputs) = fields.texts("outputs")?
            && outputs != [extension]
        {
            let why = format!("{} makes exactly one file; use [{extension}] or leave it out", name);
            return Err(Error::invalid(&fields.path_of("outputs"), why));
        }
        unknown.extend(fields.left());
        classes.set(mode, WorkerClass::new(class, layout));
    }
    Ok((classes, unknown))
}

#[cfg(test)]
mod tests;
