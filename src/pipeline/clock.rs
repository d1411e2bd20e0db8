//! Pure. The recording's clock against the wall's: when is what made, and the names of the two constants that say so.

use std::time::{Duration, Instant};

use crate::timeline::RecordingTime;

/// The output runs this far behind arrival: room for jitter, retransmissions, lip-sync and decoding. What is
/// learnt late, such as who speaks, can still be shown from when it was true.
pub const LATENCY: Duration = Duration::from_millis(500);

/// Frames are decoded this much before they are shown, not earlier: encoded ones are smaller to keep.
pub const LEAD: Duration = Duration::from_millis(120);

/// The longest the painter may be behind before it leaves frames out.
pub const MOST_LATE: Duration = Duration::from_secs(1);

/// A thread that looks around twice a second and was away for this long did not run.
const STANDSTILL_NS: i64 = 2_000_000_000;

/// Notices that this process stood still.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    last: Option<RecordingTime>,
}

impl Pulse {
    /// It runs at `now`. Returns since when it had not.
    pub fn beat(&mut self, now: RecordingTime) -> Option<RecordingTime> {
        self.last.replace(now).filter(|last| now - last > STANDSTILL_NS)
    }
}

/// When time zero was: of the recording, or of a further take, whose threads count from where it begins.
#[derive(Clone, Copy, Debug)]
pub struct RecordingClock {
    start: Instant,
    /// How far the recording was at `start`.
    begin: RecordingTime,
}

impl RecordingClock {
    /// Recording time zero is `start`.
    pub const fn new(start: Instant) -> Self {
        Self { start, begin: 0 }
    }

    /// Of a take that begins at this recording time; that was at `start`.
    pub const fn of_take(start: Instant, begin: RecordingTime) -> Self {
        Self { start, begin }
    }

    /// A further take, some time after the one before.
    pub const fn resumes(self) -> bool {
        self.begin > 0
    }

    /// Recording time, in nanoseconds, of this time of the take.
    pub fn recorded(self, time: RecordingTime) -> u64 {
        (self.begin + time).max(0).unsigned_abs()
    }

    /// The recording time of an instant.
    pub fn time(self, at: Instant) -> RecordingTime {
        match at.checked_duration_since(self.start) {
            Some(after) => nanos(after),
            None => -nanos(self.start.saturating_duration_since(at)),
        }
    }

    /// When the output of recording time `time` (not negative) is made.
    pub fn due(self, time: RecordingTime) -> Instant {
        self.start + Duration::from_nanos(time.unsigned_abs()) + LATENCY
    }
}

/// A duration in nanoseconds.
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// `count` units of which `rate` make a second, in nanoseconds.
pub fn span(count: u64, rate: u64) -> i64 {
    i64::try_from(u128::from(count) * 1_000_000_000 / u128::from(rate.max(1))).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Pulse;

    #[test]
    fn a_standstill_is_noticed_once() {
        let mut pulse = Pulse::default();
        let half = 500_000_000;
        let beats = [0, 1, 2, 6, 7].map(|n| pulse.beat(n * half));
        assert_eq!(beats, [None, None, None, None, None], "slow is not still");
        assert_eq!(pulse.beat(47 * half), Some(7 * half));
        assert_eq!(pulse.beat(48 * half), None);
    }
}
