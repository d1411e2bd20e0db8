//! The time by which jobs wait: the wall clock's at the start, and from then on no clock that can be set.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Goes on evenly, whatever is done to the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started_at: Timestamp,
    start: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { started_at: Timestamp::now(), start: Instant::now() }
    }

    pub fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.start.elapsed()).unwrap_or(SignedDuration::MAX);
        self.started_at.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}
