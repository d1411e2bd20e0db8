//! Rights follow rooms everywhere: what a token of one room opens of another one, at every API.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use greffier::control::AtClose;
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};

use crate::support::receiver::HttpReceiver;
use crate::support::stage::{Stage, id};

const TOKEN: &str = "0123456789abcdef";

/// `Bearer` and the strongest token that LiveKit's clients have for this room; for all of them, when it is empty.
fn of_room(room: &str) -> String {
    let grants = VideoGrants { room_record: true, room_admin: true, room: room.into(), ..VideoGrants::default() };
    let token = AccessToken::with_api_key("key", "secret").with_identity("backend").with_grants(grants);
    format!("Bearer {}", token.to_jwt().unwrap())
}

async fn staged(yaml: &str) -> Stage {
    Stage::configured(tempfile::tempdir().unwrap(), Some(TOKEN), yaml).await
}

async fn as_room(stage: &Stage, room: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = of_room(room);
    let body = (method != "GET").then(|| body.to_string());
    let (status, _, answer) = stage.send(method, path, &[("Authorization", &bearer)], body).await;
    (status, answer)
}

fn composite(room: &str, filepath: &str) -> Value {
    json!({"room_name": room, "audio_only": true, "file_outputs": [{"file_type": "OGG", "filepath": filepath}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoint_lets_a_token_of_another_room_through() {
    let stage = staged("").await;
    let options = json!({"output_key": "kept/a.ogg"});
    let start = "/api/v1.0/rooms/theirs/start-recording/";
    let (status, saved) = stage.call("POST", start, Some(json!({"mode": "transcript", "options": options}))).await;
    assert_eq!(status, 201, "{saved}");
    let saved = id(&saved).to_owned();
    stage.stop("theirs").await;
    stage.until(&saved, "saved").await;
    let running = id(&stage.start("theirs", "screen_recording").await.1).to_owned();
    let twirp = |method: &str| format!("/twirp/livekit.Egress/{method}");
    let one = |end: &str| format!("/api/v1.0/recordings/{saved}/{end}");
    let live = |end: &str| format!("/api/v1.0/recordings/{running}/{end}");
    let media = [("X-Original-URL", "/media/kept/a.ogg")];
    let table = [
        ("POST", start.to_owned(), json!({"mode": "transcript"})),
        ("POST", "/api/v1.0/rooms/theirs/stop-recording/".to_owned(), json!({})),
        ("GET", "/api/v1.0/recordings/?room=theirs".to_owned(), json!({})),
        ("GET", one(""), json!({})),
        ("DELETE", one(""), json!({})),
        ("DELETE", one("?object=keep"), json!({})),
        ("PUT", live("layout/"), json!({"layout": "grid"})),
        ("POST", one("share/"), json!({})),
        ("DELETE", one("share/"), json!({})),
        ("GET", "/metrics".to_owned(), json!({})),
        ("GET", "/".to_owned(), json!({})),
        ("GET", "/dashboard".to_owned(), json!({})),
        ("GET", format!("/recording/{saved}"), json!({})),
        ("GET", format!("/recording/{saved}/state"), json!({})),
        ("GET", format!("/recording/{saved}/media"), json!({})),
        ("POST", twirp("StartRoomCompositeEgress"), composite("theirs", "b.ogg")),
        ("POST", twirp("StopEgress"), json!({"egress_id": running})),
        ("POST", twirp("UpdateLayout"), json!({"egress_id": running, "layout": "grid"})),
        ("POST", twirp("UpdateStream"), json!({"egress_id": running})),
    ];
    for (method, path, body) in &table {
        let (status, answer) = as_room(&stage, "ours", method, path, body).await;
        // Twirp's APIs say 401, as LiveKit's server does.
        let refused = [403, 404].contains(&status) || (status == 401 && path.starts_with("/twirp/"));
        assert!(refused, "{method} {path}: {status} {answer}");
        assert!(!answer.to_string().contains("kept/a.ogg"), "{method} {path}: {answer}");
        // The same is let in by the room's own token, as far as it is about one room.
        if *method == "GET" && !["/metrics", "/", "/dashboard"].contains(&path.as_str()) {
            assert_eq!(as_room(&stage, "theirs", method, path, body).await.0, 200, "{method} {path}");
        }
    }
    let bearer = of_room("ours");
    let auth = "/api/v1.0/recordings/media-auth/";
    let requested = stage.send("GET", auth, &[("Authorization", &bearer), media[0]], None).await;
    assert_eq!(requested.0, 403, "{}", requested.2);
    assert_eq!(as_room(&stage, "ours", "GET", "/api/v1.0/recordings/", &json!({})).await.1["count"], 0);
    for filter in [json!({}), json!({"room_name": "theirs"}), json!({"egress_id": saved}), json!({"active": true})] {
        let (status, list) = as_room(&stage, "ours", "POST", &twirp("ListEgress"), &filter).await;
        let shown = list["items"].as_array().map_or(0, Vec::len);
        assert!((status == 200 || status == 401) && shown == 0, "{filter}: {list}");
    }
    assert_eq!(stage.item(&running).await["status"], "active", "nothing has happened to it");
    assert_eq!(stage.item(&saved).await["status"], "saved");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_room_writes_over_nothing_of_another() {
    let stage = staged("").await;
    let rest = |room: &str| format!("/api/v1.0/rooms/{room}/start-recording/");
    let body = |key: &str| json!({"mode": "transcript", "options": {"output_key": key}});
    let (_, theirs) = stage.call("POST", &rest("theirs"), Some(body("kept/a.ogg"))).await;
    stage.stop("theirs").await;
    stage.until(id(&theirs), "saved").await;
    let stored = stage.folder.path().join("kept/a.ogg");
    let film = std::fs::read(&stored).unwrap();
    std::fs::write(stage.folder.path().join("kept/nobodys.ogg"), "put there by hand").unwrap();
    for key in ["kept/a.ogg", "kept/nobodys.ogg"] {
        let twirp = "/twirp/livekit.Egress/StartRoomCompositeEgress";
        let (status, answer) = as_room(&stage, "ours", "POST", twirp, &composite("ours", key)).await;
        assert_eq!((status, &answer["code"]), (403, &json!("permission_denied")), "{key}: {answer}");
        let (status, answer) = as_room(&stage, "ours", "POST", &rest("ours"), &body(key)).await;
        assert_eq!(status, 409, "{key}: {answer}");
    }
    assert_eq!(std::fs::read(&stored).unwrap(), film);
    // Their own they may write over, as LiveKit Egress lets them.
    let twirp = "/twirp/livekit.Egress/StartRoomCompositeEgress";
    let (status, answer) = as_room(&stage, "theirs", "POST", twirp, &composite("theirs", "kept/a.ogg")).await;
    assert_eq!(status, 200, "{answer}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_folders_are_out_of_reach() {
    let stage = staged("").await;
    for key in ["spool/EG_x/recording.ogg", "db/a.ogg", "mail/a.ogg", "SPOOL/a.ogg", "Db/a.ogg"] {
        let body = json!({"mode": "transcript", "options": {"output_key": key}});
        let (status, answer) = stage.call("POST", "/api/v1.0/rooms/daily/start-recording/", Some(body)).await;
        assert_eq!((status, &answer["field"]), (400, &json!("options.output_key")), "{key}: {answer}");
        let twirp = "/twirp/livekit.Egress/StartRoomCompositeEgress";
        let (status, answer) = as_room(&stage, "", "POST", twirp, &composite("daily", key)).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_argument")), "{key}: {answer}");
    }
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_on_the_machine_reads_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    // What an earlier version left.
    std::fs::create_dir_all(data.join("mail")).unwrap();
    std::fs::write(data.join("mail/old.eml"), "a link").unwrap();
    for (path, mode) in [("mail", 0o755), ("mail/old.eml", 0o644)] {
        std::fs::set_permissions(data.join(path), PermissionsExt::from_mode(mode)).unwrap();
    }
    let stage = Stage::with(folder, Some(TOKEN)).await;
    let owner = json!({"mode": "screen_recording", "options": {"owner": {"email": "ada@example.org"}}});
    let (_, started) = stage.call("POST", "/api/v1.0/rooms/daily/start-recording/", Some(owner)).await;
    let open = |own: &str| open_to_others(&data.join(own));
    assert_eq!((open("spool"), open("db"), open("mail")), (vec![], vec![], vec![]));
    stage.stop("daily").await;
    stage.until(id(&started), "notification_succeeded").await;
    assert_eq!((open("spool"), open("db"), open("mail")), (vec![], vec![], vec![]));
    assert_eq!(std::fs::read_dir(data.join("mail")).unwrap().count(), 2, "and a letter was written");
    let stored = std::fs::metadata(data.join("recordings").join(format!("{}.mp4", id(&started)))).unwrap();
    assert_eq!(stored.permissions().mode() & 0o777, 0o640);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

/// Files and folders from here on that others than their owner may read.
fn open_to_others(path: &Path) -> Vec<String> {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let mode = meta.permissions().mode() & 0o777;
    let wrong = (mode & 0o077 != 0).then(|| format!("{} {mode:o}", path.display()));
    let below = meta.is_dir().then(|| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
    wrong.into_iter().chain(below.into_iter().flatten().flat_map(|path| open_to_others(&path))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sends_us_nowhere_within() {
    let receiver = HttpReceiver::start(|_| (200, b"<Error><Code>s3cret of the inside</Code></Error>".to_vec()));
    let stage = staged("").await;
    let twirp = "/twirp/livekit.Egress/StartRoomCompositeEgress";
    let port = receiver.url.rsplit_once(':').unwrap().1.to_owned();
    let s3 = |endpoint: &str, key: &str| json!({"endpoint": endpoint, "bucket": "b", "access_key": key, "secret": key, "force_path_style": true});
    for host in ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "backend"] {
        let mut requested = composite("daily", "a.ogg");
        requested["webhooks"] = json!([{"url": format!("http://{host}:{port}/x"), "signing_key": "key"}]);
        let (status, answer) = as_room(&stage, "daily", "POST", twirp, &requested).await;
        let said = answer["msg"].as_str().unwrap();
        assert!(status == 400 && said.starts_with("webhooks.url: ") && said.contains("allowed_hosts"), "{answer}");
        let mut requested = composite("daily", "a.ogg");
        requested["file_outputs"][0]["s3"] = s3(&format!("http://{host}:{port}"), "k");
        let (status, answer) = as_room(&stage, "daily", "POST", twirp, &requested).await;
        assert!(status == 400 && answer["msg"].as_str().unwrap().starts_with("endpoint: "), "{answer}");
    }
    let mut requested = composite("daily", "a.ogg");
    requested["file_outputs"][0]["s3"] = s3("https://s3.example.org", "");
    let (status, answer) = as_room(&stage, "daily", "POST", twirp, &requested).await;
    assert!(status == 400 && answer["msg"].as_str().unwrap().starts_with("access_key: missing"), "{answer}");
    assert!(receiver.so_far().is_empty(), "nothing was sent");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();

    // Where it is allowed, what is said there stays there.
    let stage = staged("requests: {allowed_hosts: [127.0.0.1]}\n").await;
    let mut requested = composite("daily", "a.ogg");
    requested["file_outputs"][0]["s3"] = s3(&receiver.url, "k");
    let (status, answer) = as_room(&stage, "daily", "POST", twirp, &requested).await;
    assert!(status == 400 && !answer.to_string().contains("s3cret"), "{answer}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_urls_are_not_told() {
    let receiver = HttpReceiver::start(|_| (200, Vec::new()));
    let stage = staged("requests: {allowed_hosts: [127.0.0.1]}\n").await;
    let mut requested = composite("daily", "a.ogg");
    let url = format!("{}/hooks/T0PS3CRET0123456?token=T0PS3CRET", receiver.url);
    requested["webhooks"] = json!([{"url": url, "signing_key": "key"}]);
    let (status, answer) =
        as_room(&stage, "daily", "POST", "/twirp/livekit.Egress/StartRoomCompositeEgress", &requested).await;
    assert_eq!(status, 200, "{answer}");
    assert!(!answer.to_string().contains("T0PS3CRET"), "{answer}");
    let (_, list) = as_room(&stage, "daily", "POST", "/twirp/livekit.Egress/ListEgress", &json!({})).await;
    assert!(list.to_string().contains("/hooks/…?…") && !list.to_string().contains("T0PS3CRET"), "{list}");
    let sent = receiver.next();
    assert!(sent.path.ends_with("?token=T0PS3CRET"), "it is told all the same");
    assert!(!sent.text().contains("T0PS3CRET"), "{}", sent.text());
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
