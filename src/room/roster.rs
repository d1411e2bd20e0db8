//! Pure. Signal responses → who is here, what they publish, who speaks.

use std::collections::BTreeMap;

use livekit_protocol as proto;

use crate::ids::{ParticipantId, TrackId};

/// Everybody in the room but ourselves and other hidden participants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    participants: BTreeMap<ParticipantId, Participant>,
    speakers: BTreeMap<ParticipantId, f32>,
}

/// LiveKit's `ParticipantInfo`, as far as a recording needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Participant {
    /// `sid`.
    pub id: ParticipantId,
    /// `name`, or the identity when there is none.
    pub name: String,
    /// `joined_at_ms`, milliseconds since 1970.
    pub joined_at: i64,
    /// A program (`AGENT`, `INGRESS`, …) rather than a person: shown only while it publishes video.
    pub program: bool,
    /// In the order in which they appeared. The server lists them in another one each time.
    pub tracks: Vec<Track>,
}

/// LiveKit's `TrackInfo`, as far as a recording needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// `sid`.
    pub id: TrackId,
    /// Audio or video, and from where.
    pub source: TrackSource,
    /// `muted`: a muted track may send nothing at all.
    pub muted: bool,
    /// End-to-end encrypted: nobody without the key of the room can decode it.
    pub encrypted: bool,
    /// Published width in pixels; 0 when unknown.
    pub width: u32,
    /// Published height in pixels; 0 when unknown.
    pub height: u32,
}

/// `TrackSource` and `TrackType` together, as far as we treat them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackSource {
    /// Video that is not a screen share.
    Camera,
    /// `SCREEN_SHARE`.
    ScreenShare,
    /// Any audio: `MICROPHONE`, `SCREEN_SHARE_AUDIO`, unknown.
    Audio,
}

impl Roster {
    /// These people, of whom these speak.
    pub fn new(people: Vec<Participant>, speakers: Vec<(ParticipantId, f32)>) -> Self {
        let participants = people.into_iter().map(|p| (p.id.clone(), p)).collect();
        Self { participants, speakers: speakers.into_iter().collect() }
    }

    /// Replaces everything by what `JoinResponse` says.
    pub fn join(&mut self, response: &proto::JoinResponse) {
        self.participants.clear();
        self.speakers.clear();
        self.update(&response.other_participants);
    }

    /// Takes in a `ParticipantUpdate`.
    pub fn update(&mut self, updates: &[proto::ParticipantInfo]) {
        for info in updates {
            let id = ParticipantId::new(&info.sid);
            let hidden = info.permission.as_ref().is_some_and(|p| p.hidden);
            if info.state() == proto::participant_info::State::Disconnected || hidden {
                self.participants.remove(&id);
                self.speakers.remove(&id);
            } else {
                let mut person = Participant::from(info);
                if let Some(before) = self.participants.get(&id) {
                    let known = |track: &Track| before.tracks.iter().position(|t| t.id == track.id);
                    person.tracks.sort_by_key(|track| known(track).unwrap_or(usize::MAX));
                }
                self.participants.insert(id, person);
            }
        }
    }

    /// Takes in a `SpeakersChanged`: a list of changes, not of everybody.
    pub fn speakers_changed(&mut self, changes: &[proto::SpeakerInfo]) {
        for change in changes {
            let id = ParticipantId::new(&change.sid);
            if change.active && change.level > 0.0 && self.participants.contains_key(&id) {
                self.speakers.insert(id, change.level);
            } else {
                self.speakers.remove(&id);
            }
        }
    }

    /// Everybody, by id.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values()
    }

    /// How many people there are, without programs.
    pub fn people(&self) -> usize {
        self.participants().filter(|person| !person.program).count()
    }

    /// Who speaks now, with LiveKit's `level` (0 to 1).
    pub fn speakers(&self) -> Vec<(ParticipantId, f32)> {
        self.speakers.iter().map(|(id, level)| (id.clone(), *level)).collect()
    }

    /// The participant, while present.
    pub fn participant(&self, id: &ParticipantId) -> Option<&Participant> {
        self.participants.get(id)
    }

    /// Whose track this is, and the track.
    pub fn track(&self, id: &TrackId) -> Option<(&Participant, &Track)> {
        self.participants().find_map(|p| p.tracks.iter().find(|t| t.id == *id).map(|t| (p, t)))
    }
}

