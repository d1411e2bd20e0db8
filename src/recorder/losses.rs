//! Pure. What the recording lacks so far, and whether that has been reported.

use std::time::Instant;

use super::awaited::{Awaited, Gap};
use super::precautions::Gate;
use super::subscription::unrecorded;
use crate::ids::TrackId;
use crate::recording::{Health, HoleCause, Quality};
use crate::room::Roster;

/// Why there is nothing although the recording goes on.
const NOTHING_YET: &str = "nothing had come yet";

/// What is missing.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// As of now.
    pub health: Health,
    /// Frames that earlier takes left out.
    dropped_before: u64,
    /// As it was reported last.
    reported: Health,
    /// What has not come since the recording goes on.
    expected: Option<Awaited>,
    /// Since when the video is of less than full quality.
    degraded: Option<Instant>,
}

impl Losses {
    /// Of a recording that lacks this already, and goes on at this recording time, nanoseconds.
    pub fn after(health: Health, since_ns: u64) -> Self {
        let expected = Some(Awaited::new(since_ns));
        Self { dropped_before: health.dropped_frames, health, expected, ..Self::default() }
    }

    /// Media of this track came, at this recording time, nanoseconds.
    pub fn came(&mut self, roster: &Roster, track: &TrackId, at_ns: u64) {
        match self.expected.as_mut().map_or(Gap::Nothing, |awaited| awaited.came(track, at_ns)) {
            Gap::Nothing => {}
            Gap::Hole { from, to } => self.health.hole(from, to, HoleCause::Interrupted, NOTHING_YET),
            Gap::Audio { ns } => self.audio_lost(roster, track, ns),
        }
    }

    /// The video is of this quality from now on.
    pub fn quality(&mut self, quality: Quality, now: Instant) {
        self.count(now);
        self.degraded = (quality != Quality::Full).then_some(now);
    }

    /// What is to be reported, if that has changed. `dropped`: video frames left out so far; `at_ns`: the same moment as recording time.
    pub fn changed(&mut self, dropped: u64, now: Instant, at_ns: u64) -> Option<Health> {
        self.count(now);
        self.health.dropped_frames = self.dropped_before.saturating_add(dropped);
        let mut health = self.health.clone();
        // Only for now: who was silent before misses nothing.
        if let Some((from, to)) = self.expected.as_ref().and_then(|awaited| awaited.unheard(at_ns)) {
            health.hole(from, to, HoleCause::Interrupted, NOTHING_YET);
        }
        if health == self.reported {
            return None;
        }
        self.reported.clone_from(&health);
        Some(health)
    }

    /// This much of a track's audio is not in the file, nanoseconds.
    pub fn audio_lost(&mut self, roster: &Roster, track: &TrackId, ns: u64) {
        self.health.audio_lost(&whose(roster, track), ns);
    }

    /// This track is not shown or heard.
    pub fn track_lost(&mut self, roster: &Roster, track: &TrackId, why: &str) {
        self.health.track_lost(track.as_str(), &whose(roster, track), why);
    }

    /// Who is in the room: some tracks are not even subscribed to.
    pub fn roster(&mut self, roster: &Roster, gate: &Gate, audio: bool, video: bool) {
        if let Some(awaited) = &mut self.expected {
            awaited.roster(roster);
        }
        for person in roster.participants() {
            let excluded = person.tracks.iter().filter(|track| gate.excludes(&track.id));
            let excluded = excluded.map(|track| (track, "its packets ended several recorders"));
            for (track, why) in unrecorded(person, audio, video).into_iter().chain(excluded) {
                self.health.track_lost(track.id.as_str(), &person.name, why);
            }
        }
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

/// Whose track this is: a name for people.
fn whose(roster: &Roster, track: &TrackId) -> String {
    roster.track(track).map_or_else(|| track.to_string(), |(person, _)| person.name.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_below_full_quality_counts_and_news_are_told_once() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut losses = Losses::default();
        assert_eq!(losses.changed(0, start, 0), None);
        losses.quality(Quality::HalfRate, start + second);
        assert_eq!(losses.changed(0, start + 3 * second, 0).map(|health| health.degraded_ns), Some(2_000_000_000));
        losses.quality(Quality::Full, start + 4 * second);
        assert_eq!(losses.changed(0, start + 9 * second, 0).map(|health| health.degraded_ns), Some(3_000_000_000));
        assert_eq!(losses.changed(0, start + 20 * second, 0), None);
        assert_eq!(losses.changed(7, start + 20 * second, 0).map(|health| health.dropped_frames), Some(7));
    }

    #[test]
    fn who_is_killed_before_anybody_was_heard_has_said_so() {
        const S: u64 = 1_000_000_000;
        let (now, mut losses) = (Instant::now(), Losses::after(Health::default(), 20 * S));
        for to in [22 * S, 23 * S] {
            let holes = losses.changed(0, now, to).expect("news").holes;
            assert_eq!(holes.iter().map(|hole| (hole.from_ns, hole.to_ns)).collect::<Vec<_>>(), [(20 * S, to)]);
        }
        assert_eq!(losses.changed(0, now, 31 * S), Some(Health::default()), "nobody spoke");
        assert_eq!(losses.changed(0, now, 32 * S), None);
    }
}
