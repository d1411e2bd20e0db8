//! When a recording ends by itself.

use std::time::Duration;

/// What ends a recording by itself, and when that is announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Stop after this much media; the outcome is `LimitReached`.
    pub max_duration: Option<Duration>,
    /// Stop at about this many bytes; the outcome is `LimitReached`.
    pub max_bytes: Option<u64>,
    /// Stop after nobody was in the room for this long; an ordinary end.
    pub empty_room: Option<Duration>,
    /// Announce the end this long before `max_duration`.
    pub warning: Option<Duration>,
}
