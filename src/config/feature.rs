//! Pure. The options of the recording feature, as La Suite Meet knows them.

use std::time::Duration;

use jiff::SignedDuration;

use super::length::length;
use super::link;
use super::upstream::class;
use crate::api::{ApiToken, Parser, Scopes, StorageEvents};
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::recording::{DiskMarks, Limits, Policy};

/// Whether there are recordings, and how the world reaches them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// `RECORDING_ENABLE`: may recordings be started?
    pub enabled: bool,
    /// `RECORDING_DOWNLOAD_BASE_URL`, without a slash at its end: links to recordings are `<this>/<id>`.
    pub download_base_url: Option<String>,
    /// Storage events that are taken.
    pub storage_events: StorageEvents,
}

impl Feature {
    /// The section `recording`.
    pub(super) fn read(fields: &mut Fields) -> Result<Self> {
        let base = fields.path_of("download_base_url");
        let download_base_url = fields.text("download_base_url")?.map(|url| link(&base, &url)).transpose()?;
        let enabled = fields.flag("enabled")?.unwrap_or(true);
        Ok(Self { enabled, download_base_url, storage_events: storage_events(fields)? })
    }
}

/// `recording.event_parser` and `recording.storage_event_*`.
fn storage_events(fields: &mut Fields) -> Result<StorageEvents> {
    let enabled = fields.flag("storage_event_enabled")?.unwrap_or(false);
    let auth = fields.flag("storage_event_auth")?.unwrap_or(true);
    let token = fields.text("storage_event_token")?.filter(|token| !token.is_empty());
    let name = fields.text("event_parser")?.unwrap_or_default();
    let parser = match class(&name) {
        "" | "minio" => Parser::Minio,
        "s3" => Parser::S3,
        _ => {
            let why = format!("there is no parser {name:?}; use minio or s3");
            return Err(Error::invalid(&fields.path_of("event_parser"), why));
        }
    };
    if enabled && auth && token.is_none() {
        let why = "missing; set it (RECORDING_STORAGE_EVENT_TOKEN), or let anybody in with storage_event_auth: false";
        return Err(Error::invalid(&fields.path_of("storage_event_token"), why));
    }
    let hashed = |token: String| ApiToken::hashing("storage_event_token", &token, Scopes::default());
    Ok(StorageEvents { enabled, parser, token: token.filter(|_| auth).map(hashed) })
}

/// `recording.output_folder` and `recording.expiration_days`.
pub(super) fn policy(fields: &mut Fields) -> Result<Policy> {
    let path = fields.path_of("output_folder");
    let folder = fields.text("output_folder")?.unwrap_or_default();
    let folder = folder.trim_matches('/');
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(char::is_control);
    if folder.split('/').any(bad) {
        return Err(Error::invalid(&path, format!("{folder:?} is no folder; use a path such as recordings")));
    }
    let path = fields.path_of("expiration_days");
    let expires_after = match fields.number("expiration_days")? {
        None => None,
        Some(0) => return Err(Error::invalid(&path, "0 would remove recordings at once; leave it out to keep them")),
        Some(days) => Some(SignedDuration::from_hours(24 * i64::from(days))),
    };
    Ok(Policy { output_folder: folder.to_owned(), expires_after, ..Policy::default() })
}

/// What is left alone of the disk, in the section `limits`.
pub(super) fn disk(fields: &mut Fields) -> Result<DiskMarks> {
    let path = fields.path_of("disk_warning");
    let warning = fields.number("disk_warning")?.unwrap_or(DiskMarks::default().warning);
    if warning > 99 {
        return Err(Error::invalid(&path, format!("{warning} is not a percentage below 100; 0 never warns")));
    }
    Ok(DiskMarks { warning, reserve: fields.bytes("disk_reserve")? })
}

/// The section `limits`. Zero is no limit.
pub(super) fn limits(fields: &mut Fields) -> Result<Limits> {
    let mut duration = |key: &str| -> Result<Option<Duration>> {
        let path = fields.path_of(key);
        let length = fields.text(key)?.map(|text| length(&path, &text)).transpose()?;
        Ok(length.filter(|length| !length.is_zero()))
    };
    let max_duration = duration("max_duration")?;
    let (empty_room, warning) = (duration("empty_room_timeout")?, duration("warning")?);
    let max_bytes = fields.bytes("max_size")?.filter(|bytes| *bytes > 0);
    Ok(Limits { max_duration, max_bytes, empty_room, warning })
}
