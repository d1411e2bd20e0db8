//! Pure. What the recording lacks so far, and whether that has been reported.

use std::time::Instant;

use crate::recording::{Health, Quality};

/// What is missing.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// As of now.
    pub health: Health,
    /// Frames that earlier takes left out.
    dropped_before: u64,
    /// As it was reported last.
    reported: Health,
    /// Since when the video is of less than full quality.
    degraded: Option<Instant>,
}

impl Losses {
    /// Of a recording that lacks this already.
    pub fn after(health: Health) -> Self {
        Self { dropped_before: health.dropped_frames, health, ..Self::default() }
    }

    /// The video is of this quality from now on.
    pub fn quality(&mut self, quality: Quality, now: Instant) {
        self.count(now);
        self.degraded = (quality != Quality::Full).then_some(now);
    }

    /// What is to be reported, if that has changed. `dropped`: video frames left out so far.
    pub fn changed(&mut self, dropped: u64, now: Instant) -> Option<Health> {
        self.count(now);
        self.health.dropped_frames = self.dropped_before.saturating_add(dropped);
        if self.health == self.reported {
            return None;
        }
        self.reported.clone_from(&self.health);
        Some(self.health.clone())
    }

    /// Counts the time below full quality up to now.
    fn count(&mut self, now: Instant) {
        if let Some(since) = &mut self.degraded {
            let passed = now.saturating_duration_since(std::mem::replace(since, now));
            let ns = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
            self.health.degraded_ns = self.health.degraded_ns.saturating_add(ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_below_full_quality_counts_and_news_are_told_once() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut losses = Losses::default();
        assert_eq!(losses.changed(0, start), None);
        losses.quality(Quality::HalfRate, start + second);
        assert_eq!(losses.changed(0, start + 3 * second).map(|health| health.degraded_ns), Some(2_000_000_000));
        losses.quality(Quality::Full, start + 4 * second);
        assert_eq!(losses.changed(0, start + 9 * second).map(|health| health.degraded_ns), Some(3_000_000_000));
        assert_eq!(losses.changed(0, start + 20 * second), None);
        assert_eq!(losses.changed(7, start + 20 * second).map(|health| health.dropped_frames), Some(7));
    }
}
