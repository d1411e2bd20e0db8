//! Pure. JSON as LiveKit's server writes it: protobuf's own names, and fields that have their default value too. (In what was
//! asked for, which is returned, those are left out.)

use serde_json::{Map, Value, json};

/// Keys of this map are the caller's.
const CALLERS: &str = "metadata";
/// The one field whose own name looks like the other spelling.
const AS_IT_IS: &str = "aliOSS";

/// One `EgressInfo`, from protobuf's JSON (other spelling, no default values).
pub fn info(value: Value) -> Value {
    let mut info = complete(renamed(value), &info_defaults());
    let defaults = file_defaults();
    for key in ["file_results", "file"] {
        match info.get_mut(key) {
            Some(Value::Array(files)) => {
                files.iter_mut().for_each(|file| *file = complete(file.take(), &defaults));
            }
            Some(file) => *file = complete(file.take(), &defaults),
            None => {}
        }
    }
    info
}

/// A `ListEgressResponse`.
pub fn list(mut value: Value) -> Value {
    let items = match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items.into_iter().map(info).collect(),
        Some(_) | None => Vec::new(),
    };
    let token = value.pointer("/nextPageToken/token").cloned();
    json!({"items": items, "next_page_token": token.map(|token| json!({"token": token}))})
}

/// Without members that are null: they say nothing (protobuf's JSON), and our reader does not know that.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The same under protobuf's own names: `egress_id`, not `egressId`.
pub fn renamed(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let named = members
                .into_iter()
                .map(|(key, value)| if key == CALLERS { (key, value) } else { (snake(&key), renamed(value)) });
            Value::Object(named.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(renamed).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn snake(key: &str) -> String {
    if key == AS_IT_IS {
        return key.to_owned();
    }
    let mut name = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

fn complete(value: Value, defaults: &Map<String, Value>) -> Value {
    let mut whole = defaults.clone();
    if let Value::Object(members) = value {
        whole.extend(members);
    }
    Value::Object(whole)
}

fn info_defaults() -> Map<String, Value> {
    object(json!({
        "egress_id": "", "room_id": "", "room_name": "",
        "source_type": "EGRESS_SOURCE_TYPE_WEB", "status": "EGRESS_STARTING",
        "started_at": "0", "ended_at": "0", "updated_at": "0",
        "stream_results": [], "file_results": [], "segment_results": [], "image_results": [],
        "error": "", "error_code": 0, "details": "", "manifest_location": "",
        "backup_storage_used": false, "retry_count": 0,
    }))
}

fn file_defaults() -> Map<String, Value> {
    object(json!({
        "filename": "", "started_at": "0", "ended_at": "0", "duration": "0", "size": "0", "location": "",
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol as proto;

    use super::*;

    #[test]
    fn an_egress_is_written_as_livekits_server_writes_it() {
        let upload = proto::S3Upload {
            bucket: "b".into(),
            metadata: [("camelKey".to_owned(), "v".to_owned())].into(),
            ..Default::default()
        };
        let output = Some(proto::encoded_file_output::Output::S3(upload));
        let requested = proto::EncodedFileOutput { filepath: "a.mp4".into(), output, ..Default::default() };
        let request = proto::RoomCompositeEgressRequest {
            room_name: "demo".into(),
            file_outputs: vec![requested],
            ..Default::default()
        };
        let file = proto::FileInfo { filename: "a.mp4".into(), ..Default::default() };
        #[allow(deprecated, reason = "it is what is told")]
        let message = proto::EgressInfo {
            egress_id: "EG_1".into(),
            room_id: "RM_1".into(),
            room_name: "demo".into(),
            started_at: 5,
            request: Some(proto::egress_info::Request::RoomComposite(request)),
            file_results: vec![file.clone()],
            result: Some(proto::egress_info::Result::File(file)),
            ..Default::default()
        };
        // What livekit-server 1.13.5 answers for this very message, but for the default values of what was asked.
        let file =
            r#"{"filename":"a.mp4", "started_at":"0", "ended_at":"0", "duration":"0", "size":"0", "location":""}"#;
        let theirs = format!(
            r#"{{"egress_id":"EG_1", "room_id":"RM_1", "room_name":"demo", "source_type":"EGRESS_SOURCE_TYPE_WEB",
            "status":"EGRESS_STARTING", "started_at":"5", "ended_at":"0", "updated_at":"0",
            "room_composite":{{"room_name":"demo", "file_outputs":[{{"filepath":"a.mp4",
            "s3":{{"bucket":"b", "metadata":{{"camelKey":"v"}}}}}}]}}, "stream_results":[], "file_results":[{file}],
            "segment_results":[], "image_results":[], "error":"", "error_code":0, "details":"", "manifest_location":"",
            "backup_storage_used":false, "retry_count":0, "file":{file}}}"#
        );
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        assert_eq!(info(serde_json::to_value(&message).unwrap()), theirs);
        let response = proto::ListEgressResponse { items: vec![message.clone()], ..Default::default() };
        let listed = list(serde_json::to_value(&response).unwrap());
        assert_eq!(listed, json!({"items": [theirs], "next_page_token": null}));
        let back: proto::ListEgressResponse = serde_json::from_value(without_nulls(listed)).unwrap();
        assert_eq!(back.items, [message], "and our own reader understands it");
        assert_eq!(list(json!({})), json!({"items": [], "next_page_token": null}));
        let next_page_token = Some(proto::TokenPagination { token: "t".into() });
        let more = proto::ListEgressResponse { next_page_token, ..Default::default() };
        let more = list(serde_json::to_value(&more).unwrap());
        assert_eq!(more, json!({"items": [], "next_page_token": {"token": "t"}}));
    }

    #[test]
    fn a_name_has_two_spellings() {
        for (theirs, ours) in [("egressId", "egress_id"), ("s3", "s3"), ("aliOSS", "aliOSS"), ("file", "file")] {
            assert_eq!(snake(theirs), ours);
        }
    }
}
