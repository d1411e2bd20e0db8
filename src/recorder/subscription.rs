//! Pure. Roster and scene → which tracks we want, and how large.

use std::collections::HashMap;

use crate::ids::TrackId;
use crate::room::{Roster, TrackSource, Wanted};
use crate::scene::{Face, Scene, Size};

/// All audio, and of the video what is on screen, in the size of its tile. Without a scene (sound alone): no video.
/// Shares that will be shown with their first picture are `awaited`, in that size at most.
pub(super) fn wanted<'a>(
    roster: &Roster,
    scene: Option<&Scene>,
    awaited: impl Iterator<Item = (&'a TrackId, Size)>,
) -> Vec<Wanted> {
    let awaited: HashMap<_, _> = awaited.collect();
    let mut wanted = Vec::new();
    for participant in roster.participants() {
        for track in &participant.tracks {
            let want = |size| Wanted { participant: participant.id.clone(), track: track.id.clone(), size };
            let tile = scene.and_then(|s| s.tiles.iter().find(|tile| tile.face == Face::Track(track.id.clone())));
            match (track.source, tile) {
                (TrackSource::Audio, _) => wanted.push(want(None)),
                (TrackSource::Camera | TrackSource::ScreenShare, Some(tile)) => {
                    wanted.push(want(Some((tile.rect.width.get(), tile.rect.height.get()))));
                }
                (TrackSource::Camera | TrackSource::ScreenShare, None) => {
                    if let Some(size) = awaited.get(&track.id) {
                        wanted.push(want(Some((size.width.get(), size.height.get()))));
                    }
                }
            }
        }
    }
    wanted
}