impl From<&proto::ParticipantInfo> for Participant {
    fn from(info: &proto::ParticipantInfo) -> Self {
        use proto::participant_info::Kind;
        let name = if info.name.trim().is_empty() { &info.identity } else { &info.name };
        Self {
            id: ParticipantId::new(&info.sid),
            name: if name.trim().is_empty() { info.sid.clone() } else { name.clone() },
            joined_at: if info.joined_at_ms > 0 { info.joined_at_ms } else { info.joined_at * 1000 },
            program: !matches!(info.kind(), Kind::Standard | Kind::Sip),
            tracks: info.tracks.iter().map(Track::from).collect(),
        }
    }
}

impl From<&proto::TrackInfo> for Track {
    fn from(info: &proto::TrackInfo) -> Self {
        let source = if info.r#type() == proto::TrackType::Audio {
            TrackSource::Audio
        } else if info.source() == proto::TrackSource::ScreenShare {
            TrackSource::ScreenShare
        } else {
            TrackSource::Camera
        };
        Self {
            id: TrackId::new(&info.sid),
            source,
            muted: info.muted,
            encrypted: info.encryption != i32::from(proto::encryption::Type::None),
            width: info.width,
            height: info.height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(sid: &str, name: &str) -> proto::ParticipantInfo {
        proto::ParticipantInfo {
            sid: sid.into(),
            identity: format!("id-{sid}"),
            name: name.into(),
            ..Default::default()
        }
    }

    #[test]
    fn people_come_and_go() {
        let mut roster = Roster::default();
        roster.update(&[person("PA_1", "Ada"), person("PA_2", " ")]);
        let names: Vec<_> = roster.participants().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["Ada", "id-PA_2"]);
        let mut gone = person("PA_1", "Ada");
        gone.set_state(proto::participant_info::State::Disconnected);
        roster.update(&[gone]);
        assert_eq!(roster.participants().count(), 1);
    }

    #[test]
    fn speakers_are_a_delta_and_leave_with_their_participant() {
        let mut roster = Roster::default();
        roster.update(&[person("PA_1", "Ada"), person("PA_2", "Bob")]);
        let speaks = |sid: &str, active| proto::SpeakerInfo { sid: sid.into(), level: 0.5, active };
        roster.speakers_changed(&[speaks("PA_1", true), speaks("PA_9", true)]);
        roster.speakers_changed(&[speaks("PA_2", true)]);
        assert_eq!(roster.speakers().len(), 2);
        roster.speakers_changed(&[speaks("PA_1", false)]);
        assert_eq!(roster.speakers(), [(ParticipantId::new("PA_2"), 0.5)]);
        let mut gone = person("PA_2", "Bob");
        gone.set_state(proto::participant_info::State::Disconnected);
        roster.update(&[gone]);
        assert!(roster.speakers().is_empty());
    }

    #[test]
    fn a_track_is_found_with_its_owner() {
        let mut ada = person("PA_1", "Ada");
        let mut share = proto::TrackInfo { sid: "TR_s".into(), width: 1920, height: 1080, ..Default::default() };
        share.set_type(proto::TrackType::Video);
        share.set_source(proto::TrackSource::ScreenShare);
        ada.tracks.push(share);
        let mut roster = Roster::default();
        roster.update(&[ada]);
        let (owner, track) = roster.track(&TrackId::new("TR_s")).unwrap();
        assert_eq!((owner.name.as_str(), track.source), ("Ada", TrackSource::ScreenShare));
        assert!(!track.encrypted);
    }

    #[test]
    fn tracks_stay_in_the_order_in_which_they_appeared() {
        let with = |sids: &[&str]| {
            let tracks = sids.iter().map(|sid| proto::TrackInfo { sid: (*sid).into(), ..Default::default() });
            proto::ParticipantInfo { tracks: tracks.collect(), ..person("PA_1", "Ada") }
        };
        let mut roster = Roster::default();
        for (listed, kept) in [
            (&["TR_mic"][..], "TR_mic"),
            (&["TR_2", "TR_3", "TR_mic"], "TR_mic TR_2 TR_3"),
            (&["TR_3", "TR_4", "TR_2"], "TR_2 TR_3 TR_4"),
        ] {
            roster.update(&[with(listed)]);
            let tracks: Vec<_> = roster.participants().flat_map(|p| &p.tracks).map(|t| t.id.as_str()).collect();
            assert_eq!(tracks.join(" "), kept);
        }
    }

    #[test]
    fn every_encryption_is_one() {
        for encryption in [proto::encryption::Type::Gcm, proto::encryption::Type::Custom] {
            let mut info = proto::TrackInfo::default();
            info.set_encryption(encryption);
            assert!(Track::from(&info).encrypted, "{encryption:?}");
        }
        // One that we have no name for is read as its number.
        let info = proto::TrackInfo { encryption: 9, ..Default::default() };
        assert!(Track::from(&info).encrypted);
    }
}
