//! GStreamer: encoded media in, one file out.

use std::path::PathBuf;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::error::Result;
use crate::ids::{ParticipantId, TrackId};
use crate::media::{Codec, SenderReport, Unit};
use crate::recording::Output;
use crate::scene::Scene;

/// What the pipeline tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first samples are on their way to the muxer.
    Flowing,
    /// Nothing can be decoded before a key frame comes: ask the publisher for one.
    NeedKeyframe(TrackId),
    /// A frame of this track was decoded for the first time, or again after `Undecodable`.
    Decoding(TrackId),
    /// This track cannot be decoded (missing decoder, broken stream): show initials instead.
    Undecodable(TrackId, String),
    /// The file is whole. Bytes, and nanoseconds of media. The last event.
    Drained {
        /// File size.
        bytes: u64,
        /// Length of the recording.
        duration_ns: u64,
    },
    /// The output broke: encoder, muxer or disk. The last event.
    Broke(String),
}

/// Figures for the status line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Nanoseconds of media written.
    pub duration_ns: u64,
    /// Video frames written.
    pub frames: u64,
    /// Video frames left out because the machine could not keep up.
    pub dropped: u64,
    /// Bytes in the file so far.
    pub bytes: u64,
}

/// One recording's media: inputs, painter, mixer, output. Calls never block.
pub struct Pipeline {}

impl Pipeline {
    /// Fails with a line naming the missing GStreamer element or the unwritable path. `path` is the file being written
    /// (the caller renames it once `Drained` has come). Recording time zero is `start`.
    pub fn start(
        _output: &Output,
        _path: PathBuf,
        _start: Instant,
        _events: mpsc::UnboundedSender<Event>,
    ) -> Result<Self> {
        Ok(Self {})
    }

    /// From now on units of this track are accepted. Tracks of one participant are kept in lip-sync.
    pub fn attach(&mut self, _track: &TrackId, _participant: &ParticipantId, _codec: Codec) {}

    /// The track is gone; what has been decoded still plays.
    pub fn detach(&mut self, _track: &TrackId) {}

    /// One unit; ignored when the track is not attached.
    pub fn push(&mut self, _track: &TrackId, _unit: Unit) {}

    /// One sender report; ignored when the track is not attached.
    pub fn report(&mut self, _track: &TrackId, _report: SenderReport) {}

    /// Shows this scene from now on. Without effect in an audio-only pipeline.
    pub fn show(&mut self, _scene: Scene) {}

    /// Figures so far.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Writes everything that arrived up to now, ends the streams; `Drained` or `Broke` follows. Nothing can be pushed any more.
    pub fn drain(&mut self) {}
}
