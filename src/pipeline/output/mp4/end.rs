//! Pure. Where a fragmented file ends: what a further take needs to know of it.

/// Where the file of the takes before ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEnd {
    /// Bytes up to the end of its last whole fragment.
    pub bytes: u64,
    /// Fragments so far.
    pub fragments: u32,
    /// Its tracks.
    pub tracks: Vec<TrackEnd>,
    /// Where its last picture is, if it has any.
    pub picture: Option<LastGroup>,
}

/// What is to be decoded for the last picture: the samples from the last sync sample on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastGroup {
    /// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1).
    pub codec_data: Vec<u8>,
    /// Offset in the file and size of each, in the order of decoding.
    pub samples: Vec<(u64, u32)>,
}

/// Where a track ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackEnd {
    /// `track_ID`.
    pub id: u32,
    /// Ticks of a second.
    pub timescale: u32,
    /// Decode time of the sample that comes next, in ticks.
    pub end: u64,
    /// `vide` or `soun`.
    pub handler: [u8; 4],
    /// `stsd`: how its samples are encoded.
    pub description: Vec<u8>,
}

impl TrackEnd {
    /// Where it ends, in nanoseconds.
    pub fn end_ns(&self) -> i64 {
        let ns = u128::from(self.end) * 1_000_000_000 / u128::from(self.timescale.max(1));
        i64::try_from(ns).unwrap_or(i64::MAX)
    }
}
