//! Pure. What was to be heard when a recording went on, and has not come yet: the time that nobody recorded lasts until it does.

use std::collections::HashSet;

use crate::ids::TrackId;
use crate::room::{Roster, TrackSource};

/// Who sends nothing for so long was silent before, nanoseconds.
const MOST: u64 = 10_000_000_000;
/// Who comes later than the first by less than this misses nothing: with DTX a packet comes each 400 ms (RFC 6716, 2.1.9).
const TOGETHER: u64 = 500_000_000;

/// The audio tracks that were on when a recording went on. Times are recording time, nanoseconds.
#[derive(Debug)]
pub(super) struct Awaited {
    /// Since when it goes on.
    since: u64,
    /// Those that have sent nothing yet; unknown until the room is.
    voices: Option<HashSet<TrackId>>,
    /// When the first of them came.
    first: Option<u64>,
}

/// What is missing because a track came only now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    Nothing,
    /// Everything in this time.
    Hole { from: u64, to: u64 },
    /// So much of its own audio.
    Audio { ns: u64 },
}

impl Awaited {
    /// The recording goes on at this time.
    pub const fn new(since: u64) -> Self {
        Self { since, voices: None, first: None }
    }

    /// Who is there. Those who are there first count: the others have just begun.
    pub fn roster(&mut self, roster: &Roster) {
        let tracks = || roster.participants().flat_map(|person| &person.tracks);
        let on = |track: &&crate::room::Track| track.source == TrackSource::Audio && !track.muted && !track.encrypted;
        self.voices.get_or_insert_with(|| tracks().filter(on).map(|track| track.id.clone()).collect());
    }

    /// This track has sent something.
    pub fn came(&mut self, track: &TrackId, at: u64) -> Gap {
        let awaited = self.voices.as_mut().is_some_and(|voices| voices.remove(track));
        if !awaited || at.saturating_sub(self.since) > MOST {
            return Gap::Nothing;
        }
        match self.first {
            None => {
                self.first = Some(at);
                Gap::Hole { from: self.since, to: at }
            }
            Some(first) if at.saturating_sub(first) > TOGETHER => Gap::Audio { ns: at - first },
            Some(_) => Gap::Nothing,
        }
    }

    /// From when to when nobody has been heard, while it is not known whether anybody will be: whoever is killed now has lost it.
    pub fn unheard(&self, at: u64) -> Option<(u64, u64)> {
        let expects = self.voices.as_ref().is_none_or(|voices| !voices.is_empty());
        let waits = self.first.is_none() && expects && at.saturating_sub(self.since) <= MOST;
        waits.then_some((self.since, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ParticipantId;
    use crate::room::{Participant, Track};

    const S: u64 = 1_000_000_000;

    #[test]
    fn the_hole_lasts_until_the_first_voice_and_who_comes_later_misses_the_rest() {
        let track = |name: &str, source, muted| Track {
            id: TrackId::new(name),
            source,
            muted,
            encrypted: false,
            width: 0,
            height: 0,
        };
        let tracks = ["a", "b", "c", "late"].map(|name| track(name, TrackSource::Audio, false));
        let others = [track("camera", TrackSource::Camera, false), track("muted", TrackSource::Audio, true)];
        let person = Participant {
            id: ParticipantId::new("ann"),
            name: "Ann".into(),
            joined_at: 0,
            program: false,
            tracks: tracks.into_iter().chain(others).collect(),
        };
        let mut awaited = Awaited::new(20 * S);
        let came = |awaited: &mut Awaited, name: &str, at: u64| awaited.came(&TrackId::new(name), at);
        assert_eq!(came(&mut awaited, "a", 21 * S), Gap::Nothing, "nobody knows of it yet");
        awaited.roster(&Roster::new(vec![person], vec![]));
        awaited.roster(&Roster::new(vec![], vec![]));
        assert_eq!(came(&mut awaited, "camera", 20 * S + S / 2), Gap::Nothing);
        assert_eq!(awaited.unheard(20 * S + S / 2), Some((20 * S, 20 * S + S / 2)));
        assert_eq!(came(&mut awaited, "a", 21 * S), Gap::Hole { from: 20 * S, to: 21 * S });
        assert_eq!(awaited.unheard(22 * S), None, "it is known");
        assert_eq!(came(&mut awaited, "a", 22 * S), Gap::Nothing);
        assert_eq!(came(&mut awaited, "b", 21 * S + S / 4), Gap::Nothing);
        assert_eq!(came(&mut awaited, "c", 23 * S), Gap::Audio { ns: 2 * S });
        assert_eq!(came(&mut awaited, "muted", 24 * S), Gap::Nothing);
        assert_eq!(came(&mut awaited, "late", 31 * S), Gap::Nothing, "it was silent");
    }
}
