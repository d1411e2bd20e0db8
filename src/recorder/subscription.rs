//! Pure. Roster and scene → which tracks we want, and how large.

use std::collections::{HashMap, HashSet};

use crate::ids::TrackId;
use crate::room::{Roster, TrackSource, Wanted};
use crate::scene::{Face, Scene, Size};

/// The `voices`; of the video what is on screen, in the size of its tile, and what is `ahead`. Without a scene (sound alone)
/// no video.
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
        for track in &participant.tracks {
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
    fn without_sound_no_sound_is_subscribed_to() {
        let track = |id: &str, source| Track { id: TrackId::new(id), source, muted: false, width: 640, height: 360 };
        let tracks = vec![track("cam", TrackSource::Camera), track("mic", TrackSource::Audio)];
        let (id, name) = (ParticipantId::new("ann"), "Ann".into());
        let ann = Participant { id, name, joined_at: 1, program: false, tracks };
        let roster = Roster::new(vec![ann], vec![]);
        let ahead = HashMap::from([(TrackId::new("cam"), Size::new(320, 180).expect("even"))]);
        let of = |ahead: &HashMap<_, _>, sound: bool| {
            let voices = sound.then(|| TrackId::new("mic")).into_iter().collect();
            let wanted = wanted(&roster, None, ahead, &voices);
            wanted.into_iter().map(|w| w.track.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&ahead, true), ["cam", "mic"]);
        assert_eq!(of(&ahead, false), ["cam"]);
        assert_eq!(of(&HashMap::new(), true), ["mic"], "sound alone");
    }
}
