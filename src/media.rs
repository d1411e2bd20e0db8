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
    /// RFC 9628; a unit holds all spatial layers of one moment, with an index ([`vp9::superframe`]).
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
    /// How many packets before it never came, as their numbers tell (RFC 3550, 5.1).
    pub missing: u32,
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

/// Several VP9 frames in one unit (VP9 bitstream specification 0.6, Annex B).
pub mod vp9 {
    use bytes::Bytes;

    /// The lengths of the frames of a unit, in order; `None` when it has no index of them.
    pub fn frames(unit: &[u8]) -> Option<Vec<usize>> {
        let marker = *unit.last()?;
        if marker & 0xe0 != 0xc0 {
            return None;
        }
        let (count, width) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
        let index = unit.get(unit.len().checked_sub(2 + count * width)?..)?;
        let (first, lengths) = index.split_first()?;
        if *first != marker {
            return None;
        }
        let little_endian = |bytes: &[u8]| bytes.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        Some(lengths.chunks_exact(width).take(count).map(little_endian).collect())
    }

    /// The unit with an index that says where its frames (at most eight) end. Without one a decoder has to find that out.
    pub fn superframe(unit: &[u8], ends: &[usize]) -> Bytes {
        let count = ends.len().clamp(1, 8);
        // Four bytes for each length.
        let marker = 0xc0 | 3 << 3 | u8::try_from(count - 1).unwrap_or(7);
        let mut indexed = Vec::with_capacity(unit.len() + 2 + count * 4);
        indexed.extend_from_slice(unit);
        indexed.push(marker);
        let mut begin = 0;
        for n in 0..count {
            // The last one takes what is left.
            let end = if n + 1 == count { unit.len() } else { ends.get(n).map_or(begin, |end| *end) };
            let length = u32::try_from(end.saturating_sub(begin)).unwrap_or(u32::MAX);
            indexed.extend_from_slice(&length.to_le_bytes());
            begin = begin.max(end);
        }
        indexed.push(marker);
        indexed.into()
    }
}
