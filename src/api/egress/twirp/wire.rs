//! Pure. Twirp's two encodings: protobuf, and LiveKit's JSON.

use livekit_protocol as proto;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::reply::Response;

use super::failure::TwirpError;
use super::json;
use crate::api::reply;
use crate::document;
use crate::egress::proto::shown;

/// How request and answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `application/protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Wire {
    /// The one that `Content-Type` names; parameters such as `charset` do not matter.
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/protobuf") {
            Some(Self::Protobuf)
        } else if kind.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// A request. Fields that we do not know are left out, as newer clients expect.
    pub fn read<M: Message + Default + DeserializeOwned>(self, body: &[u8]) -> Result<M, TwirpError> {
        match self {
            Self::Protobuf => M::decode(body)
                .map_err(|e| TwirpError::malformed(format!("the protobuf request could not be decoded: {e}"))),
            Self::Json => document::json("body", body)
                .and_then(|value| document::read(json::without_nulls(value), ""))
                .map_err(|e| TwirpError::malformed(format!("the json request could not be decoded: {e}"))),
        }
    }

    /// One egress.
    pub fn info(self, info: &proto::EgressInfo) -> Response {
        self.answer(&shown(info.clone()), json::info)
    }

    /// Several.
    pub fn list(self, mut list: proto::ListEgressResponse) -> Response {
        list.items = list.items.into_iter().map(shown).collect();
        self.answer(&list, json::list)
    }

    fn answer<M: Message + Serialize>(self, message: &M, as_livekit: fn(Value) -> Value) -> Response {
        match self {
            Self::Protobuf => {
                let mut response = Response::new(message.encode_to_vec().into());
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/protobuf"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            Self::Json => {
                // An enum with a number of its own is what cannot be written.
                let value = serde_json::to_value(message).map_err(|e| TwirpError::malformed(e.to_string()));
                value.map_or_else(|failure| failure.response(""), |value| reply::json(200, &as_livekit(value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_the_body_is_what_it_is_called() {
        assert_eq!(Wire::of("application/json"), Some(Wire::Json));
        assert_eq!(Wire::of("Application/JSON; charset=utf-8"), Some(Wire::Json));
        assert_eq!(Wire::of("application/protobuf"), Some(Wire::Protobuf));
        for other in ["", "text/plain", "application/json+x", "application/x-www-form-urlencoded"] {
            assert_eq!(Wire::of(other), None, "{other}");
        }
    }

    #[test]
    fn both_spellings_of_a_field_are_read_and_unknown_ones_are_left_out() {
        let wanted = proto::ListEgressRequest { room_name: "daily".into(), active: true, ..Default::default() };
        for text in [
            r#"{"room_name": "daily", "active": true}"#,
            r#"{"roomName": "daily", "active": true, "egressId": null, "of_next_year": [1]}"#,
        ] {
            assert_eq!(Wire::Json.read::<proto::ListEgressRequest>(text.as_bytes()).unwrap(), wanted, "{text}");
        }
        assert_eq!(Wire::Protobuf.read::<proto::ListEgressRequest>(&wanted.encode_to_vec()).unwrap(), wanted);
        for (wire, body) in [(Wire::Json, "{\"a\""), (Wire::Json, ""), (Wire::Json, "[]"), (Wire::Protobuf, "\u{f}x")] {
            let failure = wire.read::<proto::ListEgressRequest>(body.as_bytes()).unwrap_err();
            assert_eq!((failure.code, failure.status), ("malformed", 400), "{body}");
        }
        // Credentials come this way: what is said of them is where they are and what they should be.
        for (body, wanted) in [
            (
                r#"{"file": {"s3": {"secret": 77777}}}"#,
                "file.s3.secret: expected a string (numbers in quotes), found a number",
            ),
            (r#"{"file": {"s3": "s3cret"}}"#, "file.s3: expected an object, found a string"),
            (r#"{"preset": "s3cret"}"#, "preset: expected one of "),
            (r#"{"room_name": "a", "room_name": "b"}"#, "room_name: it is there twice"),
            (r#"{"room_name": "a", "roomName": "b"}"#, "roomName: it is there twice"),
        ] {
            let failure = Wire::Json.read::<proto::RoomCompositeEgressRequest>(body.as_bytes()).unwrap_err();
            let message = failure.message.strip_prefix("the json request could not be decoded: ").unwrap();
            assert!(message.starts_with(wanted), "{message}");
            assert!(!message.contains("s3cret") && !message.contains("77777"), "{message}");
        }
        // 64-bit numbers as protobuf's JSON writes them, and enums by name and by number.
        let read = |body: &str| Wire::Json.read::<proto::EgressInfo>(body.as_bytes()).unwrap();
        assert_eq!(
            read(r#"{"started_at": "12", "status": "EGRESS_ACTIVE"}"#),
            read(r#"{"startedAt": 12, "status": 1}"#)
        );
    }
}
