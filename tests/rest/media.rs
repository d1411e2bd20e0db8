//! Storages and proxies: events of objects, and leave to fetch a file. The bucket is never asked for anything here.

use std::path::Path;

use greffier::control::AtClose;
use greffier::db::{Change, Db};
use greffier::ids::RecordingId;
use greffier::recording::{
    Failure, Limits, Media, Options, Outcome, Output, Policy, Reason, Recording, Request, State,
};
use serde_json::{Value, json};

use crate::support::stage::Stage;

const HOOK: &str = "/api/v1.0/recordings/storage-hook/";
const AUTH: &str = "/api/v1.0/recordings/media-auth/";
const SAVED: &str = "EG_saved0000000";
const FAILED: &str = "EG_failed000000";

/// Recordings that have ended, in a bucket that does not answer.
async fn stage(parser: &str) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    seed(folder.path());
    let yaml = format!(
        "storage: {{s3: {{bucket: our-bucket, endpoint: 'http://127.0.0.1:1', region: r, access_key: a, secret: b, \
         force_path_style: true}}}}\n\
         recording: {{output_folder: a/recordings, storage_event_enabled: true, storage_event_token: the-event-token, \
         event_parser: {parser}, expiration_days: 3650}}\n"
    );
    Stage::configured(folder, None, &yaml).await
}

fn seed(folder: &Path) {
    let db = Db::open(folder).unwrap();
    let policy = Policy { output_folder: "a/recordings".into(), ..Policy::default() };
    let now = jiff::Timestamp::now();
    let complete = State::Ended(Outcome::Complete(Reason::Stopped));
    let failed = State::Ended(Outcome::Failed(Failure::new(greffier::error::ErrorKind::Internal, "it broke")));
    for (name, state) in [(SAVED, complete), (FAILED, failed)] {
        let request = Request { room: name.into(), output: Output::ogg(), limits: Limits::default() };
        let id = RecordingId::new(name);
        let (mut recording, _) = Recording::begin(id, "transcript".into(), request, Options::default(), &policy, now);
        recording.started_at = Some(now);
        recording.media = Some(Media { bytes: 5, duration_ns: 1 });
        recording.state = state;
        db.commit(Change { recordings: &[&recording], ..Change::default() }).unwrap();
    }
}

fn event(bucket: &str, key: &str) -> String {
    let object = json!({"key": key, "contentType": "audio/ogg"});
    let record = json!({"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": object}});
    json!({"Records": [record]}).to_string()
}

