//! Pure. Counts what has ended, from one look at the recordings to the next: rows are forgotten, counters only grow.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use livekit_protocol::EgressInfo;
use livekit_protocol::egress_info::Request as RpcRequest;
use prost::Message as _;

use crate::control::Progress;
use crate::ids::RecordingId;
use crate::recording::{Outcome, Recording};

/// What was counted since the process began.
#[derive(Debug)]
pub struct Tally {
    since: Timestamp,
    /// What was counted of those that are in view.
    known: HashMap<RecordingId, Counted>,
    all: Sums,
    results: BTreeMap<(&'static str, &'static str), u64>,
}

/// What was counted of one recording.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    of: Sums,
    ended: bool,
}

/// Nanoseconds and counts. Whatever a recording says later, none becomes less.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    media: u64,
    holes: u64,
    lost_audio: u64,
    interruptions: u64,
}

impl Tally {
    /// Counts what ends from `since` on.
    pub fn new(since: Timestamp) -> Self {
        Self { since, known: HashMap::new(), all: Sums::default(), results: BTreeMap::new() }
    }

    /// Takes in what there is now, the newest first; who falls out of view is not counted again.
    pub fn take_in(&mut self, recordings: &[Recording], progress: &HashMap<RecordingId, Progress>) {
        let mut known = HashMap::with_capacity(recordings.len());
        for recording in recordings {
            let outcome = recording.state.outcome();
            if outcome.is_some() && recording.ended_at.is_some_and(|at| at < self.since) {
                continue;
            }
            let Counted { of: before, mut ended } = self.known.remove(&recording.id).unwrap_or_default();
            let media = recording.media.map(|media| media.duration_ns);
            let running = progress.get(&recording.id).map(|progress| progress.duration_ns);
            let of = Sums {
                media: media.or(running).unwrap_or(0).max(before.media),
                holes: recording.health.hole_ns().max(before.holes),
                lost_audio: recording.health.lost_audio.values().sum::<u64>().max(before.lost_audio),
                interruptions: u64::from(recording.health.interruptions).max(before.interruptions),
            };
            self.all.media += of.media - before.media;
            self.all.holes += of.holes - before.holes;
            self.all.lost_audio += of.lost_audio - before.lost_audio;
            self.all.interruptions += of.interruptions - before.interruptions;
            if let (Some(outcome), false) = (outcome, ended) {
                *self.results.entry((kind(recording), result(outcome))).or_default() += 1;
                ended = true;
            }
            known.insert(recording.id.clone(), Counted { of, ended });
        }
        self.known = known;
    }

    /// Seconds of media.
    pub fn media_seconds(&self) -> f64 {
        seconds(self.all.media)
    }

    /// Seconds without media.
    pub fn hole_seconds(&self) -> f64 {
        seconds(self.all.holes)
    }

    /// Seconds of people's audio that never came, came too late or could not be decoded.
    pub fn lost_audio_seconds(&self) -> f64 {
        seconds(self.all.lost_audio)
    }

    /// How often a recording was gone on with.
    pub const fn interruptions(&self) -> u64 {
        self.all.interruptions
    }

    /// How many of each kind ended like this.
    pub fn results(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.results.iter().map(|((kind, result), count)| (*kind, *result, *count))
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds are shown with three places")]
fn seconds(ns: u64) -> f64 {
    (ns / 1_000_000) as f64 / 1000.0
}

/// LiveKit Egress' word for what was requested. We make room composites; the second version of the API calls them templates.
pub fn kind(recording: &Recording) -> &'static str {
    let request = recording.options.origin.egress();
    let reported = request.and_then(|one| EgressInfo::decode(one.request.as_slice()).ok()?.request);
    if matches!(reported, Some(RpcRequest::Egress(_))) { "template" } else { "room_composite" }
}

/// LiveKit Egress' word for how it ended.
fn result(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::CutShort(_) => "completed",
        Outcome::Aborted(_) => "aborted",
        Outcome::Failed(_) => "process_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::recording::{Failure, HoleCause, Limits, Media, Options, Output, Policy, Reason, Request, State};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn recording(id: &str, state: State, ended: Option<i64>, seconds: Option<u64>) -> Recording {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let id = RecordingId::new(id);
        let (options, policy) = (Options::default(), Policy::default());
        let (mut one, _) = Recording::begin(id, "transcript".into(), request, options, &policy, at(1));
        one.state = state;
        one.ended_at = ended.map(at);
        one.media = seconds.map(|seconds| Media { bytes: 1, duration_ns: seconds * 1_000_000_000 });
        one
    }

    fn at_work(id: &str, seconds: u64) -> HashMap<RecordingId, Progress> {
        let progress = Progress { duration_ns: seconds * 1_000_000_000, ..Progress::default() };
        [(RecordingId::new(id), progress)].into()
    }

    #[test]
    fn everything_is_counted_once_and_nothing_twice() {
        let complete = || State::Ended(Outcome::Complete(Reason::Stopped));
        let failed = State::Ended(Outcome::Failed(Failure::new(ErrorKind::Internal, "x")));
        let mut tally = Tally::new(at(100));
        let old = recording("old", complete(), Some(99), Some(50));
        tally.take_in(&[recording("a", State::Active, None, None), old.clone()], &at_work("a", 4));
        assert_eq!((tally.media_seconds(), tally.results().count()), (4.0, 0));
        // The recorder is gone, and nothing is said of its media yet.
        let ending = State::Ending { then: Outcome::Complete(Reason::Stopped) };
        tally.take_in(&[recording("a", ending, None, None)], &HashMap::new());
        assert_eq!(tally.media_seconds(), 4.0);
        let ended = [recording("b", failed, Some(120), None), recording("a", complete(), Some(120), Some(6)), old];
        for _ in 0..3 {
            tally.take_in(&ended, &HashMap::new());
            let wanted = [("room_composite", "completed", 1), ("room_composite", "process_error", 1)];
            assert_eq!(tally.results().collect::<Vec<_>>(), wanted);
            assert_eq!(tally.media_seconds(), 6.0);
        }
        let mut holed = ended.clone();
        holed[0].health.hole(1_000_000_000, 3_500_000_000, HoleCause::Connection, "x");
        holed[1].health.audio_lost("Ann", 250_000_000);
        for _ in 0..2 {
            tally.take_in(&holed, &HashMap::new());
            assert_eq!((tally.hole_seconds(), tally.lost_audio_seconds()), (2.5, 0.25));
        }
        tally.take_in(&[], &HashMap::new());
        assert_eq!((tally.media_seconds(), tally.results().count()), (6.0, 2), "forgotten, yet counted");
    }
}
