//! Who may do what: tokens with scopes, LiveKit's tokens and webhooks, and what clients may ask of a recording.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use greffier::control::AtClose;
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};

use crate::support::stage::{Stage, id};

const START: &str = "/api/v1.0/rooms/daily/start-recording/";
const STOP: &str = "/api/v1.0/rooms/daily/stop-recording/";
const LIST: &str = "/api/v1.0/recordings/";
const WEBHOOK: &str = "/api/v1.0/rooms/webhooks-livekit/";

fn hash(token: &str) -> String {
    digest(&SHA256, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn staged(token: Option<&str>, yaml: &str) -> Stage {
    Stage::configured(tempfile::tempdir().unwrap(), token, yaml).await
}

/// A stage that knows these tokens by their hashes.
async fn guarded() -> Stage {
    let entry =
        |name: &str, scopes: &str| format!("  - {{name: {name}, sha256: {}, scopes: [{scopes}]}}\n", hash(name));
    let tokens =
        [("the-reader", "read"), ("the-recorder", "read, record"), ("the-cleaner", "delete"), ("the-admin", "admin")];
    let entries: String = tokens.iter().map(|(name, scopes)| entry(name, scopes)).collect();
    staged(None, &format!("api_tokens:\n{entries}")).await
}

async fn as_one(stage: &Stage, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let answer = stage.send(method, path, &[("Authorization", &bearer)], body.map(|body| body.to_string())).await;
    (answer.0, answer.2)
}

fn livekit(secret: &str, grants: VideoGrants) -> String {
    AccessToken::with_api_key("key", secret).with_identity("backend").with_grants(grants).to_jwt().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_opens_what_its_scopes_say() {
    let stage = guarded().await;
    let body = || Some(json!({"mode": "transcript", "options": {"owner": {"email": "ada@example.org"}}}));
    for (token, wanted) in [("the-reader", 403), ("the-cleaner", 403), ("unknown-token", 401), ("the-recorder", 201)] {
        assert_eq!(as_one(&stage, token, "POST", START, body()).await.0, wanted, "{token}");
    }
    let (status, list) = as_one(&stage, "the-reader", "GET", LIST, None).await;
    assert_eq!((status, &list["count"], &list["results"][0]["owner"]), (200, &json!(1), &Value::Null));
    let (_, list) = as_one(&stage, "the-admin", "GET", LIST, None).await;
    assert_eq!(list["results"][0]["owner"]["email"], "ada@example.org");
    assert_eq!(as_one(&stage, "the-cleaner", "GET", LIST, None).await.0, 403);
    assert_eq!(stage.call("GET", LIST, None).await.0, 401, "tokens close the door to programs without one");
    assert_eq!(as_one(&stage, "the-reader", "POST", STOP, None).await.0, 403);
    assert_eq!(as_one(&stage, "the-recorder", "POST", STOP, None).await.0, 200);
    let one = format!("{LIST}{}/", id(&list["results"][0]));
    for (token, wanted) in [("the-reader", 403), ("the-recorder", 403)] {
        assert_eq!(as_one(&stage, token, "DELETE", &one, None).await.0, wanted, "{token}");
    }
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn livekits_tokens_open_their_room_and_no_other() {
    let stage = guarded().await;
    let own = livekit("secret", VideoGrants { room_record: true, room: "daily".into(), ..VideoGrants::default() });
    let (status, started) = as_one(&stage, &own, "POST", START, Some(json!({"mode": "transcript"}))).await;
    assert_eq!(status, 201, "{started}");
    let other = "/api/v1.0/rooms/another/start-recording/";
    assert_eq!(as_one(&stage, &own, "POST", other, Some(json!({"mode": "transcript"}))).await.0, 403);
    let (_, second) = as_one(&stage, "the-recorder", "POST", other, Some(json!({"mode": "transcript"}))).await;
    assert_eq!(as_one(&stage, &own, "GET", &format!("{LIST}{}/", id(&second)), None).await.0, 404);
    assert_eq!(as_one(&stage, &own, "GET", &format!("{LIST}{}/", id(&started)), None).await.0, 200);
    let (_, list) = as_one(&stage, &own, "GET", LIST, None).await;
    assert_eq!((&list["count"], &list["results"][0]["id"]), (&json!(1), &started["id"]));
    assert_eq!(as_one(&stage, &own, "GET", &format!("{LIST}?room=another"), None).await.0, 403);
    let (_, list) = as_one(&stage, "the-reader", "GET", &format!("{LIST}?room=another"), None).await;
    assert_eq!((&list["count"], &list["results"][0]["id"]), (&json!(1), &second["id"]));
    let forged = livekit("forged", VideoGrants { room_record: true, ..VideoGrants::default() });
    assert_eq!(as_one(&stage, &forged, "GET", LIST, None).await.0, 401);
    let guest = livekit("secret", VideoGrants { room_join: true, room: "daily".into(), ..VideoGrants::default() });
    assert_eq!(as_one(&stage, &guest, "GET", LIST, None).await.0, 403);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_who_comes_by_way_of_a_proxy_is_not_let_in() {
    let stage = staged(None, "").await;
    assert_eq!(stage.call("GET", LIST, None).await.0, 200, "a program on this machine");
    let body = || Some(json!({"mode": "transcript"}).to_string());
    for (method, path) in [("GET", LIST), ("POST", START), ("GET", "/metrics"), ("GET", "/"), ("GET", "/dashboard")] {
        let body = body().filter(|_| method == "POST");
        let (status, _, answer) = stage.send(method, path, &[("X-Forwarded-For", "203.0.113.9")], body).await;
        assert_eq!(status, 401, "{path}: {answer}");
    }
    for header in ["X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"] {
        let (status, _, answer) = stage.send("GET", LIST, &[(header, "203.0.113.9")], None).await;
        assert!(status == 401 && answer["error"].as_str().unwrap().contains("set api_token"), "{header}: {answer}");
    }
    // nginx with no more than a `proxy_pass`: our address as Host, nothing that tells of it, and the old protocol.
    let plain = "GET /api/v1.0/recordings/ HTTP/1.0\r\nHost: 127.0.0.1:7990\r\nConnection: close\r\n\r\n";
    assert!(raw(&stage, plain).await.starts_with("HTTP/1.0 401"));
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
    let published = staged(None, "public_url: https://record.example.org\n").await;
    let (status, answer) = published.call("GET", LIST, None).await;
    assert!(status == 401 && answer["error"].as_str().unwrap().contains("public_url"), "{answer}");
    published.sidecar.stop(AtClose::Stop).await.unwrap();
}

/// What is answered to these bytes.
async fn raw(stage: &Stage, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(stage.sidecar.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_and_links_are_counted_on_pages_too() {
    let stage = guarded().await;
    for (path, header) in [
        ("/", Some(("Cookie", "greffier_token=wrong"))),
        ("/dashboard", Some(("Authorization", "Bearer wrong"))),
        ("/recording/EG_x", Some(("Cookie", "greffier_token=wrong"))),
        ("/recording/EG_x?s=forged", None),
        ("/recording/EG_x/media?s=forged", None),
        ("/recording/EG_x/state?s=forged", None),
    ] {
        let headers: Vec<_> = header.into_iter().collect();
        let mut statuses = Vec::new();
        for _ in 0..25 {
            statuses.push(stage.send("GET", path, &headers, None).await.0);
        }
        assert!(statuses.contains(&429), "{path}: {statuses:?}");
    }
    let good = stage.send("GET", "/", &[("Cookie", "greffier_token=the-reader")], None).await.0;
    assert_eq!((good, stage.send("GET", "/", &[], None).await.0), (200, 401), "nobody is shut out");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_keep_nobody_out() {
    let stage = guarded().await;
    let mut idle = Vec::new();
    for n in 0..1500 {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(stage.sidecar.address()).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET /api/v1.0/recordings/ HTTP/1.1\r\nHost: a\r\n").await.unwrap();
        }
        idle.push(stream);
    }
    let requested = as_one(&stage, "the-reader", "GET", LIST, None);
    let answered = tokio::time::timeout(std::time::Duration::from_secs(10), requested).await;
    assert_eq!(answered.expect("an answer beside 1500 idle connections").0, 200);
    drop(idle);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_wrong_tokens_are_answered_with_when_to_come_back() {
    let stage = guarded().await;
    let mut statuses = Vec::new();
    for _ in 0..25 {
        let (status, headers, _) = stage.send("GET", LIST, &[("Authorization", "Bearer wrong")], None).await;
        match status {
            401 => assert_eq!(headers["www-authenticate"], "Bearer"),
            _ => assert!(headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0),
        }
        statuses.push(status);
    }
    assert_eq!((statuses[0], statuses[19]), (401, 401));
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(as_one(&stage, "the-reader", "GET", LIST, None).await.0, 200, "nobody is shut out");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_not_there() {
    let stage = staged(None, "recording: {enabled: false}").await;
    for (method, path) in [("POST", START), ("POST", STOP), ("POST", "/api/v1.0/recordings/storage-hook/")] {
        let (status, answer) = stage.call(method, path, Some(json!({"mode": "transcript"}))).await;
        let hook = path.contains("hook");
        assert!(status == 404 && (hook || answer["detail"] == "Not found."), "{path}: {answer}");
    }
    let (_, config) = stage.call("GET", "/api/v1.0/config/", None).await;
    assert_eq!(config["recording"]["is_enabled"], false);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_ask_of_a_recording_is_kept() {
    let yaml = "recording: {expiration_days: 30}\nlimits: {max_duration: 2h}\npublic_url: https://r.example.org/\n";
    let stage = staged(Some("0123456789abcdef"), yaml).await;
    let (_, config) = stage.call("GET", "/api/v1.0/config/", None).await;
    let wanted = json!({"is_enabled": true, "available_modes": ["screen_recording", "transcript"],
        "expiration_days": 30, "max_duration": 7_200_000});
    assert_eq!(config["recording"], wanted);
    let options = json!({"output_key": "team/a b.mp4", "expires_in_days": 2, "max_duration": 60, "language": "fr"});
    let body = json!({"mode": "screen_recording", "options": options});
    let (status, started) = stage.call("POST", START, Some(body.clone())).await;
    assert_eq!(status, 201, "{started}");
    let item = stage.item(id(&started)).await;
    assert_eq!((&item["key"], &item["options"]["language"]), (&json!("team/a b.mp4"), &json!("fr")));
    assert_eq!(item["url"], format!("https://r.example.org/recording/{}", id(&started)));
    let at = |field: &str| item[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at("expires_at").duration_since(at("created_at")), jiff::SignedDuration::from_hours(48));
    assert_eq!((&item["is_expired"], &item["expired_at"]), (&json!(false), &item["expires_at"]));
    let launched = stage.cast.lock().unwrap()["daily"].clone();
    assert_eq!(launched.request.limits.max_duration, Some(std::time::Duration::from_secs(60)));
    let (status, taken) = stage.call("POST", "/api/v1.0/rooms/another/start-recording/", Some(body)).await;
    assert_eq!(status, 409, "{taken}");
    assert!(taken["error"].as_str().unwrap().starts_with("options.output_key: "), "{taken}");
    for (key, value) in [
        ("output_key", json!("../a.mp4")),
        ("output_key", json!("a\u{0}.mp4")),
        ("output_key", json!("a%2Fb.mp4")),
        ("output_key", json!(format!("{}.mp4", "x".repeat(1024)))),
        ("output_key", json!("a.ogg")),
        ("max_duration", json!(7201)),
        ("original_mode", json!("nothing")),
        ("owner", json!({"email": "a\r\nBcc: b@c"})),
    ] {
        let body = json!({"mode": "screen_recording", "options": {key: value}});
        let (status, answer) = stage.call("POST", "/api/v1.0/rooms/another/start-recording/", Some(body)).await;
        let field = answer["field"].as_str().unwrap_or_default();
        assert!(status == 400 && field.starts_with(&format!("options.{key}")), "{key}: {answer}");
    }
    let layout = format!("{LIST}{}/layout/", id(&started));
    assert_eq!(stage.call("PUT", &layout, Some(json!({"layout": "grid"}))).await.0, 200);
    assert_eq!(stage.call("PUT", &layout, Some(json!({"layout": "mosaic"}))).await.1["field"], "layout");
    stage.stop("daily").await;
    stage.until(id(&started), "saved").await;
    assert_eq!(stage.call("PUT", &layout, Some(json!({"layout": "grid"}))).await.0, 409);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_the_same_key_is_the_same_start() {
    let stage = Stage::new().await;
    let body = json!({"mode": "transcript"}).to_string();
    let with = async |key: &str, body: &str| {
        let answer = stage.send("POST", START, &[("Idempotency-Key", key)], Some(body.to_owned())).await;
        (answer.0, answer.2)
    };
    let (first, again) = (with("one", &body).await, with("one", &body).await);
    assert_eq!((first.0, again.0, &first.1["id"]), (201, 201, &again.1["id"]));
    assert_eq!(with("another", &body).await.0, 409, "that is a second recording");
    assert_eq!(with("one", &json!({"mode": "screen_recording"}).to_string()).await.0, 409, "not the same request");
    assert_eq!(with("", &body).await.1["field"], "Idempotency-Key");
    let both = json!({"mode": "transcript", "options": {"idempotency_key": "two"}}).to_string();
    assert_eq!(with("one", &both).await.0, 400);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_removed_once_it_has_ended() {
    let stage = Stage::new().await;
    let (_, started) = stage.start("daily", "transcript").await;
    let one = format!("{LIST}{}/", id(&started));
    assert_eq!(stage.call("DELETE", &one, None).await.0, 403);
    stage.stop("daily").await;
    let path = stage.until(id(&started), "saved").await["path"].as_str().unwrap().to_owned();
    assert_eq!(stage.call("DELETE", &format!("{one}?object=maybe"), None).await.1["field"], "object");
    assert_eq!(stage.call("DELETE", &one, None).await.0, 204);
    assert_eq!(stage.call("GET", &one, None).await.0, 404);
    assert_eq!(stage.call("DELETE", &one, None).await.0, 404);
    while std::path::Path::new(&path).exists() {
        tokio::task::yield_now().await;
    }
    let (_, kept) = stage.start("daily", "transcript").await;
    stage.stop("daily").await;
    let path = stage.until(id(&kept), "saved").await["path"].as_str().unwrap().to_owned();
    assert_eq!(stage.call("DELETE", &format!("{LIST}{}/?object=keep", id(&kept)), None).await.0, 204);
    loop {
        if stage.call("GET", LIST, None).await.1["count"] == 0 {
            break;
        }
    }
    assert!(std::path::Path::new(&path).exists());
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn livekit_tells_that_a_room_is_finished() {
    let stage = guarded().await;
    let (_, started) = as_one(&stage, "the-recorder", "POST", START, Some(json!({"mode": "transcript"}))).await;
    let tell = async |secret: &str, event: Value, signed: &str| {
        let body = event.to_string();
        let hash = base64::prelude::BASE64_STANDARD.encode(digest(&SHA256, format!("{body}{signed}").as_bytes()));
        let token = AccessToken::with_api_key("key", secret).with_sha256(&hash).to_jwt().unwrap();
        stage.send("POST", WEBHOOK, &[("Authorization", &token)], Some(body)).await.0
    };
    let finished = |at: i64| json!({"event": "room_finished", "room": {"name": "daily"}, "createdAt": at.to_string()});
    let now = jiff::Timestamp::now().as_second();
    assert_eq!(tell("forged", finished(now), "").await, 401);
    assert_eq!(tell("secret", finished(now), "another body").await, 401);
    assert_eq!(stage.send("POST", WEBHOOK, &[], Some("{}".into())).await.0, 401);
    for event in ["participant_joined", "room_started", "no_such_event"] {
        assert_eq!(tell("secret", json!({"event": event, "room": {"name": "daily"}}), "").await, 200, "{event}");
    }
    // The room of this name that was there before.
    assert_eq!(tell("secret", finished(now - 3600), "").await, 200);
    let one = format!("{LIST}{}/", id(&started));
    assert_eq!(as_one(&stage, "the-reader", "GET", &one, None).await.1["status"], "active");
    assert_eq!(tell("secret", finished(now + 1), "").await, 200);
    loop {
        let (_, item) = as_one(&stage, "the-reader", "GET", &one, None).await;
        if item["status"] == "saved" {
            assert_eq!(item["details"], "the room was finished");
            break;
        }
    }
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
