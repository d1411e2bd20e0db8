//! Who may be on screen, in what order.

use std::cmp::Reverse;

use super::{Arrangement, Layout, Source, Subject, grid, speaker};
use crate::ids::ParticipantId;

/// A subject with the facts that decide its rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Whom or what it shows.
    pub subject: Subject,
    /// Orders by the time of joining; for a share, of its being published. Any unit.
    pub joined_at: u64,
    /// Orders by the time when this participant last *began* to speak. Any unit; `None` when never.
    pub last_spoke: Option<u64>,
    /// Heard now.
    pub speaking: bool,
    /// A further camera of somebody: it is shown as well, but a voice does not lift it.
    pub further: bool,
}

/// The candidates in the order in which [`arrange`](super::arrange) wants them.
///
/// By rank: screen shares, oldest first; then `speaker`, those who speak, recent speakers, cameras that are on, further
/// cameras of the same people, who joined first. Who is in focus follows from the rank alone; with a share in focus, so does the first of the strip.
/// All other places are stable: who was in view in `shown` (the last result, or empty) and still is keeps its place, and
/// a newcomer takes the place of the one who dropped out.
pub fn rank(
    layout: Layout,
    candidates: &[Candidate],
    speaker: Option<&ParticipantId>,
    shown: &[Subject],
) -> Vec<Subject> {
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_by_key(|c| key(c, speaker));
    let share = sorted.first().is_some_and(|c| c.subject.source == Source::ScreenShare);
    let (fixed, places) = match layout.arrangement.with_share(share) {
        Arrangement::Grid => (0, grid::MOST),
        Arrangement::Speaker | Arrangement::SingleSpeaker if share => {
            // The best of the cameras goes right behind the share in focus, before any second share.
            if let Some(best) = sorted.iter().position(|c| c.subject.source == Source::Camera) {
                sorted[1..=best].rotate_right(1);
            }
            (2, speaker::STRIP - 1)
        }
        Arrangement::Speaker | Arrangement::SingleSpeaker => (1, speaker::STRIP),
    };
    let mut order: Vec<Subject> = sorted.into_iter().map(|c| c.subject.clone()).collect();
    let before = shown.get(fixed..shown.len().min(fixed + places)).unwrap_or_default();
    let start = fixed.min(order.len());
    let end = (start + places).min(order.len());
    let stable = keep_places(&order[start..end], before);
    order.splice(start..end, stable);
    order
}

/// Smaller is better.
fn key<'a>(c: &'a Candidate, speaker: Option<&ParticipantId>) -> impl Ord + use<'a> {
    let heard = match c.subject.source {
        Source::ScreenShare => None,
        Source::Camera => {
            let current = !c.further && speaker == Some(&c.subject.participant);
            let (speaking, last_spoke) = if c.further { (false, None) } else { (c.speaking, c.last_spoke) };
            let camera = c.subject.track.is_some();
            Some((Reverse(current), Reverse(speaking), Reverse(last_spoke), Reverse(camera), c.further))
        }
    };
    (c.subject.source, heard, c.joined_at, c.subject.participant.as_str(), c.subject.track.as_ref())
}

/// `wanted` in the order of `before`, as far as they were there; the others fill the gaps by rank, then follow.
fn keep_places(wanted: &[Subject], before: &[Subject]) -> Vec<Subject> {
    let mut pool: Vec<&Subject> = wanted.iter().collect();
    let mut take = |old: &Subject| {
        let exact = pool.iter().position(|w| same(w, old) && w.track == old.track);
        let found = exact.or_else(|| pool.iter().position(|w| same(w, old)))?;
        Some(pool.remove(found))
    };
    let kept: Vec<Option<&Subject>> = before.iter().map(&mut take).collect();
    let mut newcomers = pool.into_iter();
    let mut order: Vec<Subject> = Vec::with_capacity(wanted.len());
    for place in kept {
        order.extend(place.or_else(|| newcomers.next()).cloned());
    }
    order.extend(newcomers.cloned());
    order
}

