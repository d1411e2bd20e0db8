//! Pure. What LiveKit tells by a webhook, as far as we listen.

use serde_json::Value;

use crate::error::{Error, Result};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Such as `room_finished`; empty when it has no name.
    pub(super) name: String,
    /// The room's name; empty when it is of none.
    pub(super) room: String,
    /// When it happened, in seconds since 1970.
    pub(super) created_at: Option<i64>,
}

impl Event {
    /// Fails when it is no JSON. What is missing, or of another type than LiveKit's, counts as not there.
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        let event: Value =
            serde_json::from_slice(body).map_err(|e| Error::invalid("body", format!("not valid JSON: {e}")))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, room) = (text(&event["event"]), text(&event["room"]["name"]));
        Ok(Self { name, room, created_at: created_at(&event["createdAt"]) })
    }
}

/// Protobuf's JSON writes large numbers as text.
fn created_at(at: &Value) -> Option<i64> {
    at.as_i64().or_else(|| at.as_str()?.parse().ok()).filter(|at| *at > 0)
}

#[cfg(test)]
#[path = "../../../fuzz/checks/event.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(event: &Value) -> Event {
        Event::read(event.to_string().as_bytes()).unwrap()
    }

    proptest! {
        #[test]
        fn no_time_of_an_event_panics(text in ".*", number: i64) {
            let _ = of(&json!({"createdAt": text}));
            let _ = of(&json!({"createdAt": number}));
            let read = of(&json!({"createdAt": number.to_string()})).created_at;
            prop_assert_eq!(read, Some(number).filter(|at| *at > 0));
        }

        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>, at in 0..200_usize, byte: u8, cut in 0..200_usize) {
            check::check(&body);
            let real = json!({"event": "room_finished", "room": {"name": "daily"}, "id": "EV_1", "createdAt": "1764200000"});
            let mut real = real.to_string().into_bytes();
            check::check(&real);
            let at = at % real.len();
            real[at] = byte;
            check::check(&real);
            real.truncate(cut);
            check::check(&real);
        }
    }
}
