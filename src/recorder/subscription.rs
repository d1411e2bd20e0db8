//! Pure. Roster and scene → which tracks we want, and how large.

use std::collections::{HashMap, HashSet};

use crate::ids::TrackId;
use crate::room::{Participant, Roster, Track, TrackSource, Wanted};
use crate::scene::{Face, Scene, Size};

/// Audio tracks of one participant that are recorded. People send one or two; each costs a decoder.
const VOICES: usize = 8;

/// The tracks of `person` that cannot be recorded, and why.
pub(super) fn unrecorded(person: &Participant, with_audio: bool, with_video: bool) -> Vec<(&Track, &'static str)> {
    let mut voices = 0;
    let mut why = |track: &Track| {
        let audio = track.source == TrackSource::Audio;
        voices += usize::from(audio && !track.encrypted);
        match (if audio { with_audio } else { with_video }, track.encrypted, audio && voices > VOICES) {
            (false, _, _) | (true, false, false) => None,
            (true, true, _) => Some("end-to-end encrypted"),
            (true, false, true) => Some("one of too many audio tracks"),
        }
    };
    person.tracks.iter().filter_map(|track| Some((track, why(track)?))).collect()
}

/// The `voices`; of the video what is on screen, in the size of its tile, and what is `ahead`. Without a scene (audio alone)
/// no video. What is encrypted end to end is not wanted: decoded, it would be noise.
pub(super) fn wanted(
    roster: &Roster,
    scene: Option<&Scene>,
    ahead: &HashMap<TrackId, Size>,
    voices: &HashSet<TrackId>,
) -> Vec<Wanted> {
    let on_screen = |track: &TrackId| {
        let tile = scene?.tiles.iter().find(|tile| tile.face == Face::Track(track.clone()))?;
        Some(tile.rect.size())
    };
    let mut wanted = Vec::new();
    for participant in roster.participants() {
        let unrecorded = unrecorded(participant, true, true);
        for track in participant.tracks.iter().filter(|track| !unrecorded.iter().any(|(not, _)| not.id == track.id)) {
            let size = on_screen(&track.id).or_else(|| ahead.get(&track.id).copied());
            if (track.source == TrackSource::Audio && voices.contains(&track.id)) || size.is_some() {
                let size = size.map(|size| (size.width.get(), size.height.get()));
                wanted.push(Wanted { participant: participant.id.clone(), track: track.id.clone(), size });
            }
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ParticipantId;
    use crate::room::{Participant, Track};

    #[test]
    fn what_cannot_be_recorded_is_not_subscribed_to() {
        let track = |id: &str, source, encrypted| {
            let id = TrackId::new(id);
            Track { id, source, muted: false, encrypted, width: 640, height: 360 }
        };
        let tracks = vec![
            track("cam", TrackSource::Camera, false),
            track("mic", TrackSource::Audio, false),
            track("locked-cam", TrackSource::Camera, true),
            track("locked-mic", TrackSource::Audio, true),
        ];
        let (id, name) = (ParticipantId::new("ann"), "Ann".into());
        let ann = Participant { id, name, joined_at: 1, program: false, tracks };
        let roster = Roster::new(vec![ann], vec![]);
        let ahead = ["cam", "locked-cam"].map(|id| (TrackId::new(id), Size::new(320, 180).expect("even")));
        let ahead = HashMap::from(ahead);
        let of = |ahead: &HashMap<_, _>, audio: bool| {
            let voices =
                roster.participants().flat_map(|p| &p.tracks).filter(|_| audio).map(|t| t.id.clone()).collect();
            let wanted = wanted(&roster, None, ahead, &voices);
            wanted.into_iter().map(|w| w.track.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&ahead, true), ["cam", "mic"]);
        assert_eq!(of(&ahead, false), ["cam"]);
        assert_eq!(of(&HashMap::new(), true), ["mic"], "sound alone");
        let why = |audio, frames| {
            let ann = roster.participants().next().expect("Ann");
            unrecorded(ann, audio, frames).into_iter().map(|(track, _)| track.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(why(true, true), ["locked-cam", "locked-mic"]);
        assert_eq!(why(true, false), ["locked-mic"], "nobody misses a picture in sound alone");
    }

    #[test]
    fn one_person_costs_so_many_decoders_and_no_more() {
        let voice = |n: usize| {
            let (id, source) = (TrackId::new(format!("TR_{n}")), TrackSource::Audio);
            Track { id, source, muted: false, encrypted: false, width: 0, height: 0 }
        };
        let (id, name) = (ParticipantId::new("bot"), "Bot".into());
        let bot = Participant { id, name, joined_at: 1, program: true, tracks: (0..500).map(voice).collect() };
        assert_eq!(unrecorded(&bot, true, true).len(), 500 - VOICES);
        let voices = bot.tracks.iter().map(|track| track.id.clone()).collect();
        let roster = Roster::new(vec![bot], vec![]);
        assert_eq!(wanted(&roster, None, &HashMap::new(), &voices).len(), VOICES);
    }
}
