//! Pure. Roster, speakers and what can be decoded → the scene to show now.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
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
    /// A track has, or has no more, frames: known when they are decoded.
    Seen,
    /// Somebody came, left, published or muted.
    Announced,
}

/// Most audio tracks that are recorded at once: each has a decoder, and how many are published is for guests to say.
pub(super) const MOST_VOICES: usize = 100;
/// So many audio tracks of each person come before anybody's further ones: a microphone, and the audio of a share.
const USUAL_VOICES: usize = 2;
/// Most shares that are waited for at once.
const MOST_SHARES: usize = 8;
/// Further cameras of one person that are shown.
const FURTHER_CAMERAS: usize = 3;
/// Cameras that have left the screen and stay subscribed, so that who comes back is seen without a new key frame.
const RECENT: usize = 2;

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
    /// Tracks that have frames. A share goes on stage with its first picture, not before.
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
    /// Cameras that have left the screen, the last one first.
    recent: VecDeque<TrackId>,
}

impl Director {
    /// `picture` is `None` when only audio is recorded; then there are no scenes, but still an active speaker.
    pub fn new(picture: Option<(Layout, Size)>) -> Self {
        Self {
            view: picture.map(|(layout, size)| View {
                layout,
                size,
                stage_only: false,
                shown: Vec::new(),
                scene: None,
                recent: VecDeque::new(),
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
        // Who mutes and unmutes is tried again.
        self.undecodable.retain(|track| self.roster.track(track).is_some_and(|(_, track)| !track.muted));
        self.decoding.retain(|track| self.roster.track(track).is_some_and(|(_, track)| !track.muted));
        let cause = if self.active.handle(&speakers, now).is_some() { Cause::Heard } else { Cause::Announced };
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
        self.direct(Cause::Announced)
    }

    /// From now on only what is in focus is decoded, and the others are initials; or everybody is seen again.
    pub fn set_stage_only(&mut self, stage_only: bool) -> Option<Cut> {
        self.view.as_mut()?.stage_only = stage_only;
        self.direct(Cause::Announced)
    }

    /// This track has its first picture, or frames again.
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

    /// This track is sent in another way from now on: whatever it was before, it may be decoded.
    pub fn changed(&mut self, track: &TrackId) -> Option<Cut> {
        self.undecodable.remove(track);
        self.direct(Cause::Announced)
    }

    /// No track has frames any more: we are in a new session.
    pub fn begin_anew(&mut self) {
        self.decoding.clear();
        self.undecodable.clear();
    }

    /// Tracks that are not on screen but soon may be, and how large they are wanted: shares, which go on stage with their
    /// first picture; cameras that cannot be decoded, which come back when they can; the camera that is next in rank, so that
    /// a new speaker is seen at once; and those who were on screen before.
    pub fn ahead(&self) -> HashMap<TrackId, Size> {
        let Some(View { size, shown, scene: Some(scene), stage_only, recent, .. }) = &self.view else {
            return HashMap::new();
        };
        let tracks = self.roster.participants().flat_map(|p| &p.tracks);
        let mut shares: Vec<_> = tracks
            .filter(|t| {
                t.source == TrackSource::ScreenShare && !t.muted && !t.encrypted && !self.decoding.contains(&t.id)
            })
            .collect();
        shares.sort_by_key(|t| self.undecodable.contains(&t.id));
        let shares = shares.into_iter().take(MOST_SHARES).map(|t| (t.id.clone(), *size));
        let small = Size { width: size.width.fraction(1, 4), height: size.height.fraction(1, 4) };
        let on_screen = |track: &TrackId| scene.tiles.iter().any(|tile| tile.face == Face::Track(track.clone()));
        let cameras = shown.iter().filter(|s| s.source == Source::Camera).filter_map(|s| s.track.as_ref());
        let next = cameras.filter(|track| !on_screen(track)).take(if *stage_only { 0 } else { 1 });
        let recent = recent.iter().filter(|track| !*stage_only && self.decodes(track));
        let places = if *stage_only { 1 } else { scene.tiles.len() };
        let hopes = scene.tiles.iter().take(places).flat_map(|tile| self.broken_cameras(&tile.face));
        let cameras: Vec<_> = next.chain(recent).chain(hopes).map(|track| (track.clone(), small)).collect();
        shares.chain(cameras).collect()
    }

    /// The audio tracks to be recorded: all, as long as there are not too many. Then those of who spoke last, then of who came
    /// last; and nobody's many tracks displace anybody's usual ones.
    pub fn voices(&self) -> HashSet<TrackId> {
        let mut voices = Vec::new();
        for person in self.roster.participants() {
            let last_spoke = Reverse(self.last_spoke.get(&person.id));
            let audio = person.tracks.iter().filter(|t| t.source == TrackSource::Audio && !t.encrypted);
            for (nth, track) in audio.enumerate() {
                voices.push(((nth >= USUAL_VOICES, track.muted, last_spoke, Reverse(person.joined_at)), &track.id));
            }
        }
        voices.sort();
        voices.into_iter().take(MOST_VOICES).map(|(_, track)| track.clone()).collect()
    }

    /// What is shown now.
    pub fn scene(&self) -> Option<&Scene> {
        self.view.as_ref()?.scene.as_ref()
    }

    /// Tracks that cannot be decoded.
    pub fn undecodables(&self) -> &HashSet<TrackId> {
        &self.undecodable
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
        let shows = |scene: &Scene, track: &TrackId| scene.tiles.iter().any(|t| t.face == Face::Track(track.clone()));
        for tile in view.scene.iter().flat_map(|before| &before.tiles) {
            if let Face::Track(track) = &tile.face
                && !view.recent.contains(track)
            {
                view.recent.push_front(track.clone());
            }
        }
        view.recent.retain(|track| !shows(&scene, track));
        view.recent.truncate(RECENT);
        view.scene = Some(scene.clone());
        Some(Cut { scene, cause })
    }

    fn visible(&self, track: &Track) -> bool {
        !track.muted && !track.encrypted && !self.undecodable.contains(&track.id)
    }

    /// A camera that has frames, although they need not be on screen.
    fn decodes(&self, track: &TrackId) -> bool {
        let camera = |track: &Track| track.source == TrackSource::Camera && self.visible(track);
        self.decoding.contains(track) && self.roster.track(track).is_some_and(|(_, track)| camera(track))
    }

    /// The cameras of whom this shows that are on and cannot be decoded.
    fn broken_cameras(&self, face: &Face) -> impl Iterator<Item = &TrackId> {
        let person = match face {
            Face::Initials(person) => self.roster.participant(person),
            Face::Track(track) => self.roster.track(track).map(|(person, _)| person),
        };
        let cameras =
            person.into_iter().flat_map(|p| &p.tracks).filter(|t| t.source == TrackSource::Camera && !t.muted);
        cameras.map(|t| &t.id).filter(|id| self.undecodable.contains(*id)).take(1 + FURTHER_CAMERAS)
    }

    /// A person's cameras (or initials), and each of their screen shares.
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
            further: false,
        };
        let mut all: Vec<_> = of(TrackSource::ScreenShare)
            .filter(|t| self.visible(t) && self.decoding.contains(&t.id))
            .map(|t| candidate(Source::ScreenShare, Some(t)))
            .collect();
        let mut cameras = of(TrackSource::Camera).filter(visible);
        let camera = cameras.next();
        if camera.is_some() || !person.program {
            all.push(candidate(Source::Camera, camera));
        }
        let further = |track| Candidate { further: true, ..candidate(Source::Camera, Some(track)) };
        all.extend(cameras.take(FURTHER_CAMERAS).map(further));
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

/// Puts initials in the place of all frames but this one.
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
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), &director.voices());
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
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), &director.voices());
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
            let wants = wanted(director.roster(), director.scene(), &director.ahead(), &director.voices());
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
    fn audio_alone_wants_no_video() {
        let mut director = Director::new(None);
        let tracks = vec![
            track("mic", TrackSource::Audio, false),
            track("cam", TrackSource::Camera, false),
            track("share", TrackSource::ScreenShare, false),
        ];
        assert!(director.handle_roster(Roster::new(vec![person("ann", tracks)], vec![]), Instant::now()).is_none());
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), &director.voices());
        assert_eq!(wants.iter().map(|w| w.track.as_str()).collect::<Vec<_>>(), ["mic"]);
    }

    #[test]
    fn a_camera_that_cannot_be_decoded_stays_subscribed_and_is_tried_anew_after_a_mute() {
        let (mut director, now) = (director(), Instant::now());
        let roster = |muted| Roster::new(vec![person("ann", vec![track("a", TrackSource::Camera, muted)])], vec![]);
        director.handle_roster(roster(false), now);
        director.undecodable(&TrackId::new("a"));
        let wants = wanted(director.roster(), director.scene(), &director.ahead(), &director.voices());
        assert_eq!(wants.iter().map(|w| w.track.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(faces(director.changed(&TrackId::new("a"))), [shows("a")]);
        director.undecodable(&TrackId::new("a"));
        director.handle_roster(roster(true), now);
        assert!(director.ahead().is_empty(), "muted");
        assert_eq!(faces(director.handle_roster(roster(false), now)), [shows("a")]);
        // A share too, though it is not on stage before its first picture.
        let tracks = vec![track("share", TrackSource::ScreenShare, false)];
        director.handle_roster(Roster::new(vec![person("bob", tracks)], vec![]), now);
        director.undecodable(&TrackId::new("share"));
        assert!(director.ahead().contains_key(&TrackId::new("share")));
    }

    #[test]
    fn every_camera_is_shown_the_first_one_on_stage() {
        let (mut director, now) = (director(), Instant::now());
        let cameras = ["x", "y", "z", "u", "v"].map(|id| track(id, TrackSource::Camera, false)).to_vec();
        let people = vec![person("ann", cameras), person("bob", vec![track("b", TrackSource::Camera, false)])];
        let speaks = Roster::new(people, vec![(ParticipantId::new("ann"), 0.5)]);
        let seen = faces(director.handle_roster(speaks, now));
        assert_eq!(seen, ["x", "b", "u", "y", "z"].map(shows), "three further ones, behind those of others");
    }

    #[test]
    fn who_left_the_screen_stays_subscribed_for_a_while() {
        let layout = Layout { arrangement: Arrangement::SingleSpeaker, theme: Theme::Dark };
        let mut director = Director::new(Some((layout, Size::new(1280, 720).unwrap())));
        let ids = ["a", "b", "c", "d", "e"];
        let people = || ids.map(|id| person(id, vec![track(id, TrackSource::Camera, false)])).to_vec();
        let mut now = Instant::now();
        for id in ids {
            now += Duration::from_secs(5);
            director.handle_roster(Roster::new(people(), vec![(ParticipantId::new(id), 0.5)]), now);
            director.decoding(&TrackId::new(id));
        }
        let mut ahead: Vec<_> = director.ahead().into_keys().map(|track| track.to_string()).collect();
        ahead.sort();
        assert_eq!(ahead, ["a", "c", "d"], "the next in rank, and the last two");
        director.set_stage_only(true);
        assert!(director.ahead().is_empty());
    }

    #[test]
    fn at_most_a_hundred_voices_and_a_flood_displaces_nobody() {
        let mut director = Director::new(None);
        let audio = |n: usize| track(&format!("flood{n}"), TrackSource::Audio, false);
        let mut people = vec![person("flood", (0..500).map(audio).collect())];
        for n in 0..60 {
            let tracks = ["mic", "share"].map(|of| track(&format!("{of}{n}"), TrackSource::Audio, false)).to_vec();
            people.push(Participant { joined_at: n, ..person(&format!("p{n}"), tracks) });
        }
        director.handle_roster(Roster::new(people.clone(), vec![(ParticipantId::new("p0"), 0.5)]), Instant::now());
        let voices = director.voices();
        assert_eq!(voices.len(), MOST_VOICES);
        let heard = |of: &str| voices.contains(&TrackId::new(of));
        assert!(heard("mic0") && heard("mic59") && !heard("mic1"), "who speaks, and who came last");
        assert!(!voices.iter().any(|id| id.as_str().starts_with("flood") && id.as_str().len() > 6), "{voices:?}");
        people.truncate(40);
        director.handle_roster(Roster::new(people, vec![]), Instant::now());
        let voices = director.voices();
        assert_eq!(voices.iter().filter(|id| !id.as_str().starts_with("flood")).count(), 78, "all of the others");
    }

    #[test]
    fn a_program_is_seen_only_while_it_publishes_video() {
        let mut director = director();
        let mut bot = person("bot", vec![track("voice", TrackSource::Audio, false)]);
        bot.program = true;
        assert_eq!(faces(director.handle_roster(Roster::new(vec![bot], vec![]), Instant::now())), []);
    }
}
