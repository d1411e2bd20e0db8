//! The small file that LiveKit Egress puts beside a recording: what it is, and where.

use serde_json::{Value, json};

use crate::egress::health;
use crate::recording::Recording;

/// A manifest, and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `<egress id>.json` in the folder of the file.
    pub key: String,
    /// One line of JSON.
    pub json: String,
}

/// The manifest of this recording; `None` when none was requested.
pub fn manifest(recording: &Recording) -> Option<Manifest> {
    let requested = recording.options.origin.egress().filter(|requested| requested.manifest)?;
    let ns = |at: Option<jiff::Timestamp>| at.and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    let location = requested.location.clone().unwrap_or_else(|| recording.key.clone());
    let mut json = json!({
        "egress_id": recording.id.as_str(),
        "room_id": requested.room_id,
        "room_name": recording.request.room,
        "started_at": ns(recording.started_at),
        "ended_at": ns(recording.ended_at),
        "files": [{"filename": recording.key, "location": location}],
    });
    if !recording.health.is_clean() {
        json["health"] = health(&recording.health);
    }
    if let Value::Object(fields) = &mut json {
        fields.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    }
    Some(Manifest { key: beside(&recording.key, recording.id.as_str()), json: json.to_string() })
}

/// `<id>.json` in the folder of this file.
pub(super) fn beside(file: &str, id: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{id}.json"),
        None => format!("{id}.json"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_lies_beside_the_file() {
        assert_eq!(super::beside("recordings/a/b.mp4", "EG_1"), "recordings/a/EG_1.json");
        assert_eq!(super::beside("b.mp4", "EG_1"), "EG_1.json");
    }
}
