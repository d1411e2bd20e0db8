//! Pure. What a recording lacks, as a part of its row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recording::{Health, Hole, HoleCause, TrackFlaw};

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HealthRow {
    holes: Vec<HoleRow>,
    lost_audio_ns: BTreeMap<String, u64>,
    tracks: Vec<TrackFlawRow>,
    degraded_ns: u64,
    dropped_frames: u64,
    interruptions: u32,
    given_up: Vec<String>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct HoleRow {
    from_ns: u64,
    to_ns: u64,
    cause: String,
    why: String,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct TrackFlawRow {
    track: String,
    participant: String,
    why: String,
    recovered: bool,
}

impl HealthRow {
    pub(super) fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(health: &Health) -> Self {
        let Health { holes, lost_audio, tracks, degraded_ns, dropped_frames, interruptions, given_up } = health.clone();
        let hole = |Hole { from_ns, to_ns, cause, why }| HoleRow { from_ns, to_ns, cause: cause.name().into(), why };
        let flaw =
            |TrackFlaw { track, participant, why, recovered }| TrackFlawRow { track, participant, why, recovered };
        Self {
            holes: holes.into_iter().map(hole).collect(),
            lost_audio_ns: lost_audio,
            tracks: tracks.into_iter().map(flaw).collect(),
            degraded_ns,
            dropped_frames,
            interruptions,
            given_up,
        }
    }

    pub(super) fn health(self) -> Health {
        let Self { holes, lost_audio_ns, tracks, degraded_ns, dropped_frames, interruptions, given_up } = self;
        // A later version may know more causes; the hole is there all the same.
        let cause = |name: &str| HoleCause::named(name).unwrap_or(HoleCause::Connection);
        let hole = |HoleRow { from_ns, to_ns, cause: name, why }| Hole { from_ns, to_ns, cause: cause(&name), why };
        let flaw =
            |TrackFlawRow { track, participant, why, recovered }| TrackFlaw { track, participant, why, recovered };
        Health {
            holes: holes.into_iter().map(hole).collect(),
            lost_audio: lost_audio_ns,
            tracks: tracks.into_iter().map(flaw).collect(),
            degraded_ns,
            dropped_frames,
            interruptions,
            given_up,
        }
    }
}
