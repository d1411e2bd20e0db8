//! Pure. The options of the recording feature, as La Suite Meet knows them.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

use super::length::length;
use super::modes::EncodingSection;
use super::upstream::class;
use crate::api::{ApiToken, Parser, Scopes, StorageEvents};
use crate::document::{checked, filled};
use crate::error::{Error, Result};
use crate::recording::{DiskMarks, Limits, Policy, Target};
use crate::secret::Secret;

/// Whether there are recordings, and how the world reaches them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// `RECORDING_ENABLE`: may recordings be started?
    pub enabled: bool,
    /// `RECORDING_DOWNLOAD_BASE_URL`, without a slash at its end: links to recordings are `<this>/<id>`.
    pub download_base_url: Option<String>,
    /// Storage events that are taken.
    pub storage_events: StorageEvents,
    /// A sidecar with the same bucket that was not heard of for so long is lost: its recordings are finished here; zero: never.
    pub adopt_after: Duration,
}

/// How long a sidecar may be silent unless told otherwise: longer than a machine takes to start again.
const ADOPT_AFTER: Duration = Duration::from_secs(600);

/// What nobody means to set: audio takes far less, a film of two people as much after half an hour.
const LEAST_MEMORY: u64 = 256 << 20;

/// The section `recording` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Recording {
    enabled: Option<bool>,
    #[serde(deserialize_with = "folder")]
    output_folder: Option<String>,
    #[serde(deserialize_with = "days")]
    expiration_days: Option<SignedDuration>,
    #[serde(deserialize_with = "link")]
    download_base_url: Option<String>,
    #[serde(deserialize_with = "parser")]
    event_parser: Parser,
    storage_event_enabled: bool,
    storage_event_auth: Option<bool>,
    #[serde(deserialize_with = "filled")]
    storage_event_token: Option<Secret>,
    #[serde(deserialize_with = "span")]
    adopt_after: Option<Duration>,
    /// What videos are made like.
    pub encoding: EncodingSection,
}

/// The section `limits` as it is written. Zero is no limit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LimitsSection {
    #[serde(deserialize_with = "time")]
    max_duration: Option<Duration>,
    max_size: Option<u64>,
    #[serde(deserialize_with = "time")]
    empty_room_timeout: Option<Duration>,
    #[serde(deserialize_with = "time")]
    warning: Option<Duration>,
    #[serde(deserialize_with = "percentage")]
    disk_warning: Option<u32>,
    disk_reserve: Option<u64>,
    #[serde(deserialize_with = "memory")]
    pub recorder_memory: Option<u64>,
}

impl Recording {
    /// What holds for every recording.
    pub fn policy(&self, targets: Vec<Target>, disk: DiskMarks) -> Policy {
        let output_folder = self.output_folder.clone().unwrap_or_else(|| Policy::default().output_folder);
        Policy { output_folder, expires_after: self.expiration_days, targets, disk }
    }

    /// What the rest of the section says.
    pub fn feature(self) -> Result<Feature> {
        let (enabled, auth) = (self.storage_event_enabled, self.storage_event_auth.unwrap_or(true));
        if enabled && auth && self.storage_event_token.is_none() {
            let why =
                "missing; set it (RECORDING_STORAGE_EVENT_TOKEN), or let anybody in with storage_event_auth: false";
            return Err(Error::invalid("recording.storage_event_token", why));
        }
        let hashed = |token: Secret| ApiToken::hashing("storage_event_token", token.expose(), Scopes::default());
        let token = self.storage_event_token.filter(|_| auth).map(hashed);
        Ok(Feature {
            enabled: self.enabled.unwrap_or(true),
            download_base_url: self.download_base_url,
            storage_events: StorageEvents { enabled, parser: self.event_parser, token },
            adopt_after: self.adopt_after.unwrap_or(ADOPT_AFTER),
        })
    }
}

impl LimitsSection {
    /// When a recording ends by itself.
    pub fn read(&self) -> Limits {
        Limits {
            max_duration: self.max_duration,
            max_bytes: self.max_size.filter(|bytes| *bytes > 0),
            empty_room: self.empty_room_timeout,
            warning: self.warning,
        }
    }

    /// What is left alone of the disk.
    pub fn disk(&self) -> DiskMarks {
        DiskMarks { warning: self.disk_warning.unwrap_or(DiskMarks::default().warning), reserve: self.disk_reserve }
    }
}

/// Bytes that a recorder may take.
fn memory<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<u64>, D::Error> {
    checked(value, |bytes: Option<u64>| match bytes {
        Some(few) if few < LEAST_MEMORY => {
            Err(format!("{few} bytes are less than a recording takes; use at least {LEAST_MEMORY} (256 MiB)"))
        }
        bytes => Ok(bytes),
    })
}

/// The first part of keys, without slashes around.
fn folder<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<String>, D::Error> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(char::is_control);
    checked(value, |text: Option<String>| match text.as_deref().map(|text| text.trim_matches('/')) {
        Some(folder) if folder.split('/').any(bad) => {
            Err(format!("{folder:?} is no folder; use a path such as recordings"))
        }
        folder => Ok(folder.map(str::to_owned)),
    })
}

fn days<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<SignedDuration>, D::Error> {
    checked(value, |days: Option<u32>| match days {
        Some(0) => Err("0 would remove recordings at once; leave it out to keep them"),
        days => Ok(days.map(|days| SignedDuration::from_hours(24 * i64::from(days)))),
    })
}

/// What links begin with: an `http` URL, without a slash at its end.
fn link<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<String>, D::Error> {
    let is_link = |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    checked(value, |text: Option<String>| match text {
        Some(text) if !is_link(&text) => Err(format!("{text:?} is no link; use one such as https://meet.example.org")),
        text => Ok(text.map(|text| text.trim_end_matches('/').to_owned())),
    })
}

fn parser<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Parser, D::Error> {
    checked(value, |name: Option<String>| match name.as_deref().map(class) {
        None | Some("" | "minio") => Ok(Parser::Minio),
        Some("s3") => Ok(Parser::S3),
        Some(name) => Err(format!("there is no parser {name:?}; use minio or s3")),
    })
}

/// A length of time; zero is none.
fn time<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Duration>, D::Error> {
    span(value).map(|time| time.filter(|time| !time.is_zero()))
}

/// A length of time, zero too.
fn span<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Duration>, D::Error> {
    let read = |text: String| length("", &text).map_err(|e| e.why().to_owned());
    checked(value, |text: Option<String>| text.map(read).transpose())
}

fn percentage<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<u32>, D::Error> {
    checked(value, |percent: Option<u32>| match percent {
        Some(percent) if percent > 99 => Err(format!("{percent} is not a percentage below 100; 0 never warns")),
        percent => Ok(percent),
    })
}
