//! What a recording lacks, as JSON: in the REST object and in the manifest.

use serde_json::{Value, json};

use crate::recording::Health;

/// Times in seconds of media. `intact`: nothing is missing of what was sent. `summary`: one line, null when nobody would
/// miss anything.
pub fn health(health: &Health) -> Value {
    let holes = health.holes.iter().map(|hole| {
        json!({
            "from": seconds(hole.from_ns), "to": seconds(hole.to_ns), "cause": hole.cause.name(), "reason": hole.why,
        })
    });
    let audio = health.lost_audio.iter();
    let audio = audio.map(|(participant, ns)| json!({ "participant": participant, "seconds": seconds(*ns) }));
    let tracks = health.tracks.iter().map(|flaw| {
        json!({
            "track": flaw.track, "participant": flaw.participant, "reason": flaw.why, "recovered": flaw.recovered,
        })
    });
    json!({
        "intact": health.is_intact(),
        "summary": health.words(),
        "holes": holes.collect::<Vec<_>>(),
        "lost_audio": audio.collect::<Vec<_>>(),
        "tracks": tracks.collect::<Vec<_>>(),
        "degraded_seconds": seconds(health.degraded_ns),
        "dropped_frames": health.dropped_frames,
        "interruptions": health.interruptions,
        "given_up": health.given_up,
    })
}

/// To the millisecond.
#[allow(clippy::cast_precision_loss)]
fn seconds(ns: u64) -> f64 {
    (ns / 1_000_000) as f64 / 1000.0
}
