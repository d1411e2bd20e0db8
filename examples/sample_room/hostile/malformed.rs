//! Payloads that no encoder makes, by name, for each codec: what a guest may send and a depayloader or decoder must survive.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use crate::payload::Codec;

/// Whose payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Opus,
    Video(Codec),
}

/// Each way by its name, with bytes that are followed by so many random ones.
type Table = &'static [(&'static str, &'static [u8], usize)];

/// RFC 6184: NAL unit types.
const H264: Table = &[
    ("nal0", &[0x60], 20),
    ("nal25", &[0x79], 20),
    ("nal26", &[0x7a], 20),
    ("nal27", &[0x7b], 20),
    ("nal29", &[0x7d, 0x85], 20),
    ("nal30", &[0x7e], 20),
    ("nal31", &[0x7f], 20),
    ("header-alone", &[0x65], 0),
    ("stap-empty", &[0x78], 0),
    ("stap-half-length", &[0x78, 0x00], 0),
    ("stap-too-long", &[0x78, 0x00, 0x04, 0x68, 0xce, 0x3c, 0x80, 0x7f, 0xff, 0x67], 4),
    ("stap-zero-length", &[0x78, 0x00, 0x00, 0x00, 0x00], 0),
    ("fu-one-byte", &[0x7c], 0),
    ("fu-two-bytes", &[0x7c, 0x85], 0),
    ("fu-no-start", &[0x7c, 0x05], 30),
    ("fu-start-and-end", &[0x7c, 0xc5], 30),
    ("fu-of-a-stap", &[0x7c, 0x98, 0xff, 0xff], 10),
    ("sps-garbage", &[0x67, 0x42, 0xc0, 0x1f], 12),
    ("sps-empty", &[0x67], 0),
    ("pps-garbage", &[0x68], 6),
    ("idr-garbage", &[0x65, 0x88], 200),
    ("slice-garbage", &[0x41, 0x9a], 200),
];

/// AV1 RTP specification: the aggregation header is Z Y W(2) N, then elements with LEB128 lengths.
const AV1: Table = &[
    ("header-alone", &[0x18], 0),
    ("obu-too-long", &[0x00, 0x7f, 0x0a], 4),
    ("obu-zero", &[0x00, 0x00, 0x00], 0),
    ("leb128-endless", &[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 4),
    ("leb128-huge", &[0x00, 0xff, 0xff, 0xff, 0xff, 0x0f], 4),
    ("leb128-cut", &[0x20, 0x80], 0),
    ("inner-size-too-long", &[0x18, 0x0a, 0x7f], 6),
    ("inner-size-endless", &[0x18, 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2),
    ("continues-nothing", &[0x90, 0x32], 30),
    ("goes-on-for-ever", &[0x50, 0x32], 30),
    ("reserved-type", &[0x18, 0x48], 30),
    ("forbidden-bit", &[0x18, 0x8a], 30),
    ("extension-cut", &[0x10, 0x0c], 0),
    ("sequence-garbage", &[0x18, 0x08], 12),
    ("sequence-empty", &[0x18, 0x08], 0),
    ("frame-garbage", &[0x10, 0x30], 200),
];

/// RFC 7741: X R N S R PID, then I L T K.
const VP8: Table = &[
    ("descriptor-cut", &[0x90, 0x80], 0),
    ("descriptor-half-id", &[0x90, 0x80, 0x80], 0),
    ("descriptor-all", &[0x90, 0xf0, 0x80], 0),
    ("descriptor-alone", &[0x90, 0x80, 0x80, 0x01], 0),
    ("partition-7", &[0x97, 0x80, 0x80, 0x01], 40),
    ("key-cut", &[0x90, 0x80, 0x80, 0x01, 0x10, 0x02, 0x00, 0x9d, 0x01], 0),
    ("key-wrong-code", &[0x90, 0x80, 0x80, 0x01, 0x10, 0x02, 0x00, 0x9d, 0x01, 0xff], 40),
    ("key-zero-size", &[0x90, 0x80, 0x80, 0x01, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0, 0, 0, 0], 40),
    ("first-part-too-long", &[0x90, 0x80, 0x80, 0x01, 0xf0, 0xff, 0xff, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01], 9),
    ("key-garbage", &[0x90, 0x80, 0x80, 0x01, 0x90, 0xc4, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01], 200),
    ("delta-garbage", &[0x90, 0x80, 0x80, 0x01, 0x31, 0x02, 0x00], 100),
];

/// RFC 9628: I P L F B E V Z.
const VP9: Table = &[
    ("descriptor-cut", &[0xac, 0x80], 0),
    ("layers-cut", &[0xaa, 0x80, 0x01], 0),
    ("structure-cut", &[0xae, 0x80, 0x01, 0x00, 0x00, 0xf8, 0x05], 0),
    ("structure-too-long", &[0xae, 0x80, 0x01, 0x00, 0x00, 0x08, 0xff, 0x0c, 0x01], 4),
    ("references-endless", &[0xdc, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff], 4),
    ("key-cut", &[0x8c, 0x80, 0x01, 0x82, 0x49, 0x83], 0),
    ("key-garbage", &[0x8c, 0x80, 0x01, 0x82, 0x49, 0x83, 0x42], 200),
    ("profile-3", &[0x8c, 0x80, 0x01, 0xb2, 0x49, 0x83, 0x42], 60),
    ("show-existing", &[0xcc, 0x80, 0x01, 0x8f], 0),
    ("delta-garbage", &[0xcc, 0x80, 0x01, 0x86], 100),
];

/// RFC 6716, 3: the first byte says mode and number of frames.
const OPUS: Table = &[
    ("one-byte", &[0xfc], 0),
    ("three-frames-cut", &[0xff], 0),
    ("no-frames", &[0xff, 0x00], 10),
    ("too-many-frames", &[0xff, 0x3f], 10),
    ("frames-too-long", &[0xff, 0x83, 0xfd, 0xff, 0xfd, 0xff], 10),
    ("padding-endless", &[0xff, 0x41, 0xff, 0xff, 0xff, 0xff], 2),
    ("odd-halves", &[0xfd], 11),
    ("longer-than-allowed", &[0xfc], 1180),
    ("60-ms-of-noise", &[0x18], 90),
    ("noise", &[], 80),
];

impl Medium {
    fn table(self) -> Table {
        match self {
            Self::Opus => OPUS,
            Self::Video(Codec::H264) => H264,
            Self::Video(Codec::Av1) => AV1,
            Self::Video(Codec::Vp8) => VP8,
            Self::Video(Codec::Vp9) => VP9,
        }
    }

    /// The names of what can be malformed.
    pub fn kinds(self) -> Vec<&'static str> {
        self.table().iter().map(|(name, ..)| *name).collect()
    }

    /// Whether there is such a kind, or it is a word for several.
    pub fn knows(self, kind: &str) -> bool {
        matches!(kind, "any" | "each") || self.table().iter().any(|(name, ..)| *name == kind)
    }

    /// A payload of this kind (`any`: of a random one), or `None` when this codec has no such kind.
    pub fn malformed(self, kind: &str, rng: &mut StdRng) -> Option<Bytes> {
        let table = self.table();
        let (_, head, random) = match kind {
            "any" => &table[rng.random_range(0..table.len())],
            _ => table.iter().find(|(name, ..)| *name == kind)?,
        };
        let mut tail = vec![0; *random];
        rng.fill_bytes(&mut tail);
        Some(Bytes::from([head, &tail[..]].concat()))
    }
}
