//! Pure. Does the machine keep up? How late frames are → how much is done for them.
//!
//! The painter waits for a slow encoder, and a starved machine lets the painter wait: so lateness says both, whoever
//! uses the processors. Going down is quick, before the painter's patience ends and frames are lost in bursts. Room
//! cannot be seen from a cheaper level, so going up is a trial, and each that fails doubles the wait for the next.

use std::time::{Duration, Instant};

use crate::recording::Quality;

/// Later than this, and not catching up: overload.
const LATE: Duration = Duration::from_millis(200);
/// Within this everything is well.
const ON_TIME: Duration = Duration::from_millis(100);
/// So late that it must be quick: half of what is left until frames are lost.
const URGENT: Duration = Duration::from_millis(550);
/// How long overload is looked at before the next step down.
const WINDOW: Duration = Duration::from_millis(500);
/// The same, when it is urgent.
const QUICK_WINDOW: Duration = Duration::from_millis(150);
/// Catching up at least this much from one look to the next is enough.
const GAIN: Duration = Duration::from_millis(50);
/// How long everything must have been well before a step up; doubles with each that fails.
const CALM: Duration = Duration::from_secs(8);
/// The longest it doubles to.
const LONGEST_CALM: Duration = Duration::from_secs(512);
/// A step up that holds for this long was right.
const TRIAL: Duration = Duration::from_secs(60);

/// The decision about one recording.
#[derive(Debug)]
pub struct Overload {
    quality: Quality,
    /// The current look: since when, and how late it was then. `None` while everything is well.
    look: Option<(Instant, Duration)>,
    /// Since when everything is well.
    calm_since: Option<Instant>,
    /// When the last step up was tried.
    tried: Option<Instant>,
    calm: Duration,
}

impl Overload {
    /// Nothing is left away yet.
    pub const fn new() -> Self {
        Self { quality: Quality::Full, look: None, calm_since: None, tried: None, calm: CALM }
    }

    /// What is done now.
    pub const fn quality(&self) -> Quality {
        self.quality
    }

    /// A picture is `late` at `now`. The other quality from now on, if it changes.
    pub fn late(&mut self, late: Duration, now: Instant) -> Option<Quality> {
        if late > ON_TIME {
            self.calm_since = None;
        }
        if late <= LATE {
            if late <= ON_TIME {
                self.look = None;
            }
            return self.up(now);
        }
        let Some((since, before)) = self.look else {
            self.look = Some((now, late));
            return None;
        };
        let length = if late > URGENT { QUICK_WINDOW } else { WINDOW };
        if now.saturating_duration_since(since) < length {
            return None;
        }
        self.look = Some((now, late));
        if late + GAIN <= before { None } else { self.down(now) }
    }

    fn down(&mut self, now: Instant) -> Option<Quality> {
        self.quality = self.quality.cheaper()?;
        if let Some(tried) = self.tried.take() {
            let held = now.saturating_duration_since(tried);
            self.calm = if held < TRIAL {
                (self.calm * 2).min(LONGEST_CALM)
            } else {
                // Halved for each trial's time that it held.
                let halvings = u32::try_from(held.as_secs() / TRIAL.as_secs()).unwrap_or(u32::MAX).min(16);
                (self.calm / 2_u32.pow(halvings)).max(CALM)
            };
        }
        Some(self.quality)
    }

