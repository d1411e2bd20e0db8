//! Pure. What is done when a worker has died: another one goes on, and what ended several of them is left out.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::ids::TrackId;

/// So many deaths within [`WINDOW`] are no accident.
const SUSPICIOUS: usize = 3;
/// So many within it are too many: what there is of the file is finished.
const HOPELESS: usize = 8;
const WINDOW: Duration = Duration::from_secs(60);
/// A track that has been decoded for this long did not end its worker by coming.
const PROBATION: Duration = Duration::from_secs(2);
/// From the third death on, the next worker is not started at once: the disk may be full, or the machine busy.
const PAUSE: Duration = Duration::from_secs(1);

/// What becomes of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another worker goes on.
    GoOn {
        /// After so long.
        pause: Duration,
        /// One track is attached after the other.
        cautious: bool,
        /// This track is not recorded any more.
        exclude: Option<TrackId>,
    },
    /// Another one would die too: the file is finished as it is.
    Finish,
}

/// The deaths of one recording's workers.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// When each died lately, since a track was excluded last, and which tracks were new then.
    lately: VecDeque<(Instant, HashSet<TrackId>)>,
    /// Tracks of the present worker, with the moment when they came to their decoders.
    attached: Vec<(TrackId, Instant)>,
}

impl Deaths {
    /// A track has come to its decoder.
    pub fn attached(&mut self, track: TrackId, now: Instant) {
        self.attached.retain(|(other, since)| *other != track && now.saturating_duration_since(*since) < PROBATION);
        self.attached.push((track, now));
    }

    /// The worker has said itself why it cannot go on, such as a disk that takes nothing: no track is to blame.
    pub fn broke(&mut self, now: Instant) -> Verdict {
        self.attached.clear();
        self.died(now)
    }

    /// The worker died.
    pub fn died(&mut self, now: Instant) -> Verdict {
        while self.lately.front().is_some_and(|(then, _)| now.saturating_duration_since(*then) >= WINDOW) {
            self.lately.pop_front();
        }
        let new = self.attached.drain(..).filter(|(_, since)| now.saturating_duration_since(*since) < PROBATION);
        let new: Vec<_> = new.map(|(track, _)| track).collect();
        self.lately.push_back((now, new.iter().cloned().collect()));
        let deaths = self.lately.len();
        if deaths >= HOPELESS {
            return Verdict::Finish;
        }
        // The newest of those that were new each time.
        let each_time = |track: &&TrackId| self.lately.iter().rev().take(SUSPICIOUS).all(|(_, of)| of.contains(*track));
        let exclude = new.iter().rev().find(each_time).filter(|_| deaths >= SUSPICIOUS).cloned();
        if exclude.is_some() {
            self.lately.clear();
        }
        let pause = if deaths >= SUSPICIOUS && exclude.is_none() { PAUSE } else { Duration::ZERO };
        // Caution takes seconds of audio: it is for deaths of which a track may be the cause.
        let suspected = self.lately.iter().filter(|(_, new)| !new.is_empty()).count();
        Verdict::GoOn { pause, cautious: suspected + 1 >= SUSPICIOUS || exclude.is_some(), exclude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(name: &str) -> TrackId {
        TrackId::new(name)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_track_that_came_before_each_of_three_deaths_is_left_out() {
        let (mut deaths, start) = (Deaths::default(), Instant::now());
        let mut last = None;
        for at in [0, 10, 20] {
            let at = start + seconds(at);
            for name in ["TR_a", "TR_poison"] {
                deaths.attached(track(name), at);
            }
            last = Some(deaths.died(at + Duration::from_millis(100)));
        }
        let exclude = Some(track("TR_poison"));
        assert_eq!(last, Some(Verdict::GoOn { pause: Duration::ZERO, cautious: true, exclude }));
        // It begins anew: the next death is the first.
        let next = deaths.died(start + seconds(25));
        assert_eq!(next, Verdict::GoOn { pause: Duration::ZERO, cautious: false, exclude: None });
    }

    #[test]
    fn tracks_that_were_decoded_for_a_while_are_not_suspected() {
        let (mut deaths, start) = (Deaths::default(), Instant::now());
        for at in [0, 10, 20, 30] {
            let at = start + seconds(at);
            deaths.attached(track("TR_a"), at);
            let Verdict::GoOn { exclude, .. } = deaths.died(at + seconds(3)) else { panic!("too early") };
            assert_eq!(exclude, None);
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_is_no_tracks_fault() {
        let (mut deaths, start) = (Deaths::default(), Instant::now());
        let mut ends = |at: u64, broke: bool| {
            let at = start + seconds(at);
            deaths.attached(track("TR_a"), at);
            if broke { deaths.broke(at) } else { deaths.died(at) }
        };
        for (at, broke) in [(0, true), (1, true), (2, true), (5, false), (8, false)] {
            let Verdict::GoOn { exclude, cautious, .. } = ends(at, broke) else { panic!("too early") };
            assert_eq!((exclude, cautious), (None, at == 8), "after {at} s");
        }
    }

    #[test]
    fn a_recording_whose_workers_all_die_is_finished_and_one_death_a_minute_goes_on_for_ever() {
        let (mut deaths, start) = (Deaths::default(), Instant::now());
        let verdicts: Vec<_> = (0..8).map(|n| deaths.died(start + seconds(n))).collect();
        assert_eq!(verdicts.iter().position(|verdict| *verdict == Verdict::Finish), Some(7), "{verdicts:?}");
        let mut deaths = Deaths::default();
        for minute in 0..100 {
            let verdict = deaths.died(start + seconds(60 * minute));
            assert_eq!(verdict, Verdict::GoOn { pause: Duration::ZERO, cautious: false, exclude: None });
        }
    }
}
