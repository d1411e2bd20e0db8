//! A MinIO-shaped storage event to a backend's hook: for storages that send none themselves.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::settings::StorageHook;
use crate::error::Attempt;
use crate::http;
use crate::recording::Recording;

/// As MinIO encodes keys: everything but these, the slash too. (It writes a space as `+`; backends read `%20` as well.)
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const WHOM: &str = "storage hook";

/// Posts it once. A backend that has saved the recording already has heard of it.
pub(super) async fn post(web: &reqwest::Client, hook: &StorageHook, about: &Recording) -> Attempt {
    let mut request = web.post(&hook.url).json(&body(&hook.bucket, about));
    if let Some(token) = &hook.token {
        request = request.bearer_auth(token.expose());
    }
    let answer = http::send(request, WHOM).await?;
    let known = String::from_utf8_lossy(&answer.body).contains("already been saved");
    if answer.status == StatusCode::FORBIDDEN && known {
        return Ok(());
    }
    answer.taken(WHOM).map(drop)
}

fn body(bucket: &str, about: &Recording) -> Value {
    let key = utf8_percent_encode(&about.key, KEY).to_string();
    let bytes = about.media.map_or(0, |media| media.bytes);
    json!({
        "EventName": "s3:ObjectCreated:Put",
        "Key": format!("{bucket}/{}", about.key),
        "Records": [{
            "eventVersion": "2.0",
            "eventSource": "greffier:s3",
            "awsRegion": "",
            "eventTime": about.updated_at.to_string(),
            "eventName": "s3:ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "greffier",
                "bucket": { "name": bucket, "arn": format!("arn:aws:s3:::{bucket}") },
                "object": { "key": key, "size": bytes, "contentType": about.content_type() },
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Limits, Media, Options, Output, Policy, Request};

    #[test]
    fn it_is_minios_event() {
        let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
        let options = Options { key: Some("a b/recordings/Ü.ogg".into()), ..Options::default() };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let (mut one, _) =
            Recording::begin(RecordingId::new("EG_a"), "m".into(), request, options, &Policy::default(), now);
        one.media = Some(Media { bytes: 7, duration_ns: 1 });
        let body = body("meet-media-storage", &one);
        let s3 = &body["Records"][0]["s3"];
        assert_eq!(s3["bucket"]["name"], "meet-media-storage");
        let object = json!({ "key": "a%20b%2Frecordings%2F%C3%9C.ogg", "size": 7, "contentType": "audio/ogg" });
        assert_eq!(s3["object"], object);
    }
}
