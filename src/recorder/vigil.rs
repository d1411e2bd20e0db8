//! Pure. What should be there and is not: an output that grows, frames of cameras that are on, audio of microphones that are on,
//! voices beyond the most.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::ids::TrackId;
use crate::room::{Roster, Track, TrackSource, Wanted};

/// An output that has not grown for this long hangs.
const STALLED: Duration = Duration::from_secs(5);
/// A camera that has sent nothing for this long although it is on.
const SILENT: Duration = Duration::from_secs(15);
/// A microphone that has sent nothing for this long since it is on. One that was heard once may pause as long as it likes: not
/// everybody sends silence (with DTX a packet comes each 400 ms, RFC 6716, section 2.1.9).
const UNHEARD: Duration = Duration::from_secs(30);

/// A track that cannot be decoded is subscribed to anew after so long, and after pauses that double: what the server sends us
/// may no longer be what it said when we subscribed.
const RENEWAL: Duration = Duration::from_secs(8);
/// The longest pause.
const LONGEST_RENEWAL: Duration = Duration::from_secs(64);

/// Keeps watch over one recording.
#[derive(Debug)]
pub(super) struct Vigil {
    written: u64,
    grown: Instant,
    stalled: bool,
    cameras: HashMap<TrackId, Camera>,
    microphones: HashMap<TrackId, Microphone>,
    /// Audio tracks that are left out.
    unheard: HashSet<TrackId>,
    /// When each track that cannot be decoded is subscribed to anew, and the pause after that.
    renewals: HashMap<TrackId, (Instant, Duration)>,
    /// Not wanted for a moment, so as to be subscribed to anew.
    resting: HashSet<TrackId>,
}

#[derive(Debug)]
struct Camera {
    /// When it sent something last, or when it began to be watched.
    last: Instant,
    silent: bool,
}

/// What is known of an audio track that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Microphone {
    /// It is on since then, and its first packet has not come.
    Awaited(Instant),
    /// That was told.
    Missed,
    /// It has sent something once.
    Heard,
}

/// The output has changed its ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// It takes nothing any more.
    Hangs,
    /// It takes something again, after so long.
    Goes(Duration),
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hangs => f.write_str("the output takes nothing any more: disk or encoder hang"),
            Self::Goes(after) => write!(f, "the output goes on after {after:.1?}"),
        }
    }
}

impl Vigil {
    pub fn new(now: Instant) -> Self {
        Self {
            written: 0,
            grown: now,
            stalled: false,
            cameras: HashMap::new(),
            microphones: HashMap::new(),
            unheard: HashSet::new(),
            renewals: HashMap::new(),
            resting: HashSet::new(),
        }
    }

    /// This much has been given to the output so far, in any unit that grows.
    pub fn output(&mut self, written: u64, now: Instant) -> Option<Output> {
        let since = now.saturating_duration_since(self.grown);
        if written > self.written {
            (self.written, self.grown) = (written, now);
            return std::mem::take(&mut self.stalled).then_some(Output::Goes(since));
        }
        (since >= STALLED && !std::mem::replace(&mut self.stalled, since >= STALLED)).then_some(Output::Hangs)
    }

    /// A track has sent something. True when that had been missed.
    pub fn sent(&mut self, track: &TrackId, now: Instant) -> bool {
        if let Some(microphone) = self.microphones.get_mut(track) {
            return std::mem::replace(microphone, Microphone::Heard) == Microphone::Missed;
        }
        let Some(camera) = self.cameras.get_mut(track) else { return false };
        camera.last = now;
        std::mem::take(&mut camera.silent)
    }

    /// The wanted tracks that are left out from now on, because these are the `voices` that are recorded; and those that no
    /// longer are.
    pub fn voices(&mut self, roster: &Roster, voices: &HashSet<TrackId>) -> (Vec<TrackId>, Vec<TrackId>) {
        let tracks = roster.participants().flat_map(|p| &p.tracks);
        let audio =
            tracks.filter(|t| t.source == TrackSource::Audio && !t.muted && !t.encrypted && !voices.contains(&t.id));
        let unheard: HashSet<_> = audio.map(|track| track.id.clone()).collect();
        let before = std::mem::replace(&mut self.unheard, unheard);
        let (new, back) = (self.unheard.difference(&before), before.difference(&self.unheard));
        (new.cloned().collect(), back.cloned().collect())
    }

