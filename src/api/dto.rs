//! Pure. Our things as the REST API's JSON, and back.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::control::Progress;
use crate::egress;
use crate::recording::{Options, Outcome, Owner, Recording, State};

/// A recording's status, under the names of the room-recording feature. Those of the delivery come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestStatus {
    /// Accepted; no media yet.
    Initiated,
    /// Media is recorded.
    Active,
    /// Ending or being saved.
    Stopped,
    /// The file is at its final place.
    Saved,
    /// And everybody who was to be notified knows.
    NotificationSucceeded,
    /// It ended before anything was recorded.
    Aborted,
    /// It failed before anything was recorded.
    FailedToStart,
    /// It failed and there is no file.
    FailedToStop,
}

impl RestStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Initiated,
        Self::Active,
        Self::Stopped,
        Self::Saved,
        Self::NotificationSucceeded,
        Self::Aborted,
        Self::FailedToStart,
        Self::FailedToStop,
    ];

    /// The status of this recording.
    pub fn of(recording: &Recording) -> Self {
        match &recording.state {
            State::Starting => Self::Initiated,
            State::Active => Self::Active,
            State::Ending { .. } | State::Saving { .. } => Self::Stopped,
            State::Ended(outcome) | State::Notified(outcome) | State::Removing { outcome, .. } => match outcome {
                Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::CutShort(_) => {
                    let reported = matches!(recording.state, State::Notified(_));
                    if reported { Self::NotificationSucceeded } else { Self::Saved }
                }
                Outcome::Aborted(_) => Self::Aborted,
                Outcome::Failed(_) if recording.started_at.is_none() => Self::FailedToStart,
                Outcome::Failed(_) => Self::FailedToStop,
            },
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Saved => "saved",
            Self::NotificationSucceeded => "notification_succeeded",
            Self::Aborted => "aborted",
            Self::FailedToStart => "failed_to_start",
            Self::FailedToStop => "failed_to_stop",
        }
    }
}

/// The room as an item shows it.
#[derive(Clone, Debug, Serialize)]
struct RoomItem {
    name: String,
}

/// The options that were given.
#[derive(Clone, Debug, Serialize)]
struct OptionsItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcribe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collect_metadata: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_mode: Option<String>,
}

/// Whose it is; only those who may everything see it.
#[derive(Clone, Debug, Serialize)]
struct OwnerItem {
    email: String,
    name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
}

/// Figures of a recording that runs.
#[derive(Clone, Debug, Serialize)]
struct ProgressItem {
    /// Seconds.
    duration: f64,
    participants: usize,
    speaker: Option<String>,
    frames: u64,
    dropped: u64,
    quality: &'static str,
    bytes: u64,
}

/// What an item says besides the recording itself.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Where the pages are.
    pub public_url: Option<&'a str>,
    /// Show whose it is.
    pub owner: bool,
    /// Has it expired by then?
    pub now: Timestamp,
}

/// One recording.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    id: String,
    room: RoomItem,
    mode: String,
    status: &'static str,
    egress_status: &'static str,
    options: OptionsItem,
    owner: Option<OwnerItem>,
    /// The object's name in the storage.
    key: String,
    /// The file, once it is whole.
    path: Option<String>,
    /// The page on which it can be watched.
    url: Option<String>,
    /// Bytes, once it is whole.
    size: Option<u64>,
    /// Seconds, once it is whole; null when unknown.
    duration: Option<f64>,
    created_at: String,
    updated_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// When it is removed; null is never.
    expires_at: Option<String>,
    /// The same, under the feature's name.
    expired_at: Option<String>,
    is_expired: bool,
    /// What broke.
    error: Option<String>,
    /// What ended it.
    details: Option<String>,
    /// What is missing.
    health: Value,
    progress: Option<ProgressItem>,
}

impl Item {
    /// The item of this recording, whose finished file is or will be `file`.
    pub fn of(recording: &Recording, file: Option<PathBuf>, progress: Option<&Progress>, view: &View<'_>) -> Self {
        let status = RestStatus::of(recording);
        let saved = recording.state.outcome().is_some_and(Outcome::has_file);
        let (error, details) = match &recording.state {
            State::Starting | State::Active => (None, None),
            State::Ending { then }
            | State::Saving { then, .. }
            | State::Ended(then)
            | State::Notified(then)
            | State::Removing { outcome: then, .. } => (then.failure().map(ToString::to_string), Some(then.words())),
        };
        let Options { language, transcribe, collect_metadata, original_mode, owner, .. } = recording.options.clone();
        let owner = owner.filter(|_| view.owner);
        let media = recording.media.filter(|_| saved);
        Self {
            id: recording.id.to_string(),
            room: RoomItem { name: recording.request.room.clone() },
            mode: recording.mode.clone(),
            status: status.name(),
            egress_status: egress::Status::of(&recording.state).name(),
            options: OptionsItem { language, transcribe, collect_metadata, original_mode },
            owner: owner.map(|Owner { email, name, locale, time_zone }| OwnerItem { email, name, locale, time_zone }),
            key: recording.key.clone(),
            path: file.filter(|_| saved).map(|file| file.display().to_string()),
            url: view.public_url.map(|base| format!("{base}/recording/{}", recording.id)),
            size: media.map(|media| media.bytes),
            duration: media.and_then(|media| (media.duration_ns > 0).then(|| seconds(media.duration_ns))),
            created_at: recording.created_at.to_string(),
            updated_at: recording.updated_at.to_string(),
            started_at: recording.started_at.map(|at| at.to_string()),
            ended_at: recording.ended_at.map(|at| at.to_string()),
            expires_at: recording.expires_at.map(|at| at.to_string()),
            expired_at: recording.expires_at.map(|at| at.to_string()),
            is_expired: recording.expires_at.is_some_and(|at| at <= view.now),
            error,
            details,
            health: egress::health(&recording.health),
            progress: progress.map(|progress| ProgressItem {
                duration: seconds(progress.duration_ns),
                participants: progress.participants,
                speaker: progress.speaker.clone(),
                frames: progress.frames,
                dropped: progress.dropped,
                quality: progress.quality.name(),
                bytes: progress.bytes,
            }),
        }
    }
}

/// One page of items, as the feature's clients know it.
#[derive(Clone, Debug, Serialize)]
pub struct PageItem {
    /// Of all pages.
    pub count: usize,
    /// Its address, when there is one.
    pub next: Option<String>,
    /// Its address, when there is one.
    pub previous: Option<String>,
    /// Newest first.
    pub results: Vec<Item>,
}

#[allow(clippy::cast_precision_loss)]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