    fn up(&mut self, now: Instant) -> Option<Quality> {
        let better = self.quality.better()?;
        let since = *self.calm_since.get_or_insert(now);
        if self.look.is_some() || now.saturating_duration_since(since) < self.calm {
            return None;
        }
        self.calm_since = Some(now);
        self.tried = Some(now);
        self.quality = better;
        Some(better)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A recording of 30 frames a second on a machine of which `speed(second)` is left for it: 1 is just enough for the
    /// full quality. Returns the changes with their millisecond, and how late it was at the worst.
    fn play(seconds: u64, speed: impl Fn(u64) -> f64) -> (Vec<(u64, Quality)>, Duration) {
        let start = Instant::now();
        let mut overload = Overload::new();
        let (mut now, mut tick, mut worst) = (0.0, 0, Duration::ZERO);
        let mut changes = Vec::new();
        while tick < seconds * 30 {
            let due = tick as f64 / 30.0;
            now = f64::max(now, due);
            let late = Duration::from_secs_f64(now - due);
            worst = worst.max(late);
            if let Some(quality) = overload.late(late, start + Duration::from_secs_f64(now)) {
                changes.push(((now * 1000.0) as u64, quality));
            }
            // As it was measured: decoding goes on whatever is shown, the quick encoder costs a third.
            let quality = overload.quality();
            let (encode, decode) =
                (if quality.fast() { 0.25 } else { 0.75 }, if quality.stage_only() { 0.1 } else { 0.25 });
            let each = encode + decode * quality.every() as f64;
            now += each / 30.0 / speed(tick / 30);
            if quality.every() > 1 {
                tick += quality.every() - tick % quality.every();
            } else {
                tick += 1;
            }
        }
        (changes, worst)
    }

    fn steps(changes: &[(u64, Quality)]) -> Vec<Quality> {
        changes.iter().map(|(_, quality)| *quality).collect()
    }

    #[test]
    fn a_machine_that_keeps_up_changes_nothing() {
        assert_eq!(play(600, |_| 1.05), (vec![], Duration::ZERO));
    }

    #[test]
    fn a_hiccup_changes_nothing() {
        // 0.9 s of nothing at all, then four times as fast as needed.
        let start = Instant::now();
        let mut overload = Overload::new();
        for (at, late) in
            [(0, 0), (930, 900), (950, 880), (1000, 840), (1200, 680), (1400, 540), (1700, 330), (2100, 60)]
        {
            assert_eq!(overload.late(late * MS, start + at * MS), None, "{at} ms");
        }
    }

    #[test]
    fn it_becomes_cheaper_in_order_before_frames_are_lost() {
        use Quality::{FastPreset, Full, HalfRate, NoFilmstrip, QuarterRate};
        let expected =
            [(0.8, &[HalfRate][..]), (0.55, &[HalfRate, FastPreset]), (0.35, &[HalfRate, FastPreset, NoFilmstrip])];
        for (speed, expected) in expected {
            let (changes, worst) = play(7, |_| speed);
            assert_eq!(steps(&changes), expected, "{speed}: {changes:?}");
            assert!(worst < crate::pipeline::clock::MOST_LATE, "{speed}: {worst:?}");
        }
        // One after the other, and back the same way when the load has gone.
        let (changes, _) = play(60, |second| if (5..8).contains(&second) { 0.1 } else { 2.0 });
        let way = [HalfRate, FastPreset, NoFilmstrip, QuarterRate, NoFilmstrip, FastPreset, HalfRate, Full];
        assert_eq!(steps(&changes), way, "{changes:?}");
        let pauses: Vec<_> = changes[3..].windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(pauses.iter().all(|pause| *pause >= 8000), "{changes:?}");
    }

    #[test]
    fn it_does_not_flap() {
        // For ever too little for the full quality.
        let (changes, worst) = play(3600, |_| 0.8);
        assert!(changes.len() < 40, "{} changes in an hour: {changes:?}", changes.len());
        assert!(worst < crate::pipeline::clock::MOST_LATE, "{worst:?}");
        // A load that comes and goes every 40 s.
        let (changes, _) = play(3600, |second| if second % 80 < 40 { 0.8 } else { 2.0 });
        assert!(changes.len() < 80, "{} changes in an hour", changes.len());
        // The waits of an evil hour are forgotten.
        let (changes, _) = play(7300, |second| if second < 3600 || second == 7200 { 0.5 } else { 2.0 });
        let last = &changes[changes.len() - 2..];
        assert!(last[1].1 == Quality::Full && last[1].0 - last[0].0 < 30_000, "{last:?}");
    }
}