/// The same person's same source, whatever its track, name or shape are now.
fn same(a: &Subject, b: &Subject) -> bool {
    a.participant == b.participant && a.source == b.source
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TrackId;

    fn camera(id: &str, joined_at: u64) -> Candidate {
        Candidate {
            subject: Subject {
                participant: ParticipantId::new(id),
                name: id.to_uppercase(),
                source: Source::Camera,
                track: Some(TrackId::new(format!("TR_{id}"))),
                portrait: false,
            },
            joined_at,
            last_spoke: None,
            speaking: false,
            further: false,
        }
    }

    fn share(id: &str, joined_at: u64) -> Candidate {
        let mut share = camera(id, joined_at);
        share.subject.source = Source::ScreenShare;
        share.subject.track = Some(TrackId::new(format!("TR_{id}_screen")));
        share
    }

    fn room(ids: &str) -> Vec<Candidate> {
        ids.chars().enumerate().map(|(i, id)| camera(&id.to_string(), i as u64)).collect()
    }

    /// Ranks and renders as letters, shares in capitals.
    fn ranked(layout: &str, candidates: &[Candidate], speaker: &str, shown: &mut Vec<Subject>) -> String {
        let speaker = (!speaker.is_empty()).then(|| ParticipantId::new(speaker));
        *shown = rank(Layout::from_name(layout), candidates, speaker.as_ref(), shown);
        let letter = |s: &Subject| match s.source {
            Source::ScreenShare => s.participant.as_str().to_uppercase(),
            Source::Camera => s.participant.as_str().to_owned(),
        };
        shown.iter().map(letter).collect()
    }

    #[test]
    fn rank_is_share_speaker_voices_cameras_age() {
        let mut candidates = room("abcdefg");
        candidates[6].last_spoke = Some(10);
        candidates[5].last_spoke = Some(20);
        candidates[4].speaking = true;
        candidates[0].subject.track = None;
        candidates.push(share("b", 90));
        candidates.push(share("c", 80));
        assert_eq!(ranked("speaker", &candidates, "d", &mut Vec::new()), "CdBefgbca");
        assert_eq!(ranked("speaker", &candidates[..7], "", &mut Vec::new()), "efgbcda");
    }

    #[test]
    fn the_old_focus_takes_the_place_of_the_new_one() {
        let (candidates, mut shown) = (room("abcdefg"), Vec::new());
        assert_eq!(ranked("speaker", &candidates, "a", &mut shown), "abcdefg");
        assert_eq!(ranked("speaker", &candidates, "c", &mut shown), "cbadefg");
        // f comes from outside: c takes the place of whoever falls out of view, and the rest does not move.
        assert_eq!(ranked("speaker", &candidates, "f", &mut shown), "fbadceg");
    }

    #[test]
    fn who_speaks_beside_a_share_is_first_in_the_strip() {
        let (mut candidates, mut shown) = (room("abcdef"), Vec::new());
        candidates.push(share("a", 9));
        assert_eq!(ranked("speaker", &candidates, "a", &mut shown), "Aabcdef");
        assert_eq!(ranked("speaker", &candidates, "c", &mut shown), "Acbadef");
        assert_eq!(ranked("grid", &candidates, "d", &mut shown), "Adbacef");
    }

    #[test]
    fn a_grid_stands_still_when_another_one_speaks() {
        let (mut candidates, mut shown) = (room("abcd"), Vec::new());
        assert_eq!(ranked("grid", &candidates, "a", &mut shown), "abcd");
        candidates[3].last_spoke = Some(5);
        assert_eq!(ranked("grid", &candidates, "c", &mut shown), "abcd");
        candidates.push(camera("e", 9));
        assert_eq!(ranked("grid", &candidates, "e", &mut shown), "abcde");
        candidates.remove(1);
        assert_eq!(ranked("grid", &candidates, "e", &mut shown), "acde");
    }

    #[test]
    fn in_a_full_grid_the_newcomer_takes_the_place_of_one() {
        let (mut candidates, mut shown) = (room("abcdefghijklmnopqrstuvwxyz"), Vec::new());
        assert_eq!(ranked("grid", &candidates, "", &mut shown), "abcdefghijklmnopqrstuvwxyz");
        candidates[25].last_spoke = Some(1);
        assert_eq!(ranked("grid", &candidates, "z", &mut shown), "abcdefghijklmnopqrstuvwxzy");
    }

    #[test]
    fn a_republished_track_keeps_its_place_and_two_shares_of_one_person_are_both_kept() {
        let (mut candidates, mut shown) = (room("abc"), Vec::new());
        ranked("grid", &candidates, "", &mut shown);
        candidates[1].subject.track = Some(TrackId::new("TR_new"));
        assert_eq!(ranked("grid", &candidates, "c", &mut shown), "abc");
        assert_eq!(shown[1].track, Some(TrackId::new("TR_new")));
        let mut second = share("a", 11);
        second.subject.track = Some(TrackId::new("TR_second"));
        candidates.extend([share("a", 10), second]);
        ranked("speaker", &candidates, "b", &mut shown);
        assert_eq!(ranked("speaker", &candidates, "b", &mut shown), "AbcAa");
    }

    #[test]
    fn a_further_camera_comes_after_those_of_others_and_before_who_has_none() {
        let mut candidates = room("abc");
        candidates[2].subject.track = None;
        let mut further = candidates[0].clone();
        (further.subject.track, further.further) = (Some(TrackId::new("TR_0")), true);
        (further.speaking, candidates[0].speaking) = (true, true);
        candidates.push(further);
        let mut shown = Vec::new();
        assert_eq!(ranked("speaker", &candidates, "a", &mut shown), "abac");
        assert_eq!(shown[0].track, Some(TrackId::new("TR_a")), "the first camera has the stage");
    }

    #[test]
    fn nobody_and_one_do_no_harm() {
        assert_eq!(ranked("speaker", &[], "a", &mut Vec::new()), "");
        assert_eq!(ranked("grid", &[], "", &mut room("ab").into_iter().map(|c| c.subject).collect()), "");
        assert_eq!(ranked("speaker", &[share("a", 1)], "", &mut Vec::new()), "A");
        assert_eq!(ranked("speaker", &room("a"), "z", &mut Vec::new()), "a");
    }
}
