//! Pure. What a recording lacks: times without media, audio that is missing, tracks nobody saw, notices that were given up.

use std::collections::BTreeMap;

/// Entries kept of each list: guests decide how many things go wrong, not how large a row grows.
const MOST: usize = 50;
/// Longest text kept of one reason, in characters.
const WORDS: usize = 200;
/// What is shorter is not worth a sentence to people; programs are given everything.
const NOTABLE_NS: u64 = 500_000_000;

/// What is missing from a recording, or worse than requested. Times are nanoseconds since media time zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Health {
    /// Times in which nothing could be recorded, in order; they do not overlap.
    pub holes: Vec<Hole>,
    /// Nanoseconds of audio that never came, came too late or could not be decoded, by participant (name, or identity without one).
    pub lost_audio: BTreeMap<String, u64>,
    /// Tracks that could not be shown or heard, for a time or to the end.
    pub tracks: Vec<TrackFlaw>,
    /// Nanoseconds in which the picture was made at less than full quality.
    pub degraded_ns: u64,
    /// Video frames left out because the machine could not keep up.
    pub dropped_frames: u64,
    /// How often what recorded had ended and another one went on in the same file: it has one take more than that.
    #[serde(default)]
    pub interruptions: u32,
    /// Jobs that will not be tried again: what, and why.
    pub given_up: Vec<String>,
}

/// A time without media.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hole {
    /// Where it begins.
    pub from_ns: u64,
    /// Where it ends.
    pub to_ns: u64,
    /// What kind of hole it is.
    pub cause: HoleCause,
    /// For people.
    pub why: String,
}

/// Why there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum HoleCause {
    /// No media came from the server.
    Connection,
    /// This process, or its machine, stood still.
    Frozen,
    /// The file could not be written, and what was kept meanwhile did not suffice.
    Output,
    /// The process that recorded had ended; another one went on.
    Interrupted,
}

/// A track that was not recorded as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrackFlaw {
    /// The track's `sid`.
    pub track: String,
    /// Whose: the name, or the identity without one.
    pub participant: String,
    /// For people.
    pub why: String,
    /// It was seen or heard again afterwards.
    pub recovered: bool,
}

/// What whoever watches would miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notable {
    /// How many times without media; 0 when there is none.
    pub holes: usize,
    /// Seconds of all of them together, with one digit.
    pub missing: String,
    /// Media time of the first, `h:mm:ss`.
    pub first_at: String,
    /// What the first one is due to.
    pub why: String,
    /// Whose audio is missing in part.
    pub quiet: Vec<String>,
    /// Whose track was not recorded, and why.
    pub unseen: Vec<(String, String)>,
}

impl Hole {
    /// Long enough that people would miss it.
    pub const fn is_notable(&self) -> bool {
        self.to_ns - self.from_ns >= NOTABLE_NS
    }

    /// How much of a larger hole it explains: a process that stood still could neither receive nor write meanwhile.
    fn weight(&self) -> u64 {
        let length = self.to_ns - self.from_ns;
        match self.cause {
            HoleCause::Frozen => length.saturating_mul(2),
            HoleCause::Connection | HoleCause::Output | HoleCause::Interrupted => length,
        }
    }
}

impl HoleCause {
    /// Its name in rows and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Frozen => "frozen",
            Self::Output => "output",
            Self::Interrupted => "interrupted",
        }
    }

    /// The cause of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Connection, Self::Frozen, Self::Output, Self::Interrupted].into_iter().find(|cause| cause.name() == name)
    }
}

impl Health {
    /// Nothing is missing.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what a recorder says of its whole run; what others have said stays.
    pub fn replace(&mut self, said: &Self) {
        let given_up = std::mem::take(&mut self.given_up);
        *self = Self { given_up, ..said.clone() };
    }

