//! What travels from a room to a pipeline: depayloaded frames, and the sender reports that date them.

use std::time::Instant;

use bytes::Bytes;

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