    /// Decides which of the tracks that cannot be decoded rest until the next call. True when that are others than before.
    pub fn renew(&mut self, undecodable: &HashSet<TrackId>, now: Instant) -> bool {
        self.renewals.retain(|track, _| undecodable.contains(track));
        let mut resting = HashSet::new();
        for track in undecodable {
            let (due, pause) = self.renewals.entry(track.clone()).or_insert((now + RENEWAL, RENEWAL * 2));
            if now >= *due {
                (*due, *pause) = (now + *pause, (*pause * 2).min(LONGEST_RENEWAL));
                resting.insert(track.clone());
            }
        }
        std::mem::replace(&mut self.resting, resting) != self.resting
    }

    /// It is not to be wanted now.
    pub fn rests(&self, track: &TrackId) -> bool {
        self.resting.contains(track)
    }

    /// The audio tracks of people among the wanted that are on and have never sent anything, each reported once.
    pub fn microphones(&mut self, roster: &Roster, wanted: &[Wanted], now: Instant) -> Vec<TrackId> {
        let on = |track: &TrackId| {
            let found = roster.track(track);
            let microphone = |t: &Track| t.source == TrackSource::Audio && !t.muted && !t.encrypted;
            // A program speaks when it has something to say.
            found.is_some_and(|(person, track)| !person.program && microphone(track))
        };
        let on: HashSet<_> = wanted.iter().map(|wanted| &wanted.track).filter(|track| on(track)).collect();
        self.microphones.retain(|track, state| match state {
            Microphone::Awaited(_) => on.contains(track),
            Microphone::Missed | Microphone::Heard => roster.track(track).is_some(),
        });
        let mut missed = Vec::new();
        for track in on {
            let state = self.microphones.entry(track.clone()).or_insert(Microphone::Awaited(now));
            if matches!(state, Microphone::Awaited(since) if now.saturating_duration_since(*since) >= UNHEARD) {
                *state = Microphone::Missed;
                missed.push(track.clone());
            }
        }
        missed.sort_unstable();
        missed
    }

    /// The cameras among the wanted that are on and send nothing, each reported once.
    pub fn cameras(&mut self, roster: &Roster, wanted: &[Wanted], now: Instant) -> Vec<TrackId> {
        let on = |track: &TrackId| {
            let found = roster.track(track);
            found.is_some_and(|(_, track)| track.source == TrackSource::Camera && !track.muted)
        };
        let expected: Vec<_> = wanted.iter().map(|wanted| wanted.track.clone()).filter(on).collect();
        self.missing(&expected, now)
    }

    fn missing(&mut self, expected: &[TrackId], now: Instant) -> Vec<TrackId> {
        self.cameras.retain(|track, _| expected.contains(track));
        let mut missed = Vec::new();
        for track in expected {
            let camera = self.cameras.entry(track.clone()).or_insert(Camera { last: now, silent: false });
            if !camera.silent && now.saturating_duration_since(camera.last) >= SILENT {
                camera.silent = true;
                missed.push(track.clone());
            }
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ParticipantId;
    use crate::room::Participant;

    #[test]
    fn an_output_that_hangs_is_noticed_once_and_when_it_goes_on() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut vigil = Vigil::new(start);
        assert_eq!(vigil.output(1, at(1)), None);
        assert_eq!(vigil.output(1, at(5)), None);
        assert_eq!(vigil.output(1, at(6)), Some(Output::Hangs));
        assert_eq!(vigil.output(1, at(7)), None);
        assert_eq!(vigil.output(2, at(9)), Some(Output::Goes(Duration::from_secs(8))));
        assert_eq!(vigil.output(3, at(10)), None);
    }

    /// A roster of one person with these microphones, and all of them wanted.
    fn microphones(program: bool, muted: bool, ids: &[&str]) -> (Roster, Vec<Wanted>) {
        let id = ParticipantId::new("ann");
        let mic = |id: &&str| Track {
            source: TrackSource::Audio,
            id: TrackId::new(*id),
            muted,
            encrypted: false,
            width: 0,
            height: 0,
        };
        let wanted = |track: &&str| Wanted { participant: id.clone(), track: TrackId::new(*track), size: None };
        let wanted = ids.iter().map(wanted).collect();
        let tracks = ids.iter().map(mic).collect();
        let ann = Participant { id: id.clone(), name: "Ann".into(), joined_at: 1, program, tracks };
        (Roster::new(vec![ann], vec![]), wanted)
    }

    #[test]
    fn a_microphone_that_was_never_heard_is_missed_once_until_it_is() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (quiet, heard) = (TrackId::new("quiet"), TrackId::new("heard"));
        let (roster, wanted) = microphones(false, false, &["quiet", "heard"]);
        let mut vigil = Vigil::new(start);
        assert_eq!(vigil.microphones(&roster, &wanted, at(0)), []);
        assert!(!vigil.sent(&heard, at(1)));
        assert_eq!(vigil.microphones(&roster, &wanted, at(29)), []);
        assert_eq!(vigil.microphones(&roster, &wanted, at(30)), std::slice::from_ref(&quiet));
        assert_eq!(vigil.microphones(&roster, &wanted, at(900)), [], "once, and who was heard may pause");
        assert!(vigil.sent(&quiet, at(901)) && !vigil.sent(&quiet, at(902)));
        // Also after a mute.
        let (muted, _) = microphones(false, true, &["quiet", "heard"]);
        assert_eq!(vigil.microphones(&muted, &wanted, at(1000)), []);
        assert_eq!(vigil.microphones(&roster, &wanted, at(1001)), []);
        assert_eq!(vigil.microphones(&roster, &wanted, at(2000)), []);
    }

