//! Audio that comes at another time than its RTP time says, until it is known why.
//!
//! Packets that were held on their way and a sender whose clock stood still begin alike: nothing comes for a while, then RTP goes on
//! where it was. What was held comes faster than it was said and is at its usual delay again within moments. What stays late is
//! said now, or the way has become longer: both are placed by arrival, as a listener hears them.
//!
//! A clock may be set again before the doubt of it is over. What came as fast as it was said until then, was said then.

use super::RecordingTime;

/// At the beginning of a track: the least delayed packet within this time decides where it lies.
const SETTLING_NS: i64 = 200_000_000;
/// Audio that has not come nearer to its usual delay for this long stays where it is. Shorter congestion passes unnoticed.
const PERSISTING_NS: i64 = 700_000_000;
/// Coming nearer means by this much: less is jitter.
const NEARER_NS: i64 = 10_000_000;
/// Two packets whose delays differ by more than this do not follow each other: the clock was set, or something was left out.
const APART_NS: i64 = 100_000_000;
/// What came as fast as it was said for this long was said when it came. What was held comes at once.
const PACED_NS: i64 = 100_000_000;
/// No doubt lasts longer: it must be over before the audio is to be written.
const LONGEST_NS: i64 = 2_000_000_000;
/// Packets that may wait for a decision; a flood is not a voice.
const MOST: usize = 1000;

/// Packets whose place is not known yet.
#[derive(Debug)]
pub struct Doubt {
    since: RecordingTime,
    wait: i64,
    count: usize,
    /// Arrival of the latest that follow each other, and what the offset would have been without any delay, in nanoseconds.
    run: Vec<(RecordingTime, i64)>,
    lowest: i64,
    lowered_at: RecordingTime,
}

impl Doubt {
    /// The first packet: of the track, or one that does not fit to those before it.
    pub fn new(first: bool, arrival: RecordingTime, offset_ns: i64) -> Self {
        let wait = if first { SETTLING_NS } else { PERSISTING_NS };
        let run = vec![(arrival, offset_ns)];
        Self { since: arrival, wait, count: 1, run, lowest: offset_ns, lowered_at: arrival }
    }

    /// Another one. A beginning is not prolonged by packets that come nearer.
    pub fn push(&mut self, arrival: RecordingTime, offset_ns: i64) {
        if offset_ns < self.lowest - NEARER_NS {
            self.lowest = offset_ns;
            if self.wait != SETTLING_NS {
                self.lowered_at = arrival;
            }
        }
        if self.is_apart(offset_ns) {
            self.run.clear();
        }
        self.count += 1;
        self.run.push((arrival, offset_ns));
    }

    /// Whether a packet of this offset does not follow the last one.
    fn is_apart(&self, offset_ns: i64) -> bool {
        self.run.last().is_some_and(|(_, last)| (offset_ns - last).abs() > APART_NS)
    }

    /// Whether it is over with this packet: the clock is another one, and those before came as fast as they were said.
    pub fn ends(&self, offset_ns: i64) -> bool {
        let (Some((from, first)), Some((to, last))) = (self.run.first(), self.run.last()) else { return false };
        self.is_apart(offset_ns) && to - from >= PACED_NS && first - last <= (to - from) / 2
    }

    /// The least delayed one.
    pub const fn lowest(&self) -> i64 {
        self.lowest
    }

    /// When it must be decided at the latest.
    pub fn due(&self) -> RecordingTime {
        if self.count >= MOST {
            return self.since;
        }
        (self.lowered_at + self.wait).min(self.since + LONGEST_NS)
    }

    /// What counts: the packets that follow each other up to the last one.
    pub fn agreed(&self) -> impl Iterator<Item = (RecordingTime, i64)> {
        self.run.iter().copied()
    }
}
