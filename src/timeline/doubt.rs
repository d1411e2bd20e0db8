//! Audio that comes at another time than its RTP time says, until it is known why.
//!
//! Packets that were held on their way and a sender whose clock stood still begin alike: nothing comes for a while, then RTP goes on
//! where it was. What was held comes faster than it was said and is at its usual delay again within moments. What stays late is
//! said now, or the way has become longer: both are placed by arrival, as a listener hears them.

use super::RecordingTime;

/// At the beginning of a track: the least delayed packet within this time decides where it lies.
const SETTLING_NS: i64 = 200_000_000;
/// Audio that has not come nearer to its usual delay for this long stays where it is. Shorter congestion passes unnoticed.
const PERSISTING_NS: i64 = 700_000_000;
/// Coming nearer means by this much: less is jitter.
const NEARER_NS: i64 = 10_000_000;
/// No doubt lasts longer: it must be over before the audio is to be written.
const LONGEST_NS: i64 = 2_000_000_000;
/// Packets that may wait for a decision; a flood is not a voice.
const MOST: usize = 1000;

/// Packets whose place is not known yet.
#[derive(Debug)]
pub struct Doubt {
    since: RecordingTime,
    wait: i64,
    /// Arrival of each, and what the offset would have been without any delay, in nanoseconds.
    seen: Vec<(RecordingTime, i64)>,
    lowest: i64,
    lowered_at: RecordingTime,
}

impl Doubt {
    /// The first packet: of the track, or one that does not fit to those before it.
    pub fn new(first: bool, arrival: RecordingTime, offset_ns: i64) -> Self {
        let wait = if first { SETTLING_NS } else { PERSISTING_NS };
        let seen = vec![(arrival, offset_ns)];
        Self { since: arrival, wait, seen, lowest: offset_ns, lowered_at: arrival }
    }

    /// Another one. A beginning is not prolonged by packets that come nearer.
    pub fn push(&mut self, arrival: RecordingTime, offset_ns: i64) {
        if offset_ns < self.lowest - NEARER_NS {
            self.lowest = offset_ns;
            if self.wait != SETTLING_NS {
                self.lowered_at = arrival;
            }
        }
        self.seen.push((arrival, offset_ns));
    }

    /// The least delayed one.
    pub const fn lowest(&self) -> i64 {
        self.lowest
    }

    /// When it must be decided at the latest.
    pub fn due(&self) -> RecordingTime {
        if self.seen.len() >= MOST {
            return self.since;
        }
        (self.lowered_at + self.wait).min(self.since + LONGEST_NS)
    }

    /// What counts: the packets that agree with the last one within `apart`. A stray among them has a clock of nobody.
    pub fn agreed(&self, apart: i64) -> impl Iterator<Item = (RecordingTime, i64)> {
        let last = self.seen.last().map_or(0, |(_, offset)| *offset);
        self.seen.iter().copied().filter(move |(_, offset)| (offset - last).abs() <= apart)
    }
}