    #[test]
    fn who_is_muted_or_not_reached_or_a_program_is_not_missed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (roster, wanted) = microphones(false, false, &["a"]);
        let (muted, _) = microphones(false, true, &["a"]);
        let (agent, _) = microphones(true, false, &["a"]);
        let mut vigil = Vigil::new(start);
        for second in 0..100 {
            assert_eq!(vigil.microphones(&muted, &wanted, at(second)), []);
            assert_eq!(vigil.microphones(&agent, &wanted, at(second)), []);
        }
        // The connection is lost now and then: nothing is wanted of it.
        for second in 100..200 {
            let wanted = if second % 20 == 0 { &[][..] } else { &wanted };
            assert_eq!(vigil.microphones(&roster, wanted, at(second)), []);
        }
    }

    #[test]
    fn voices_beyond_the_most_are_told_and_so_is_their_return() {
        let (roster, _) = microphones(false, false, &["one", "two"]);
        let of = |ids: &[&str]| ids.iter().map(|id| TrackId::new(*id)).collect::<Vec<_>>();
        let mut vigil = Vigil::new(Instant::now());
        let one = of(&["one"]).into_iter().collect();
        assert_eq!(vigil.voices(&roster, &one), (of(&["two"]), vec![]));
        assert_eq!(vigil.voices(&roster, &one), (vec![], vec![]));
        let both = of(&["one", "two"]).into_iter().collect();
        assert_eq!(vigil.voices(&roster, &both), (vec![], of(&["two"])));
    }

    #[test]
    fn what_cannot_be_decoded_is_subscribed_to_anew_ever_less_often_and_for_ever() {
        let (start, track) = (Instant::now(), TrackId::new("a"));
        let undecodable = HashSet::from([track.clone()]);
        let mut vigil = Vigil::new(start);
        let mut rested = Vec::new();
        for second in 0..300 {
            let changed = vigil.renew(&undecodable, start + Duration::from_secs(second));
            if vigil.rests(&track) {
                rested.push(second);
                assert!(changed && vigil.renew(&undecodable, start + Duration::from_secs(second)), "for a moment");
                assert!(!vigil.rests(&track));
            }
        }
        assert_eq!(rested, [8, 24, 56, 120, 184, 248]);
        assert!(!vigil.renew(&HashSet::new(), start + Duration::from_secs(400)), "it is back");
    }

    #[test]
    fn a_camera_that_sends_nothing_is_missed_once_until_it_sends() {
        let (start, camera) = (Instant::now(), [TrackId::new("a")]);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut vigil = Vigil::new(start);
        assert!(vigil.missing(&camera, at(0)).is_empty() && vigil.missing(&camera, at(14)).is_empty());
        assert_eq!(vigil.missing(&camera, at(15)), camera);
        assert!(vigil.missing(&camera, at(40)).is_empty(), "once");
        assert!(vigil.sent(&camera[0], at(41)) && !vigil.sent(&camera[0], at(42)));
        assert!(vigil.missing(&[], at(60)).is_empty(), "muted");
        assert!(vigil.missing(&camera, at(61)).is_empty(), "on again");
    }
}
