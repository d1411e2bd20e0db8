//! Pure. Whether the wall clock may be believed: what is thrown away because of it is gone for good.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Not before the process has run for this long: a clock may be set right only after the machine has started.
const AT_FIRST: Duration = Duration::from_secs(600);
/// Nor within this time after the clock was set.
const AFTER_A_JUMP: Duration = Duration::from_secs(3600);
/// A clock that is corrected in small steps was not set.
const JUMP: SignedDuration = SignedDuration::from_secs(60);

/// Watches one wall clock beside one that cannot be set.
#[derive(Debug)]
pub struct Calendar {
    seen: Option<(Timestamp, Duration)>,
    believed_from: Duration,
}

impl Calendar {
    /// Nothing was seen yet.
    pub const fn new() -> Self {
        Self { seen: None, believed_from: AT_FIRST }
    }

    /// Whether the wall clock, which shows this after the process has run for so long, may be believed.
    pub fn believes(&mut self, wall: Timestamp, running: Duration) -> bool {
        let jumped = self.seen.is_some_and(|(before, then)| {
            let passed = SignedDuration::try_from(running.saturating_sub(then)).unwrap_or(SignedDuration::MAX);
            wall.duration_since(before).saturating_sub(passed).abs() > JUMP
        });
        self.seen = Some((wall, running));
        if jumped {
            self.believed_from = self.believed_from.max(running + AFTER_A_JUMP);
        }
        running >= self.believed_from
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_just_set_is_not_believed() {
        let mut calendar = Calendar::new();
        let mut offset = SignedDuration::ZERO;
        let mut at = |calendar: &mut Calendar, minute: u64, set_by_hours: i64| {
            offset += SignedDuration::from_hours(set_by_hours);
            let running = Duration::from_secs(60 * minute);
            calendar.believes(Timestamp::UNIX_EPOCH + offset + SignedDuration::from_secs(60 * minute as i64), running)
        };
        let mut seen = Vec::new();
        for minute in 0..300 {
            seen.push(at(
                &mut calendar,
                minute,
                match minute {
                    100 => 24 * 365,
                    200 => -24 * 365,
                    _ => 0,
                },
            ));
        }
        let wanted: Vec<_> = (0..300).map(|n| (10..100).contains(&n) || (160..200).contains(&n) || n >= 260).collect();
        assert_eq!(seen, wanted);
    }
}
