//! Pure. What a recording costs here, and whether one more fits.

use std::time::{Duration, Instant};

/// What was measured on a quiet machine of two cores, until this machine has shown its own figure: cores for 720p30.
const VIDEO: f64 = 0.75;
/// Sound alone.
const AUDIO: f64 = 0.06;
/// A new recording shows in the measurements after this long.
const SHOWS_AFTER: Duration = Duration::from_secs(15);
/// How fast the estimate of a class follows what is measured, per second.
const FOLLOW: f64 = 0.1;

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Picture and sound.
    Video,
    /// Sound alone.
    Audio,
}

/// What was used since the last measurement, in cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// By everything on the machine.
    pub machine: f64,
    /// By this process.
    pub process: f64,
}

/// May one more begin?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing runs here: the best place.
    Idle,
    /// It fits; how much of the machine would stay free, from 0 to 1.
    Fits(f64),
    /// It does not: free cores, and those it would take.
    Full {
        /// Free now.
        free: f64,
        /// It would take.
        cost: f64,
    },
}

/// The account of this machine.
#[derive(Debug)]
pub struct Estimate {
    cores: f64,
    share: f64,
    machine: f64,
    cost: [f64; 2],
    running: [u32; 2],
    /// Those that do not show in the measurements yet: class, since when.
    young: Vec<(Class, Instant)>,
    /// One that runs does not keep up.
    strained: bool,
}

impl Class {
    const fn index(self) -> usize {
        match self {
            Self::Video => 0,
            Self::Audio => 1,
        }
    }
}

impl Estimate {
    /// Of a machine with this many cores, of which `share` may be used.
    pub fn new(cores: f64, share: f64) -> Self {
        Self { cores, share, machine: 0.0, cost: [VIDEO, AUDIO], running: [0, 0], young: Vec::new(), strained: false }
    }

    /// Takes in what was used in the last second.
    pub fn measured(&mut self, used: Used, now: Instant) {
        self.machine += 0.3 * (used.machine - self.machine);
        self.young.retain(|(_, since)| now.duration_since(*since) < SHOWS_AFTER);
        // Only when one class runs is it known whose the work is.
        if self.young.is_empty() {
            for (class, other) in [(0, 1), (1, 0)] {
                if self.running[class] > 0 && self.running[other] == 0 {
                    let each = used.process / f64::from(self.running[class]);
                    self.cost[class] += FOLLOW * (each - self.cost[class]);
                }
            }
        }
    }

    /// One begins.
    pub fn began(&mut self, class: Class, now: Instant) {
        self.running[class.index()] += 1;
        self.young.push((class, now));
    }

    /// One has ended.
    pub fn ended(&mut self, class: Class) {
        let running = &mut self.running[class.index()];
        *running = running.saturating_sub(1);
        if let Some(place) = self.young.iter().position(|(young, _)| *young == class) {
            self.young.remove(place);
        }
    }

    /// Whether one that runs does not keep up: then nothing is free, whatever the figures say.
    pub fn strained(&mut self, strained: bool) {
        self.strained = strained;
    }

    /// Cores that are free for recordings.
    pub fn available(&self, now: Instant) -> f64 {
        if self.strained {
            return 0.0;
        }
        let young = self.young.iter().filter(|(_, since)| now.duration_since(*since) < SHOWS_AFTER);
        let reserved: f64 = young.map(|(class, _)| self.cost[class.index()]).sum();
        (self.cores * self.share - self.machine - reserved).max(0.0)
    }

    /// How much of the machine is in use, from 0 to 1.
    pub fn load(&self) -> f64 {
        (self.machine / self.cores).clamp(0.0, 1.0)
    }

    /// May one more of this class begin?
    pub fn verdict(&self, class: Class, now: Instant) -> Verdict {
        if self.running == [0, 0] {
            // Whatever else the machine does: nobody is better placed to know that this must not be recorded here.
            return Verdict::Idle;
        }
        let (free, cost) = (self.available(now), self.cost[class.index()]);
        if free < cost {
            Verdict::Full { free, cost }
        } else {
            Verdict::Fits(((free - cost) / self.cores).clamp(0.0, 1.0))
        }
    }
}

impl Verdict {
    /// The bid that says so (LiveKit: 1 wins at once, less is taken after half a second if nobody bids more, negative is
    /// none): idle nodes win, then those with most to spare.
    pub fn bid(self) -> f32 {
        match self {
            Self::Idle => 1.0,
            #[allow(clippy::cast_possible_truncation, reason = "it is between 0 and 1")]
            Self::Fits(spare) => 0.5 + 0.4 * spare as f32,
            Self::Full { .. } => -1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_machine_takes_one_and_a_full_one_none() {
        let now = Instant::now();
        let mut two = Estimate::new(2.0, 0.9);
        two.measured(Used { machine: 2.0, process: 0.0 }, now);
        assert_eq!(two.verdict(Class::Video, now), Verdict::Idle, "even when something else keeps it busy");
        two.began(Class::Video, now);
        let Verdict::Full { free, cost } = two.verdict(Class::Video, now) else { panic!() };
        assert!(free < cost);
        let mut quiet = Estimate::new(2.0, 0.9);
        quiet.began(Class::Video, now);
        assert!(matches!(quiet.verdict(Class::Video, now), Verdict::Fits(_)));
        quiet.began(Class::Video, now);
        assert!(matches!(quiet.verdict(Class::Video, now), Verdict::Full { .. }));
        assert!(matches!(quiet.verdict(Class::Audio, now), Verdict::Fits(_)));
        quiet.ended(Class::Video);
        quiet.ended(Class::Video);
        assert_eq!(quiet.verdict(Class::Video, now).bid(), 1.0);
    }

    #[test]
    fn what_is_measured_replaces_what_was_assumed() {
        let now = Instant::now();
        let mut estimate = Estimate::new(8.0, 1.0);
        estimate.began(Class::Video, now);
        let later = now + Duration::from_secs(20);
        for _ in 0..100 {
            estimate.measured(Used { machine: 0.4, process: 0.4 }, later);
        }
        let Verdict::Fits(_) = estimate.verdict(Class::Video, later) else { panic!() };
        assert!((estimate.cost[0] - 0.4).abs() < 0.01, "{estimate:?}");
        assert!((estimate.available(later) - 7.6).abs() < 0.01);
        assert!((estimate.load() - 0.05).abs() < 0.01);
    }

    #[test]
    fn a_machine_that_does_not_keep_up_takes_no_more() {
        let now = Instant::now();
        let mut estimate = Estimate::new(8.0, 1.0);
        estimate.began(Class::Video, now);
        estimate.strained(true);
        assert!(matches!(estimate.verdict(Class::Audio, now), Verdict::Full { free: 0.0, .. }));
        estimate.strained(false);
        assert!(matches!(estimate.verdict(Class::Audio, now), Verdict::Fits(_)));
    }

    #[test]
    fn who_has_more_to_spare_bids_more() {
        assert!(Verdict::Idle.bid() > Verdict::Fits(1.0).bid());
        assert!(Verdict::Fits(0.5).bid() > Verdict::Fits(0.1).bid());
        assert!(Verdict::Full { free: 0.0, cost: 1.0 }.bid() < 0.0);
    }
}
