//! GStreamer: encoded media in, one file out.

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::error::Result;
use crate::ids::{ParticipantId, TrackId};
use crate::recording::Output;
use crate::scene::Scene;

/// What a track is encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Audio, RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 9628; a unit holds all spatial layers of one moment.
    Vp9,
    /// RFC 6184; Annex B byte stream, one access unit.
    H264,
    /// One temporal unit of OBUs.
    Av1,
}

/// One depayloaded frame (video) or packet (audio) of one track, in decoding order.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The payload.
    pub data: Bytes,
    /// RTP time, unwrapped, in ticks of the codec's clock (48 000 or 90 000 a second).
    pub rtp: u64,
    /// When its first packet arrived.
    pub arrival: Instant,
    /// False when something before it was lost for good.
    pub contiguous: bool,
    /// Can be decoded without those before it.
    pub keyframe: bool,
}

/// An RTCP sender report (RFC 3550, 6.4.1): this RTP time is that moment of the publisher's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// RTP time, unwrapped as in [`Unit::rtp`].
    pub rtp: u64,
    /// The publisher's wall clock, nanoseconds since 1970.
    pub ntp_ns: i64,
}

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
