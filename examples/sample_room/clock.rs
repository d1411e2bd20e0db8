//! One timeline for everything that is sent: the wall clock, read once and then counted monotonically.
//!
//! Frame `n` of a 30 fps track is due `n / 30` seconds after 1970, audio packet `m` at `m / 50`; RTP timestamps and
//! Sender Reports are computed from the same numbers, so picture and audio of all participants agree by construction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Seconds between 1900 (NTP, RFC 3550 section 4) and 1970 (Unix).
const NTP_OFFSET_S: u64 = 2_208_988_800;
const NANOS: u128 = 1_000_000_000;

/// The common clock. Copies agree.
#[derive(Clone, Copy)]
pub struct Clock {
    anchor: Instant,
    anchor_unix: Duration,
}

impl Clock {
    /// Reads the wall clock.
    pub fn start() -> Self {
        let anchor_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { anchor: Instant::now(), anchor_unix }
    }

    /// Time since 1970.
    pub fn now(&self) -> Duration {
        self.anchor_unix + self.anchor.elapsed()
    }

    /// A moment as time since 1970.
    pub fn at(&self, moment: Instant) -> Duration {
        self.anchor_unix + moment.saturating_duration_since(self.anchor)
    }

    /// Time since the program started.
    pub fn running(&self) -> Duration {
        self.anchor.elapsed()
    }

    /// The first tick not in the past, of a track with `rate` ticks per second.
    pub fn next_tick(&self, rate: u32) -> u64 {
        ticks(self.now(), rate) + 1
    }

    /// Sleeps until tick `n` of a track with `rate` ticks per second is due.
    pub async fn wait_for(&self, n: u64, rate: u32) {
        let due = n as u128 * NANOS / u128::from(rate);
        let since_anchor = due.saturating_sub(self.anchor_unix.as_nanos());
        tokio::time::sleep_until(self.anchor + Duration::from_nanos(since_anchor as u64)).await;
    }
}

/// Whole ticks of `rate` per second in `at`.
pub fn ticks(at: Duration, rate: u32) -> u64 {
    (at.as_nanos() * u128::from(rate) / NANOS) as u64
}

/// `at` (since 1970) as an NTP timestamp: 32 bits of seconds, 32 of fraction.
pub fn ntp(at: Duration) -> u64 {
    ((at.as_secs() + NTP_OFFSET_S) << 32) | ((u64::from(at.subsec_nanos()) << 32) / NANOS as u64)
}
