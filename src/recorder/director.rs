//! Pure. Roster, speakers and what can be decoded → the scene to show now.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::ids::{ParticipantId, TrackId};
use crate::room::{Participant, Roster, Track, TrackSource};
use crate::scene::{ActiveSpeaker, Arrangement, Candidate, Face, Layout, Scene, Size, Source, Subject, arrange, rank};

/// A new scene, and what brought it about: some things are learnt later than others.
#[derive(Debug)]
pub(super) struct Cut {
    pub scene: Scene,
    pub cause: Cause,
}

/// What brought a new scene about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody else speaks: the server takes a while to notice.
    Heard,
    /// A track has, or has no more, pictures: known when they are decoded.
    Seen,
    /// Somebody came, left, published or muted.
    Told,
}

/// Decides who is on screen.
#[derive(Debug)]
pub(super) struct Director {
    view: Option<View>,
    roster: Roster,
    active: ActiveSpeaker,
    /// Who spoke when, in order of beginning: a plain counter.
    last_spoke: HashMap<ParticipantId, u64>,
    speaking: HashSet<ParticipantId>,
    turns: u64,
    undecodable: HashSet<TrackId>,
    /// Tracks that have pictures. A share goes on stage with its first picture, not before.
    decoding: HashSet<TrackId>,
}

/// The picture, when there is one.
#[derive(Debug)]
struct View {
    layout: Layout,
    size: Size,
    /// Only what is in focus is to be decoded.
    stage_only: bool,
    shown: Vec<Subject>,
    scene: Option<Scene>,
}

impl Director {
    /// `picture` is `None` when only sound is recorded; then there are no scenes, but still an active speaker.
    pub fn new(picture: Option<(Layout, Size)>) -> Self {
        Self {
            view: picture.map(|(layout, size)| View {
                layout,
                size,
                stage_only: false,
                shown: Vec::new(),
                scene: None,
            }),
            roster: Roster::default(),
            active: ActiveSpeaker::new(),
            last_spoke: HashMap::new(),
            speaking: HashSet::new(),
            turns: 0,
            undecodable: HashSet::new(),
            decoding: HashSet::new(),
        }
    }