    /// There is a time without media. Holes that touch become one, of the kind of what explains most; beyond the most that are kept, the
    /// nearest are joined.
    pub fn hole(&mut self, from_ns: u64, to_ns: u64, cause: HoleCause, why: &str) {
        if to_ns <= from_ns {
            return;
        }
        self.holes.push(Hole { from_ns, to_ns, cause, why: short(why) });
        self.holes.sort_by_key(|hole| (hole.from_ns, hole.to_ns));
        let mut joined: Vec<Hole> = Vec::with_capacity(self.holes.len());
        for hole in self.holes.drain(..) {
            match joined.last_mut().filter(|last| hole.from_ns <= last.to_ns) {
                Some(last) => {
                    if hole.weight() > last.weight() {
                        (last.cause, last.why) = (hole.cause, hole.why);
                    }
                    last.to_ns = last.to_ns.max(hole.to_ns);
                }
                None => joined.push(hole),
            }
        }
        while joined.len() > MOST {
            let gap = |n: usize| match (joined.get(n), joined.get(n + 1)) {
                (Some(one), Some(next)) => next.from_ns - one.to_ns,
                (Some(_) | None, _) => u64::MAX,
            };
            let Some(nearest) = (0..joined.len() - 1).min_by_key(|n| gap(*n)) else { break };
            let next = joined.remove(nearest + 1);
            if let Some(one) = joined.get_mut(nearest) {
                one.to_ns = next.to_ns;
            }
        }
        self.holes = joined;
    }

    /// This much audio of that participant is missing.
    pub fn audio_lost(&mut self, participant: &str, ns: u64) {
        let room = self.lost_audio.len() < MOST;
        match self.lost_audio.get_mut(&short(participant)) {
            Some(lost) => *lost = lost.saturating_add(ns),
            None if room => drop(self.lost_audio.insert(short(participant), ns)),
            None => {}
        }
    }

    /// This track cannot be shown or heard.
    pub fn track_lost(&mut self, track: &str, participant: &str, why: &str) {
        let room = self.tracks.len() < MOST;
        match self.tracks.iter_mut().find(|flaw| flaw.track == track) {
            Some(flaw) => (flaw.why, flaw.recovered) = (short(why), false),
            None if room => {
                let (track, participant, why) = (track.to_owned(), short(participant), short(why));
                self.tracks.push(TrackFlaw { track, participant, why, recovered: false });
            }
            None => {}
        }
    }

    /// This track is seen or heard, perhaps again.
    pub fn track_back(&mut self, track: &str) {
        if let Some(flaw) = self.tracks.iter_mut().find(|flaw| flaw.track == track) {
            flaw.recovered = true;
        }
    }

    /// A job will not be tried again.
    pub fn gave_up(&mut self, what: &str) {
        let what = short(what);
        if self.given_up.len() < MOST && !self.given_up.contains(&what) {
            self.given_up.push(what);
        }
    }

    /// Nanoseconds of all holes together.
    pub fn hole_ns(&self) -> u64 {
        self.holes.iter().map(|hole| hole.to_ns - hole.from_ns).sum()
    }

    /// Nothing is missing of what was sent; the picture may have been made at less than full quality.
    pub fn is_intact(&self) -> bool {
        self.holes.is_empty() && self.lost_audio.is_empty() && self.tracks.iter().all(|flaw| flaw.recovered)
    }

    /// What whoever watches would miss, when there is something.
    pub fn notable(&self) -> Option<Notable> {
        let holes: Vec<_> = self.holes.iter().filter(|hole| hole.is_notable()).collect();
        let quiet = self.lost_audio.iter().filter(|(_, ns)| **ns >= NOTABLE_NS);
        let unseen = self.tracks.iter().filter(|flaw| !flaw.recovered);
        let notable = Notable {
            holes: holes.len(),
            missing: seconds(self.hole_ns()),
            first_at: holes.first().map(|hole| clock(hole.from_ns)).unwrap_or_default(),
            why: holes.first().map(|hole| hole.why.clone()).unwrap_or_default(),
            quiet: quiet.map(|(who, _)| who.clone()).collect(),
            unseen: unseen.map(|flaw| (flaw.participant.clone(), flaw.why.clone())).collect(),
        };
        (notable.holes > 0 || !notable.quiet.is_empty() || !notable.unseen.is_empty()).then_some(notable)
    }

