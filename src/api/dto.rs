//! Pure. Our things as the REST door's JSON, and back.

use std::path::PathBuf;

use serde::Serialize;

use crate::control::Progress;
use crate::egress;
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::recording::{Encoding, Options, Outcome, Recording, State};

/// A recording's status, under the names of the room-recording feature. Those of the delivery come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Accepted; no media yet.
    Initiated,
    /// Media is recorded.
    Active,
    /// Ending or being saved.
    Stopped,
    /// The file is at its final place.
    Saved,
    /// And everybody who was to be told knows.
    NotificationSucceeded,
    /// It ended before anything was recorded.
    Aborted,
    /// It failed before anything was recorded.
    FailedToStart,
    /// It failed and there is no file.
    FailedToStop,
}

impl Status {
    /// The status of this recording.
    pub fn of(recording: &Recording) -> Self {
        match &recording.state {
            State::Starting => Self::Initiated,
            State::Active => Self::Active,
            State::Ending { .. } | State::Saving { .. } => Self::Stopped,
            State::Ended(outcome) | State::Told(outcome) | State::Removing { outcome, .. } => match outcome {
                Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::CutShort(_) => match recording.state {
                    State::Told(_) => Self::NotificationSucceeded,
                    _ => Self::Saved,
                },
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

/// The body of start-recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// `mode`.
    pub mode: String,
    /// How to encode, from `options`.
    pub encoding: Encoding,
    /// The rest of `options`.
    pub options: Options,
}

impl Start {
    /// Reads it; every error names its field.
    pub fn read(mut body: Fields) -> Result<Self> {
        let mode = body.text("mode")?.ok_or_else(|| {
            Error::invalid("mode", "missing; send {\"mode\": \"screen_recording\"} or {\"mode\": \"transcript\"}")
        })?;
        let mut asked = body.section("options")?;
        let encoding = Encoding {
            layout: asked.text("layout")?,
            width: asked.number("width")?,
            height: asked.number("height")?,
            framerate: asked.number("framerate")?,
            video_bitrate: asked.number("video_bitrate")?,
        };
        let options = Options {
            language: asked.text("language")?,
            transcribe: asked.flag("transcribe")?,
            collect_metadata: asked.flag("collect_metadata")?,
            original_mode: asked.text("original_mode")?,
            ..Options::default()
        };
        match body.left().into_iter().chain(asked.left()).next() {
            Some(unknown) => Err(Error::invalid(&unknown, "there is no such field")),
            None => Ok(Self { mode, encoding, options }),
        }
    }
}

/// `{"id", "name"}`: the room as an item shows it.
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

/// Figures of a recording that runs.
#[derive(Clone, Debug, Serialize)]
struct ProgressItem {
    /// Seconds.
    duration: f64,
    participants: usize,
    speaker: Option<String>,
    frames: u64,
    dropped: u64,
    bytes: u64,
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
    /// The file's name within the data directory.
    key: String,
    /// The file, once it is whole.
    path: Option<String>,
    /// Bytes, once it is whole.
    size: Option<u64>,
    /// Seconds, once it is whole; null when unknown.
    duration: Option<f64>,
    created_at: String,
    updated_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// What broke.
    error: Option<String>,
    /// What ended it.
    details: Option<String>,
    progress: Option<ProgressItem>,
}

impl Item {
    /// The item of this recording, whose finished file is or will be `file`.
    pub fn of(recording: &Recording, file: Option<PathBuf>, progress: Option<&Progress>) -> Self {
        let status = Status::of(recording);
        let saved = recording.state.outcome().is_some_and(Outcome::has_file);
        let (error, details) = match &recording.state {
            State::Starting | State::Active => (None, None),
            State::Ending { then }
            | State::Saving { then, .. }
            | State::Ended(then)
            | State::Told(then)
            | State::Removing { outcome: then, .. } => (then.failure().map(ToString::to_string), Some(then.words())),
        };
        let Options { language, transcribe, collect_metadata, original_mode, .. } = recording.options.clone();
        let media = recording.media.filter(|_| saved);
        Self {
            id: recording.id.to_string(),
            room: RoomItem { name: recording.request.room.clone() },
            mode: recording.mode.clone(),
            status: status.name(),
            egress_status: egress::Status::of(&recording.state).name(),
            options: OptionsItem { language, transcribe, collect_metadata, original_mode },
            key: recording.key.clone(),
            path: file.filter(|_| saved).map(|file| file.display().to_string()),
            size: media.map(|media| media.bytes),
            duration: media.and_then(|media| (media.duration_ns > 0).then(|| seconds(media.duration_ns))),
            created_at: recording.created_at.to_string(),
            updated_at: recording.updated_at.to_string(),
            started_at: recording.started_at.map(|at| at.to_string()),
            ended_at: recording.ended_at.map(|at| at.to_string()),
            error,
            details,
            progress: progress.map(|progress| ProgressItem {
                duration: seconds(progress.duration_ns),
                participants: progress.participants,
                speaker: progress.speaker.clone(),
                frames: progress.frames,
                dropped: progress.dropped,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start(body: serde_json::Value) -> Result<Start> {
        Start::read(Fields::of(body, "")?)
    }

    #[test]
    fn options_may_be_null_and_what_is_wrong_is_named() {
        let plain = start(json!({"mode": "transcript", "options": null})).unwrap();
        assert_eq!((plain.mode.as_str(), plain.options), ("transcript", Options::default()));
        let full =
            start(json!({"mode": "m", "options": {"language": "fr", "transcribe": true, "width": 640}})).unwrap();
        assert_eq!((full.options.transcribe, full.encoding.width), (Some(true), Some(640)));
        for (body, field) in [
            (json!({}), "mode: missing"),
            (json!({"mode": 3}), "mode: expected a text"),
            (json!({"mode": "m", "extra": 1}), "extra: there is no such field"),
            (json!({"mode": "m", "options": {"colour": 1}}), "options.colour: there is no such field"),
            (json!({"mode": "m", "options": {"width": -1}}), "options.width: expected a whole number"),
            (json!({"mode": "m", "options": "x"}), "options: expected names and values"),
        ] {
            let message = start(body).unwrap_err().message;
            assert!(message.starts_with(field), "{message}");
        }
    }
}