    /// Takes in who is here and who speaks. The new scene, if it is another one.
    pub fn handle_roster(&mut self, roster: Roster, now: Instant) -> Option<Cut> {
        for gone in self.roster.participants().filter(|p| roster.participant(&p.id).is_none()) {
            self.active.forget(&gone.id);
            self.last_spoke.remove(&gone.id);
        }
        let speakers = roster.speakers();
        let speaking: HashSet<_> = speakers.iter().map(|(id, _)| id.clone()).collect();
        for id in speaking.difference(&self.speaking) {
            self.turns += 1;
            self.last_spoke.insert(id.clone(), self.turns);
        }
        self.speaking = speaking;
        self.roster = roster;
        self.undecodable.retain(|track| self.roster.track(track).is_some());
        self.decoding.retain(|track| self.roster.track(track).is_some_and(|(_, track)| !track.muted));
        let cause = if self.active.handle(&speakers, now).is_some() { Cause::Heard } else { Cause::Told };
        self.direct(cause)
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.active.poll_timeout()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Cut> {
        self.active.handle_timeout(now);
        self.direct(Cause::Heard)
    }

    /// Another layout from now on.
    pub fn set_layout(&mut self, layout: Layout) -> Option<Cut> {
        self.view.as_mut()?.layout = layout;
        self.direct(Cause::Told)
    }

    /// From now on only what is in focus is decoded, and the others are initials; or everybody is seen again.
    pub fn set_stage_only(&mut self, stage_only: bool) -> Option<Cut> {
        self.view.as_mut()?.stage_only = stage_only;
        self.direct(Cause::Told)
    }

    /// This track has its first picture, or pictures again.
    pub fn decoding(&mut self, track: &TrackId) -> Option<Cut> {
        self.undecodable.remove(track);
        self.decoding.insert(track.clone());
        self.direct(Cause::Seen)
    }

    /// This track cannot be decoded, or is not given to us.
    pub fn undecodable(&mut self, track: &TrackId) -> Option<Cut> {
        self.decoding.remove(track);
        self.undecodable.insert(track.clone());
        self.direct(Cause::Seen)
    }

    /// No track has pictures any more: we are in a new session.
    pub fn begin_anew(&mut self) {
        self.decoding.clear();
        self.undecodable.clear();
    }

    /// Tracks that are not on screen but soon may be, and how large they are wanted: shares, which go on stage with their
    /// first picture, and the camera that is next in rank, so that a new speaker is seen at once.
    pub fn ahead(&self) -> HashMap<TrackId, Size> {
        let Some(View { size, shown, scene: Some(scene), stage_only, .. }) = &self.view else { return HashMap::new() };
        let tracks = self.roster.participants().flat_map(|p| &p.tracks);
        let shares = tracks
            .filter(|t| t.source == TrackSource::ScreenShare && self.visible(t) && !self.decoding.contains(&t.id))
            .map(|t| (t.id.clone(), *size));
        let off_screen = |track: &&TrackId| !scene.tiles.iter().any(|tile| tile.face == Face::Track((*track).clone()));
        let cameras = shown.iter().filter(|s| s.source == Source::Camera).filter_map(|s| s.track.as_ref());
        let cameras = cameras.filter(|_| !stage_only);
        let small = Size { width: size.width.fraction(1, 4), height: size.height.fraction(1, 4) };
        shares.chain(cameras.filter(off_screen).take(1).map(|track| (track.clone(), small))).collect()
    }

    /// What is shown now.
    pub fn scene(&self) -> Option<&Scene> {
        self.view.as_ref()?.scene.as_ref()
    }

    /// Who is here.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The active speaker's name.
    pub fn speaker(&self) -> Option<&str> {
        Some(self.roster.participant(self.active.current()?)?.name.as_str())
    }

    fn direct(&mut self, cause: Cause) -> Option<Cut> {
        let candidates: Vec<_> = self.roster.participants().flat_map(|p| self.candidates(p)).collect();
        let view = self.view.as_mut()?;
        view.shown = rank(view.layout, &candidates, self.active.current(), &view.shown);
        let mut scene = arrange(view.layout, view.size, &view.shown);
        if view.stage_only {
            let focus = focus(view.layout, &view.shown, self.active.current());
            spare(&mut scene, focus, &self.roster);
        }
        if view.scene.as_ref() == Some(&scene) {
            return None;
        }
        view.scene = Some(scene.clone());
        Some(Cut { scene, cause })
    }

    fn visible(&self, track: &Track) -> bool {
        !track.muted && !track.encrypted && !self.undecodable.contains(&track.id)
    }

    /// A person's camera (or initials), and each of their screen shares.
    fn candidates(&self, person: &Participant) -> Vec<Candidate> {
        let visible = |t: &&Track| self.visible(t);
        let of = |source| person.tracks.iter().filter(move |t: &&Track| t.source == source);
        let candidate = |source, track: Option<&Track>| Candidate {
            subject: Subject {
                participant: person.id.clone(),
                name: person.name.clone(),
                source,
                track: track.map(|t| t.id.clone()),
                portrait: track.is_some_and(|t| t.height > t.width),
            },
            joined_at: person.joined_at.unsigned_abs(),
            last_spoke: self.last_spoke.get(&person.id).copied(),
            speaking: self.speaking.contains(&person.id),
        };
        let mut all: Vec<_> = of(TrackSource::ScreenShare)
            .filter(|t| self.visible(t) && self.decoding.contains(&t.id))
            .map(|t| candidate(Source::ScreenShare, Some(t)))
            .collect();
        let camera = of(TrackSource::Camera).find(visible);
        if camera.is_some() || !person.program {
            all.push(candidate(Source::Camera, camera));
        }
        all
    }
}

/// Which track is in focus: what has the stage, or in a grid the active speaker, else the first.
fn focus<'a>(layout: Layout, shown: &'a [Subject], speaker: Option<&ParticipantId>) -> Option<&'a TrackId> {
    let first = || shown.iter().find(|s| s.source == Source::ScreenShare).or(shown.first());
    let share = shown.iter().any(|s| s.source == Source::ScreenShare);
    let subject = match layout.arrangement.with_share(share) {
        Arrangement::Grid => shown.iter().find(|s| Some(&s.participant) == speaker && s.track.is_some()).or_else(first),
        Arrangement::Speaker | Arrangement::SingleSpeaker => first(),
    };
    subject?.track.as_ref()
}