    /// The same as one line in English.
    pub fn words(&self) -> Option<String> {
        let Notable { holes, missing, first_at, why, quiet, unseen } = self.notable()?;
        let mut words = Vec::new();
        match holes {
            0 => {}
            1 => words.push(format!("{missing} s are missing at {first_at} ({why})")),
            _ => words.push(format!("{missing} s are missing in {holes} places, the first at {first_at} ({why})")),
        }
        let quiet =
            quiet.iter().map(|who| format!("{who} {} s", seconds(self.lost_audio.get(who).copied().unwrap_or(0))));
        let quiet: Vec<_> = quiet.collect();
        if !quiet.is_empty() {
            words.push(format!("audio missing: {}", some(&quiet)));
        }
        let unseen: Vec<_> = unseen.iter().map(|(who, why)| format!("{who} ({why})")).collect();
        if !unseen.is_empty() {
            words.push(format!("not recorded: a track of {}", some(&unseen)));
        }
        Some(words.join("; "))
    }
}

/// At most three of them, and how many more.
pub fn some(of: &[String]) -> String {
    let shown: Vec<_> = of.iter().take(3).cloned().collect();
    match of.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} (+{more})", shown.join(", ")),
    }
}

/// One line, of bounded length, without control characters.
fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect()
}

/// Seconds with one digit.
fn seconds(ns: u64) -> String {
    let tenths = (ns + 50_000_000) / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `h:mm:ss` of media time.
fn clock(ns: u64) -> String {
    let s = ns / 1_000_000_000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn holes_are_ordered_joined_and_bounded() {
        let mut health = Health::default();
        health.hole(10 * S, 12 * S, HoleCause::Connection, "later");
        health.hole(S, 2 * S, HoleCause::Connection, "first\u{7}");
        health.hole(2 * S, 3 * S, HoleCause::Connection, "touches");
        health.hole(5 * S, 5 * S, HoleCause::Frozen, "empty");
        let seen: Vec<_> = health.holes.iter().map(|hole| (hole.from_ns / S, hole.to_ns / S)).collect();
        assert_eq!(seen, [(1, 3), (10, 12)]);
        assert_eq!(health.holes[0].why, "first ");
        let mut still = Health::default();
        still.hole(6_611, 16_619, HoleCause::Frozen, "it stood still");
        still.hole(6_133, 16_100, HoleCause::Output, "video frames could not be written");
        still.hole(6_200, 16_619, HoleCause::Connection, "no media path");
        let one = Hole { from_ns: 6_133, to_ns: 16_619, cause: HoleCause::Frozen, why: "it stood still".into() };
        assert_eq!(still.holes, [one]);
        for n in 0..200 {
            health.hole((20 + 2 * n) * S, (21 + 2 * n) * S, HoleCause::Connection, "again");
        }
        assert_eq!(health.holes.len(), MOST);
        assert_eq!(health.holes.last().unwrap().to_ns, (21 + 398) * S);
    }

    #[test]
    fn what_matters_is_said_in_one_line() {
        let mut health = Health::default();
        assert_eq!(health.words(), None);
        health.audio_lost("Ann", 40_000_000);
        health.gave_up("email: 550");
        health.track_lost("TR_1", "Bob", "its frames do not decode");
        health.track_back("TR_1");
        assert_eq!(health.words(), None, "nobody would miss that");
        assert!(!health.is_clean(), "programs are told");
        health.hole(65 * S, 68 * S, HoleCause::Connection, "no media path");
        health.audio_lost("Ann", S);
        health.track_lost("TR_1", "Bob", "encrypted");
        let words = "3.0 s are missing at 0:01:05 (no media path); audio missing: Ann 1.0 s; \
                     not recorded: a track of Bob (encrypted)";
        assert_eq!(health.words().as_deref(), Some(words));
    }
}
