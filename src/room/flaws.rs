//! Pure. What goes wrong with one track's packets or one datagram: counted, reported once, and never in a circle.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A key frame is requested no more often than this: after a PLI the server answers no NACK until it has come.
const KEYFRAMES: Duration = Duration::from_secs(1);
/// So many errors without anything useful between them are no stranger's: the connection itself is broken.
const TOO_MANY: u32 = 1000;

/// What RTP times are counted from, so that they can be set back: a multiple of 2³². As nanoseconds they must fit 63 bits.
const BEGIN: u64 = 1 << 44;

/// An RTP time as str0m counts it, from the first one on and modulo 2⁶⁴: a clock that is set back may pass zero.
pub(super) const fn unwrapped(time: u64) -> u64 {
    time.wrapping_add(BEGIN)
}

/// The flaws of a connection, by its m-lines.
#[derive(Debug)]
pub(super) struct Flaws<M> {
    lines: HashMap<M, Line>,
    in_a_row: u32,
}

#[derive(Debug, Default)]
struct Line {
    count: u64,
    requested: Option<Instant>,
    /// A picture is missing since the last unit.
    gap: bool,
    /// The number of the newest packet.
    newest: Option<u64>,
}

/// What to do about a packet that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// How many there have been on this line.
    pub count: u64,
    /// It is time to ask for a key frame.
    pub keyframe: bool,
}

impl<M: Copy + Eq + Hash> Flaws<M> {
    /// None yet.
    pub fn new() -> Self {
        Self { lines: HashMap::new(), in_a_row: 0 }
    }

    /// A packet of this line could not be read.
    pub fn packet(&mut self, line: M, now: Instant) -> Flaw {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let line = self.lines.entry(line).or_default();
        line.count += 1;
        line.gap = true;
        let keyframe = line.requested.is_none_or(|requested| now.saturating_duration_since(requested) >= KEYFRAMES);
        if keyframe {
            line.requested = Some(now);
        }
        Flaw { count: line.count, keyframe }
    }

    /// Something that belongs to no line went wrong.
    pub fn other(&mut self) {
        self.in_a_row = self.in_a_row.saturating_add(1);
    }

    /// A unit of this line could be read: whether one is missing before it.
    pub fn unit(&mut self, line: M) -> bool {
        self.in_a_row = 0;
        self.lines.get_mut(&line).is_some_and(|line| std::mem::take(&mut line.gap))
    }

    /// A unit of this line has packets of these numbers: how many before them never came.
    pub fn missing(&mut self, line: M, first: u64, last: u64) -> u32 {
        let newest = self.lines.entry(line).or_default().newest.replace(last);
        newest.map_or(0, |newest| u32::try_from(first.saturating_sub(newest.saturating_add(1))).unwrap_or(u32::MAX))
    }

    /// The numbers of this line begin anew.
    pub fn begin(&mut self, line: M) {
        self.lines.entry(line).or_default().newest = None;
    }

    /// A datagram was taken in.
    pub fn input(&mut self) {
        self.in_a_row = 0;
    }

    /// Nothing but errors: going on would be a circle.
    pub fn too_many(&self) -> bool {
        self.in_a_row >= TOO_MANY
    }

    /// Only these lines are in use.
    pub fn retain(&mut self, used: impl Fn(&M) -> bool) {
        self.lines.retain(|line, _| used(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_stays_with_its_line_and_asks_sparingly() {
        let t0 = Instant::now();
        let mut flaws = Flaws::new();
        assert_eq!(flaws.packet(1, t0), Flaw { count: 1, keyframe: true });
        assert_eq!(flaws.packet(1, t0 + KEYFRAMES / 2), Flaw { count: 2, keyframe: false });
        assert_eq!(flaws.packet(2, t0), Flaw { count: 1, keyframe: true });
        assert_eq!(flaws.packet(1, t0 + KEYFRAMES), Flaw { count: 3, keyframe: true });
        assert!(!flaws.unit(3));
        assert!(flaws.unit(1) && !flaws.unit(1), "one gap, told once");
        assert_eq!((flaws.missing(1, 70, 72), flaws.missing(1, 73, 73)), (0, 0), "the first has none before it");
        assert_eq!((flaws.missing(2, 9, 9), flaws.missing(1, 80, 80), flaws.missing(1, 80, 80)), (0, 6, 0));
        flaws.begin(1);
        assert_eq!((flaws.missing(1, 500, 500), flaws.missing(1, 502, 502)), (0, 1));
        flaws.retain(|line| *line == 2);
        assert_eq!(flaws.packet(1, t0).count, 1);
    }

    #[test]
    fn errors_without_end_are_noticed() {
        let t0 = Instant::now();
        let mut flaws = Flaws::new();
        (0..TOO_MANY - 1).for_each(|_| assert!(flaws.packet(1, t0).count > 0));
        assert!(!flaws.too_many());
        flaws.input();
        (0..TOO_MANY).for_each(|_| flaws.other());
        assert!(flaws.too_many());
        flaws.unit(1);
        assert!(!flaws.too_many());
    }
}