/// Puts initials in the place of all pictures but this one.
fn spare(scene: &mut Scene, focus: Option<&TrackId>, roster: &Roster) {
    for tile in &mut scene.tiles {
        if let Face::Track(track) = &tile.face
            && Some(track) != focus
            && let Some((person, _)) = roster.track(track)
        {
            tile.face = Face::Initials(person.id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::recorder::subscription::wanted;
    use crate::scene::Theme;

    const LAYOUT: Layout = Layout { arrangement: Arrangement::Speaker, theme: Theme::Dark };

    fn director() -> Director {
        Director::new(Some((LAYOUT, Size::new(1280, 720).unwrap())))
    }

    fn track(id: &str, source: TrackSource, muted: bool) -> Track {
        Track { id: TrackId::new(id), source, muted, encrypted: false, width: 640, height: 360 }
    }

    fn person(id: &str, tracks: Vec<Track>) -> Participant {
        Participant { id: ParticipantId::new(id), name: id.into(), joined_at: 1, program: false, tracks }
    }

    fn faces(cut: Option<Cut>) -> Vec<Face> {
        cut.expect("another scene").scene.tiles.into_iter().map(|tile| tile.face).collect()
    }

    fn shows(id: &str) -> Face {
        Face::Track(TrackId::new(id))
    }

    #[test]
    fn a_camera_that_is_off_or_broken_becomes_initials() {
        let (mut director, now) = (director(), Instant::now());
        let roster = |muted| Roster::new(vec![person("ann", vec![track("a", TrackSource::Camera, muted)])], vec![]);
        let initials = Face::Initials(ParticipantId::new("ann"));
        assert_eq!(faces(director.handle_roster(roster(false), now)), [shows("a")]);
        let muted = faces(director.handle_roster(roster(true), now));
        assert_eq!(muted.first(), Some(&initials));
        assert_eq!(faces(director.handle_roster(roster(false), now)), [shows("a")]);
        assert_eq!(faces(director.undecodable(&TrackId::new("a"))), [initials]);
        assert_eq!(faces(director.decoding(&TrackId::new("a"))), [shows("a")]);
        assert!(director.decoding(&TrackId::new("a")).is_none(), "the same scene is not shown again");
    }

    #[test]
    fn a_share_is_subscribed_at_once_and_shown_with_its_first_picture() {
        let (mut director, now) = (director(), Instant::now());
        let tracks = vec![track("cam", TrackSource::Camera, false), track("share", TrackSource::ScreenShare, false)];
        let roster = Roster::new(vec![person("ann", tracks)], vec![]);
        assert_eq!(faces(director.handle_roster(roster, now)), [shows("cam")]);
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), true);
        assert!(wants.iter().any(|w| w.track == TrackId::new("share") && w.size == Some((1280, 720))), "{wants:?}");
        let cut = director.decoding(&TrackId::new("share"));
        assert_eq!(cut.as_ref().map(|cut| cut.cause), Some(Cause::Seen));
        assert!(faces(cut).contains(&shows("share")));
    }

    #[test]
    fn the_next_in_rank_is_subscribed_ahead_and_nobody_else() {
        let layout = Layout { arrangement: Arrangement::SingleSpeaker, theme: Theme::Dark };
        let mut director = Director::new(Some((layout, Size::new(1280, 720).unwrap())));
        let people = ["a", "b", "c"].map(|id| person(id, vec![track(id, TrackSource::Camera, false)])).to_vec();
        assert_eq!(faces(director.handle_roster(Roster::new(people, vec![]), Instant::now())), [shows("a")]);
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), true);
        let sizes: Vec<_> = wants.iter().map(|w| (w.track.as_str(), w.size)).collect();
        assert_eq!(sizes, [("a", Some((1280, 720))), ("b", Some((320, 180)))]);
    }

    #[test]
    fn without_the_filmstrip_only_the_stage_is_decoded() {
        for (arrangement, kept) in [(Arrangement::Speaker, "share"), (Arrangement::Grid, "share")] {
            let layout = Layout { arrangement, theme: Theme::Dark };
            let mut director = Director::new(Some((layout, Size::new(1280, 720).unwrap())));
            let mut people = ["a", "b", "c"].map(|id| person(id, vec![track(id, TrackSource::Camera, false)])).to_vec();
            people[1].tracks.push(track("share", TrackSource::ScreenShare, false));
            people[1].tracks.push(track("mic", TrackSource::Audio, false));
            director.handle_roster(Roster::new(people, vec![]), Instant::now());
            let before = faces(director.decoding(&TrackId::new(kept)));
            assert_eq!(before.len(), 4);
            let after = faces(director.set_stage_only(true));
            assert_eq!((after.len(), &after[0]), (4, &shows(kept)), "{arrangement:?}");
            assert!(after[1..].iter().all(|face| matches!(face, Face::Initials(_))), "{arrangement:?}: {after:?}");
            let wants = wanted(director.roster(), director.scene(), &director.ahead(), true);
            assert_eq!(wants.iter().map(|w| w.track.as_str()).collect::<Vec<_>>(), ["share", "mic"], "{arrangement:?}");
            assert!(director.set_stage_only(true).is_none(), "the same scene is not shown again");
            assert_eq!(faces(director.set_stage_only(false)), before);
        }
    }

    #[test]
    fn in_a_grid_who_speaks_stays_in_the_picture() {
        let layout = Layout { arrangement: Arrangement::Grid, theme: Theme::Dark };
        let mut director = Director::new(Some((layout, Size::new(1280, 720).unwrap())));
        let people = ["a", "b", "c"].map(|id| person(id, vec![track(id, TrackSource::Camera, false)])).to_vec();
        let now = Instant::now();
        director.handle_roster(Roster::new(people.clone(), vec![]), now);
        director.handle_roster(Roster::new(people, vec![(ParticipantId::new("b"), 0.5)]), now);
        let initials = |id| Face::Initials(ParticipantId::new(id));
        assert_eq!(faces(director.set_stage_only(true)), [initials("a"), shows("b"), initials("c")]);
    }

    #[test]
    fn a_new_speaker_is_known_as_the_cause() {
        let (mut director, now) = (director(), Instant::now());
        let people = || {
            ["ann", "bob"].map(|id| person(id, vec![track(&format!("{id}-cam"), TrackSource::Camera, false)])).to_vec()
        };
        let speaks = |id: &str| Roster::new(people(), vec![(ParticipantId::new(id), 0.5)]);
        director.handle_roster(speaks("ann"), now);
        assert_eq!(director.speaker(), Some("ann"));
        let cut = director.handle_roster(speaks("bob"), now + Duration::from_secs(3));
        assert_eq!((director.speaker(), cut.map(|cut| cut.cause)), (Some("bob"), Some(Cause::Heard)));
    }

    #[test]
    fn sound_alone_wants_no_video() {
        let mut director = Director::new(None);
        let tracks = vec![
            track("mic", TrackSource::Audio, false),
            track("cam", TrackSource::Camera, false),
            track("share", TrackSource::ScreenShare, false),
        ];
        assert!(director.handle_roster(Roster::new(vec![person("ann", tracks)], vec![]), Instant::now()).is_none());
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), true);
        assert_eq!(wants.iter().map(|w| w.track.as_str()).collect::<Vec<_>>(), ["mic"]);
    }

    #[test]
    fn a_program_is_seen_only_while_it_publishes_video() {
        let mut director = director();
        let mut bot = person("bot", vec![track("voice", TrackSource::Audio, false)]);
        bot.program = true;
        assert_eq!(faces(director.handle_roster(Roster::new(vec![bot], vec![]), Instant::now())), []);
    }
}