async fn tell(stage: &Stage, token: &str, body: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let answer = stage.send("POST", HOOK, &[("Authorization", &bearer)], Some(body.to_owned())).await;
    (answer.0, answer.2)
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_events_are_answered_and_change_nothing() {
    for parser in ["minio", "core.recording.event.parsers.S3Parser"] {
        let stage = stage(parser).await;
        let key = format!("a%2Frecordings%2F{SAVED}.ogg");
        let before = stage.item(SAVED).await;
        for token in ["wrong", ""] {
            let bearer = format!("Bearer {token}");
            let answer = stage.send("POST", HOOK, &[("Authorization", &bearer)], Some(event("our-bucket", &key))).await;
            assert_eq!(
                (answer.0, answer.1["www-authenticate"].to_str().unwrap()),
                (401, "Bearer realm=\"Storage event API\"")
            );
        }
        // Twice, and raw: some storages do not encode keys.
        for key in [&key, &key, &key.replace("%2F", "/")] {
            let (status, answer) = tell(&stage, "the-event-token", &event("our-bucket", key)).await;
            assert_eq!((status, &answer["message"]), (200, &json!("Event processed.")), "{key}: {answer}");
        }
        assert_eq!(stage.item(SAVED).await, before);
        let said = async |body: String| {
            let (status, answer) = tell(&stage, "the-event-token", &body).await;
            let words = answer["message"].as_str().or(answer["detail"].as_str()).unwrap_or_default().to_owned();
            (status, words)
        };
        let is = |status: u16, words: &str| (status, words.to_owned());
        assert_eq!(said(event("another", &key)).await, is(403, "Invalid bucket specified."));
        for wrong in ["", "{", "[]", "{\"Records\": [{}]}"] {
            assert_eq!(said(wrong.to_owned()).await, is(403, "Invalid request data."), "{wrong}");
        }
        let unknown = "a/recordings/EG_unknown00000.ogg";
        assert_eq!(said(event("our-bucket", unknown)).await, is(404, "No recording found for this event."));
        let failed = format!("a/recordings/{FAILED}.ogg");
        assert_eq!(said(event("our-bucket", &failed)).await.0, 403);
        for other in [
            format!("a/recordings/{SAVED}.ogg.part"),
            format!("recordings/{SAVED}.ogg"),
            format!("a/recordings/parts/{SAVED}.ogg"),
            "../../etc/passwd".into(),
            format!("a%2Frecordings%2F..%2F{SAVED}.ogg"),
            "a%00.ogg".into(),
            "x".repeat(1024),
        ] {
            assert_eq!(said(event("our-bucket", &other)).await, is(200, "Notification ignored."), "{other}");
        }
        assert_eq!(stage.item(FAILED).await["status"], "failed_to_stop");
        assert_eq!(said("x".repeat(100_000)).await.0, 400);
        stage.sidecar.stop(AtClose::Stop).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_told_who_may_fetch_what() {
    let stage = stage("minio").await;
    let ask = async |url: &str| stage.send("GET", AUTH, &[("X-Original-URL", url)], None).await;
    let (status, headers, body) = ask(&format!("https://h.example/media/a/recordings/{SAVED}.ogg?x=1")).await;
    assert_eq!((status, body), (200, json!("authorized")));
    assert!(headers["authorization"].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 "));
    assert!(headers.contains_key("x-amz-date") && headers.contains_key("x-amz-content-sha256"));
    for (url, wanted) in [
        (format!("/media/a/recordings/{SAVED}.ogg"), 200),
        (format!("/media/a/recordings/{SAVED}.mp4"), 404),
        (format!("/media/a/recordings/{SAVED}.exe"), 400),
        (format!("/media/a/recordings/{FAILED}.ogg"), 403),
        ("/media/a/recordings/EG_unknown00000.ogg".into(), 404),
        (format!("/media/recordings/{SAVED}.ogg"), 403),
        (format!("/media/a/recordings/../recordings/{SAVED}.ogg"), 403),
        (format!("/media/a%2Frecordings%2F{SAVED}.ogg"), 200),
        (format!("/media/a/recordings/%00{SAVED}.ogg"), 403),
        (format!("/other/a/recordings/{SAVED}.ogg"), 403),
        ("x".repeat(1024), 403),
    ] {
        assert_eq!(ask(&url).await.0, wanted, "{url}");
    }
    assert_eq!(stage.send("GET", AUTH, &[], None).await.0, 403);
    let wrong = [("X-Original-URL", "/media/a/recordings/EG_saved0000000.ogg"), ("Authorization", "Bearer wrong")];
    assert_eq!(stage.send("GET", AUTH, &wrong, None).await.0, 401);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_while_it_is_being_stored() {
    let stage = stage("minio").await;
    let (status, started) = stage.start("daily", "transcript").await;
    assert_eq!(status, 201, "{started}");
    let id = started["id"].as_str().unwrap();
    // The storage can be faster than our own knowledge.
    let key = format!("a/recordings/{id}.ogg");
    assert_eq!(tell(&stage, "the-event-token", &event("our-bucket", &key)).await.0, 200);
    assert_eq!(stage.item(id).await["status"], "active");
    assert_eq!(stage.stop("daily").await.0, 200);
    stage.until(id, "stopped").await;
    assert_eq!(stage.call("DELETE", &format!("/api/v1.0/recordings/{id}/"), None).await.0, 403);
    assert_eq!(tell(&stage, "the-event-token", &event("our-bucket", &key)).await.0, 200);
    assert_eq!(stage.item(id).await["status"], "stopped", "only our own upload saves it");
    // It can never be stored: no graceful end.
}
