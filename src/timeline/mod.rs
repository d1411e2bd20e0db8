//! RTP time and sender reports → recording time.

/// A moment of the recording, in nanoseconds since its first sample. Negative: before the recording began.
pub type RecordingTime = i64;
