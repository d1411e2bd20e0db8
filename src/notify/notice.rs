//! Pure. What the participants are shown: the room's metadata, and messages about limits.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::recording::{Event, Limit, Outcome, Recording, State};

const MODE: &str = "recording_mode";
const STATUS: &str = "recording_status";
/// Ours: which recording the two others speak of, so that a late word of an earlier one does not take them away.
const ID: &str = "recording_id";

/// The metadata is not ours to change: something else than a JSON object is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnObject;

/// The room's metadata after this event; `None` when it stays as it is. Other keys are kept. Whoever had it recorded through
/// LiveKit's API hears of it by LiveKit's webhooks and writes these keys itself.
pub(super) fn metadata(current: &str, event: Event, about: &Recording) -> Result<Option<String>, NotAnObject> {
    if !about.options.origin.notifies_people() {
        return Ok(None);
    }
    let mut keys: Map<String, Value> = match serde_json::from_str(current) {
        Ok(Value::Object(keys)) => keys,
        Ok(_) | Err(_) if !current.trim().is_empty() => return Err(NotAnObject),
        Ok(_) | Err(_) => Map::new(),
    };
    let before = keys.clone();
    let status = match event {
        Event::Accepted => Some("starting"),
        Event::Started => Some("started"),
        Event::Ending => Some("saving"),
        Event::Ended => None,
        Event::Joined | Event::LimitNear(_) => return Ok(None),
    };
    // Only a new recording takes over from another: the events of an earlier one may come late.
    if event != Event::Accepted && is_of_another(&keys, about) {
        return Ok(None);
    }
    match status {
        Some(status) => {
            keys.insert(MODE.to_owned(), json!(about.mode));
            keys.insert(STATUS.to_owned(), json!(status));
            keys.insert(ID.to_owned(), json!(about.id.as_str()));
        }
        None => [MODE, STATUS, ID].iter().for_each(|key| drop(keys.remove(*key))),
    }
    Ok((keys != before).then(|| Value::Object(keys).to_string()))
}

/// Keys that a backend wrote, without an id, are anybody's; an id that was left alone is nobody's.
fn is_of_another(keys: &Map<String, Value>, about: &Recording) -> bool {
    let shown = keys.contains_key(MODE) || keys.contains_key(STATUS);
    let of = keys.get(ID).and_then(Value::as_str);
    shown && of.is_some_and(|id| id != about.id.as_str())
}

/// The message to everybody in the room, if this is worth one.
pub(super) fn message(event: Event, about: &Recording, now: Timestamp) -> Option<Value> {
    let what = if about.class_is_video() { "screenRecording" } else { "transcription" };
    match (event, &about.state) {
        (Event::LimitNear(limit), _) => {
            let mut message = json!({ "type": format!("{what}LimitNear") });
            if let Some(seconds) = seconds_left(limit, about, now) {
                message["secondsLeft"] = json!(seconds);
            }
            Some(message)
        }
        // Said at once, not when the file has been stored; and by the backend itself, when it learns by LiveKit's webhook.
        (Event::Ending, State::Ending { then: Outcome::LimitReached(_) }) if about.options.origin.notifies_people() => {
            Some(json!({ "type": format!("{what}LimitReached") }))
        }
        (Event::Ending | Event::Accepted | Event::Joined | Event::Started | Event::Ended, _) => None,
    }
}

fn seconds_left(limit: Limit, about: &Recording, now: Timestamp) -> Option<u64> {
    match limit {
        Limit::Size => None,
        Limit::Duration => {
            let elapsed = now.duration_since(about.started_at?).unsigned_abs();
            Some(about.request.limits.max_duration?.saturating_sub(elapsed).as_secs())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{EgressRequest, Limits, Options, Origin, Output, Policy, Request};

    fn recording(id: &str) -> Recording {
        let limits = Limits { max_duration: Some(Duration::from_secs(600)), ..Limits::default() };
        let request = Request { room: "r".into(), output: Output::ogg(), limits };
        let policy = Policy::default();
        Recording::begin(RecordingId::new(id), "transcript".into(), request, Options::default(), &policy, at(0)).0
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn after(current: &str, event: Event, id: &str) -> Option<Value> {
        let text = metadata(current, event, &recording(id)).unwrap()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn other_keys_are_kept_and_ours_go_at_the_end() {
        let mut current = r#"{"access_level":"public","configuration":{"a":1}}"#.to_owned();
        for (event, status) in [(Event::Accepted, "starting"), (Event::Started, "started"), (Event::Ending, "saving")] {
            let keys = after(&current, event, "EG_a").unwrap();
            assert_eq!((&keys["recording_mode"], &keys["recording_status"]), (&json!("transcript"), &json!(status)));
            assert_eq!((&keys["access_level"], &keys["configuration"]["a"]), (&json!("public"), &json!(1)));
            current = keys.to_string();
            assert_eq!(after(&current, event, "EG_a"), None, "a second time changes nothing");
        }
        let keys = after(&current, Event::Ended, "EG_a").unwrap();
        assert_eq!(keys, json!({ "access_level": "public", "configuration": { "a": 1 } }));
        assert!(after("", Event::Accepted, "EG_a").is_some());
        assert_eq!(metadata("not ours", Event::Accepted, &recording("EG_a")), Err(NotAnObject));
        assert_eq!(metadata("[1]", Event::Accepted, &recording("EG_a")), Err(NotAnObject));
    }

    #[test]
    fn a_late_word_of_an_earlier_recording_does_not_take_the_keys_of_a_newer_one() {
        let newer = after("{}", Event::Accepted, "EG_b").unwrap().to_string();
        for late in [Event::Started, Event::Ending, Event::Ended] {
            assert_eq!(after(&newer, late, "EG_a"), None);
        }
        let taken_over = after(&newer, Event::Accepted, "EG_c").unwrap();
        assert_eq!(taken_over["recording_id"], "EG_c");
        // A backend that writes the keys itself writes no id.
        let backends = r#"{"recording_mode":"transcript","recording_status":"saving"}"#;
        assert_eq!(after(backends, Event::Ended, "EG_a"), Some(json!({})));
        assert!(after(r#"{"recording_id":"EG_b"}"#, Event::Started, "EG_a").is_some());
    }

    #[test]
    fn limits_are_told_before_and_when_they_end_it() {
        let mut one = recording("EG_a");
        one.started_at = Some(at(100));
        let near = message(Event::LimitNear(Limit::Duration), &one, at(640)).unwrap();
        assert_eq!(near, json!({ "type": "transcriptionLimitNear", "secondsLeft": 60 }));
        let near = message(Event::LimitNear(Limit::Size), &one, at(640)).unwrap();
        assert_eq!(near, json!({ "type": "transcriptionLimitNear" }));
        assert_eq!(message(Event::Ending, &one, at(0)), None);
        one.state = State::Ending { then: Outcome::LimitReached(Limit::Size) };
        assert_eq!(message(Event::Ending, &one, at(0)), Some(json!({ "type": "transcriptionLimitReached" })));
    }

    #[test]
    fn a_backend_that_asked_through_livekit_says_it_itself_but_for_the_warning() {
        let mut one = recording("EG_a");
        one.options.origin = Origin::Server(EgressRequest::default());
        assert_eq!(metadata("{}", Event::Accepted, &one), Ok(None));
        assert!(message(Event::LimitNear(Limit::Size), &one, at(0)).is_some());
        one.state = State::Ending { then: Outcome::LimitReached(Limit::Size) };
        assert_eq!(message(Event::Ending, &one, at(0)), None);
    }
}
