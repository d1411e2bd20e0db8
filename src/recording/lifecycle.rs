//! A recording's life: states, wishes and facts.

use std::fmt;

/// A fact about a running recording, told by its recorder. It cannot be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Joined, and the first samples are on their way to the muxer.
    MediaFlowing,
    /// The room came to its end: closed, or we were removed; the words say which.
    RoomClosed(String),
    /// A limit was reached.
    LimitHit(Limit),
    /// The file is whole on disk. Bytes and nanoseconds of media. Nothing follows.
    Drained {
        /// File size.
        bytes: u64,
        /// Length of the recording.
        duration_ns: u64,
    },
    /// It broke; `salvaged` tells whether a playable file is left. Nothing follows.
    Broke {
        /// Why.
        failure: Failure,
        /// File size and nanoseconds of media, when a playable file is left.
        salvaged: Option<(u64, u64)>,
    },
}

/// What ends a recording by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `max_duration`.
    Duration,
}

/// Why it broke, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
