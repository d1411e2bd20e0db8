//! The configuration as it is written, with what each module makes of its section.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::logging::Logging;
use super::{Config, Warning, feature, modes};
use crate::api;
use crate::control::AtClose;
use crate::document::checked;
use crate::error::Result;
use crate::livekit::Server;
use crate::notify;
use crate::psrpc;
use crate::secret::Secret;
use crate::storage;

/// Every option, as `TABLE` lists them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sections {
    livekit: Server,
    listen: String,
    api_token: Option<Secret>,
    api_tokens: Vec<api::TokenEntry>,
    allow_unauthenticated_loopback: Option<bool>,
    trusted_proxies: Vec<String>,
    media_url: Option<String>,
    data_dir: PathBuf,
    public_url: Option<String>,
    #[serde(deserialize_with = "port")]
    health_port: Option<u16>,
    #[serde(deserialize_with = "port")]
    prometheus_port: Option<u16>,
    logging: Logging,
    recording: feature::Recording,
    worker_classes: BTreeMap<String, modes::Mode>,
    limits: feature::LimitsSection,
    storage: storage::Section,
    mail: notify::MailSection,
    webhooks: notify::Webhooks,
    room_notices: Option<bool>,
    storage_hook: notify::StorageHook,
    transcription: notify::Transcription,
    redis: psrpc::Section,
    cluster_id: String,
    #[serde(deserialize_with = "share")]
    max_cpu_utilization: Option<f64>,
    on_sigterm: String,
    disallow_local_storage: bool,
    unsupported_requests: String,
    requests: Requests,
}

/// `requests`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Requests {
    allowed_hosts: Vec<String>,
}

impl Sections {
    /// What they come to.
    pub fn read(self, warnings: &mut Vec<Warning>) -> Result<Config> {
        self.livekit.validate()?;
        let api = api::Settings::read(api::Sections {
            listen: self.listen,
            api_token: self.api_token,
            api_tokens: self.api_tokens,
            allow_unauthenticated_loopback: self.allow_unauthenticated_loopback,
            public_url: self.public_url,
            trusted_proxies: self.trusted_proxies,
            media_url: self.media_url,
        })?;
        let notify = notify::Settings::read(notify::Sections {
            mail: self.mail,
            webhooks: self.webhooks,
            room_notices: self.room_notices,
            storage_hook: self.storage_hook,
            transcription: self.transcription,
        })?;
        let encoding = modes::Encoding::read(&self.recording.encoding, warnings);
        let (worker_classes, mode_storages) = modes::read(self.worker_classes, &encoding)?;
        let policy = self.recording.policy(notify.targets(), self.limits.disk());
        let feature = self.recording.feature()?;
        let redis = psrpc::Settings::read(self.redis)?;
        Ok(Config {
            server: self.livekit,
            api: api::Settings { enabled: feature.enabled, events: feature.storage_events.clone(), ..api },
            data_dir: self.data_dir,
            worker_classes,
            mode_storages,
            policy,
            recorder_memory: self.limits.recorder_memory,
            limits: self.limits.read(),
            feature,
            health_port: self.health_port,
            prometheus_port: self.prometheus_port,
            logging: self.logging,
            cluster_id: self.cluster_id,
            disallow_local_storage: self.disallow_local_storage,
            max_cpu_utilization: self.max_cpu_utilization.unwrap_or(MAX_CPU_UTILIZATION),
            unsupported: api::egress::Unsupported::named(&self.unsupported_requests)?,
            allowed_hosts: self.requests.allowed_hosts,
            on_sigterm: AtClose::named(&self.on_sigterm, redis.is_some())?,
            redis,
            storage: storage::Settings::read(self.storage)?,
            notify,
        })
    }
}

/// A share of all cores unless it is said: the rest keeps running recordings steady.
const MAX_CPU_UTILIZATION: f64 = 0.9;

fn share<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<f64>, D::Error> {
    let fix = "use a share of all cores such as 0.9; 100 refuses nothing as long as recordings keep up";
    checked(value, |share: Option<f64>| match share {
        Some(share) if !(share > 0.0 && share <= 100.0) => Err(format!("{share} is out of range; {fix}")),
        share => Ok(share),
    })
}

/// A port; 0 is none.
fn port<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<u16>, D::Error> {
    checked(value, |port: Option<u32>| {
        let port = port.unwrap_or(0);
        let number = u16::try_from(port).map_err(|_| format!("{port} is no port; use 1 to 65535, or 0 for none"))?;
        Ok::<_, String>(Some(number).filter(|number| *number > 0))
    })
}
