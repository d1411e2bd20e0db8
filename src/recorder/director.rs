//! Pure. Roster, speakers and what can be decoded → the scene to show now.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::ids::{ParticipantId, TrackId};
use crate::room::{Participant, Roster, Track, TrackSource};
use crate::scene::{ActiveSpeaker, Candidate, Layout, Scene, Size, Source, Subject, arrange, rank};

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
}

/// The picture, when there is one.
#[derive(Debug)]
struct View {
    layout: Layout,
    size: Size,
    shown: Vec<Subject>,
    scene: Option<Scene>,
}

impl Director {
    /// `picture` is `None` when only sound is recorded; then there are no scenes, but still an active speaker.
    pub fn new(picture: Option<(Layout, Size)>) -> Self {
        Self {
            view: picture.map(|(layout, size)| View { layout, size, shown: Vec::new(), scene: None }),
            roster: Roster::default(),
            active: ActiveSpeaker::new(),
            last_spoke: HashMap::new(),
            speaking: HashSet::new(),
            turns: 0,
            undecodable: HashSet::new(),
        }
    }

    /// Takes in who is here and who speaks. The new scene, if it is another one.
    pub fn handle_roster(&mut self, roster: Roster, now: Instant) -> Option<Scene> {
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
        self.active.handle(&speakers, now);
        self.direct()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.active.poll_timeout()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Scene> {
        self.active.handle_timeout(now);
        self.direct()
    }

    /// This track can (not) be decoded.
    pub fn decodable(&mut self, track: &TrackId, decodable: bool) -> Option<Scene> {
        let changed = if decodable { self.undecodable.remove(track) } else { self.undecodable.insert(track.clone()) };
        if changed { self.direct() } else { None }
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

    fn direct(&mut self) -> Option<Scene> {
        let candidates: Vec<_> = self.roster.participants().flat_map(|p| self.candidates(p)).collect();
        let view = self.view.as_mut()?;
        view.shown = rank(view.layout, &candidates, self.active.current(), &view.shown);
        let scene = arrange(view.layout, view.size, &view.shown);
        if view.scene.as_ref() == Some(&scene) {
            return None;
        }
        view.scene = Some(scene.clone());
        Some(scene)
    }

    /// A person's camera (or initials), and each of their screen shares.
    fn candidates(&self, person: &Participant) -> Vec<Candidate> {
        let visible = |t: &&Track| !t.muted && !self.undecodable.contains(&t.id);
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
        let mut all: Vec<_> =
            of(TrackSource::ScreenShare).filter(visible).map(|t| candidate(Source::ScreenShare, Some(t))).collect();
        let camera = of(TrackSource::Camera).find(visible);
        if camera.is_some() || !person.program {
            all.push(candidate(Source::Camera, camera));
        }
        all
    }
}
