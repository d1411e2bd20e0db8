//! The published nginx configuration, `docker/nginx.conf`, in a real nginx before a real sidecar whose recorder is a fake: what
//! passes, what does not, and that files, players, links and webhooks work through it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod front;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use front::{Answer, CLIENT, Front, NAME, exchange};
use greffier::control::AtClose;
use greffier::storage::Storage;
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use support::minio::{BUCKET, KEY, Minio, SECRET};
use support::stage::{Stage, id};
use tempfile::TempDir;

const TOKEN: &str = "0123456789abcdef";
const BEARER: (&str, &str) = ("Authorization", "Bearer 0123456789abcdef");
const COOKIE: (&str, &str) = ("Cookie", "greffier_token=0123456789abcdef");
const LIST: &str = "/api/v1.0/recordings/";
const AUTH: &str = "/api/v1.0/recordings/media-auth/";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
/// What docker/nginx.conf asks for beside it.
const BESIDE: &str = "public_url: https://record.example.org\n";

/// A sidecar with nginx before it.
struct Site {
    stage: Stage,
    front: Front,
    /// Where finished files are.
    files: TempDir,
}

impl Site {
    /// With a token, as the file says, and finished files in a folder.
    async fn new() -> Self {
        Self::with(Some(TOKEN), BESIDE).await
    }

    async fn with(token: Option<&str>, yaml: &str) -> Self {
        let files = TempDir::new().unwrap();
        let yaml = format!("{yaml}storage: {{local: {{path: {:?}}}}}\n", files.path());
        let stage = Stage::configured(TempDir::new().unwrap(), token, &yaml).await;
        let front = Front::start(stage.sidecar.address(), files.path(), "127.0.0.1:1/bucket");
        Self { stage, front, files }
    }

    /// A recording of this room that is stored; its id and its key. `options` go with the start.
    async fn recorded(&self, room: &str, options: Value) -> (String, String) {
        let body = json!({"mode": "transcript", "options": options}).to_string();
        let start =
            self.front.send("POST", &format!("/api/v1.0/rooms/{room}/start-recording/"), &[BEARER], &body).await;
        assert_eq!(start.status, 201, "{start:?}");
        let stop = self.front.send("POST", &format!("/api/v1.0/rooms/{room}/stop-recording/"), &[BEARER], "").await;
        assert_eq!(stop.status, 200, "{stop:?}");
        let started = start.json();
        let item = self.stage.until(id(&started), "saved").await;
        (id(&started).to_owned(), item["key"].as_str().unwrap().to_owned())
    }

    async fn end(self) {
        let Self { stage, front, files } = self;
        drop(front);
        stage.sidecar.stop(AtClose::Stop).await.unwrap();
        drop(files);
    }
}

/// 3 MB of which no two thousand bytes are alike.
fn film() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(|n| n.to_be_bytes().into_iter().skip(1)).collect()
}

fn livekit(secret: &str, grants: VideoGrants) -> String {
    AccessToken::with_api_key("key", secret).with_identity("backend").with_grants(grants).to_jwt().unwrap()
}

fn room_token(room: &str) -> String {
    let grants = VideoGrants { room_record: true, room: room.into(), ..VideoGrants::default() };
    format!("Bearer {}", livekit("secret", grants))
}

/// Not let in: for want of a token, or because that was tried too often.
fn is_refused(answer: &Answer) -> bool {
    [401, 429].contains(&answer.status)
}

/// What would show or change something.
const CLOSED: &[(&str, &str)] = &[
    ("GET", LIST),
    ("POST", "/api/v1.0/rooms/daily/start-recording/"),
    ("POST", "/api/v1.0/rooms/daily/stop-recording/"),
    ("GET", "/api/v1.0/recordings/EG_x/"),
    ("DELETE", "/api/v1.0/recordings/EG_x/"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/dashboard"),
    ("GET", "/recording/EG_x"),
    ("GET", "/recording/EG_x/media"),
    ("GET", "/media/recordings/EG_x.ogg"),
    ("GET", "/bucket/recordings/EG_x.ogg"),
    ("POST", "/api/v1.0/rooms/webhooks-livekit/"),
    ("POST", "/api/v1.0/recordings/storage-hook/"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_token() {
    // With a token, and as somebody who forgot it: `public_url` says that people come from elsewhere, or nothing does.
    for (token, yaml) in [(Some(TOKEN), BESIDE), (None, BESIDE), (None, "")] {
        let events = "recording: {storage_event_enabled: true, storage_event_token: the-event-token}\n";
        let site = Site::with(token, &format!("{yaml}{events}")).await;
        for (method, path) in CLOSED {
            // As programs on this machine would do it.
            for headers in [&[][..], &[("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")]] {
                let answer = site.front.send(method, path, headers, "").await;
                assert!(is_refused(&answer), "{token:?} {yaml:?} {method} {path}: {answer:?}");
            }
        }
        let list = site.stage.call("GET", LIST, None).await;
        assert!(list.0 != 200 || list.1["count"] == 0, "nothing was started: {list:?}");
        let twirp =
            site.front.send("POST", "/twirp/livekit.Egress/ListEgress", &[("Content-Type", "application/json")], "{}");
        assert!(is_refused(&twirp.await));
        // What is open to everybody says nothing of recordings.
        for path in ["/health", "/api/v1.0/openapi.json", "/api/v1.0/config/"] {
            assert_eq!(site.front.get(path, &[]).await.status, 200, "{path}");
        }
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_says_nothing_of_itself_is_kept_out_by_what_is_configured() {
    for (token, yaml, open) in [(Some(TOKEN), "", false), (None, BESIDE, false), (None, "", true)] {
        let site = Site::with(token, yaml).await;
        // Nobody can tell it from a program on this machine: docs/access.md says so.
        let proxied = site.front.silently("GET", LIST, &[("Connection", "close")]).await;
        assert_eq!(is_refused(&proxied), !open, "{token:?} {yaml:?}: {proxied:?}");
        // What most clients and all browsers on the way to a form send shows it even then.
        for header in [("X-Forwarded-For", "203.0.113.9"), ("Origin", "https://record.example.org"), ("Via", "1.1 a")] {
            let proxied = site.front.silently("GET", LIST, &[header]).await;
            assert!(is_refused(&proxied), "{token:?} {yaml:?} {header:?}: {proxied:?}");
        }
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_works_as_without_it() {
    let site = Site::new().await;
    // The name of a room may contain a slash; it arrives as it was sent.
    for (path, room) in [("a%2Fb", "a/b"), ("r%C3%A9union%201", "réunion 1"), ("%252e%252e", "%2e%2e")] {
        let (recording, _) = site.recorded(path, json!({})).await;
        let item = site.front.get(&format!("{LIST}{recording}/"), &[BEARER]).await.json();
        assert_eq!(item["room"]["name"], room, "{item}");
        assert_eq!(item["url"], format!("https://{NAME}/recording/{recording}"));
    }
    let list = site.front.get(&format!("{LIST}?page_size=1"), &[BEARER]).await.json();
    assert_eq!((&list["count"], list["results"].as_array().unwrap().len()), (&json!(3), 1), "{list}");
    let next = list["next"].as_str().unwrap();
    assert!(next.starts_with(&format!("https://{NAME}/api/")), "{next}");
    // Paths that two servers could read in two ways.
    for path in [
        "//api/v1.0/recordings/",
        "/api//v1.0/recordings/",
        "/api/v1.0/%72ecordings/",
        "/health/../api/v1.0/recordings/",
        "/health/%2e%2e/api/v1.0/recordings/",
        "/assets/..%2f..%2fapi/v1.0/recordings/",
        "/recording/x/media/../../../api/v1.0/recordings/",
        "/api/v1.0/recordings/%00",
    ] {
        let answer = site.front.get(path, &[BEARER]).await;
        assert!([400, 401, 403, 404].contains(&answer.status), "{path}: {answer:?}");
        let answer = site.front.get(path, &[]).await;
        assert!([400, 401, 403, 404, 429].contains(&answer.status), "{path}: {answer:?}");
    }
    // LiveKit's egress API, with a token of LiveKit's.
    let token = room_token("");
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let twirp = site.front.send("POST", "/twirp/livekit.Egress/ListEgress", &headers, "{}").await;
    assert_eq!((twirp.status, twirp.json()["items"].as_array().unwrap().len()), (200, 3), "{twirp:?}");
    // Bodies: what is too long is refused by nginx, before it is here.
    let long = "x".repeat(2 << 20);
    assert_eq!(site.front.send("POST", "/api/v1.0/rooms/webhooks-livekit/", &[], &long).await.status, 413);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_arrive_as_they_were_signed() {
    let yaml = "recording: {storage_event_enabled: true, storage_event_token: the-event-token}\n";
    let site = Site::with(Some(TOKEN), &format!("{BESIDE}{yaml}")).await;
    let start = "/api/v1.0/rooms/daily/start-recording/";
    let started = site.front.send("POST", start, &[BEARER], "{\"mode\": \"transcript\"}").await.json();
    let tell = async |secret: &str, more: &str| {
        let now = jiff::Timestamp::now().as_second() + 1;
        // As long as the webhook of a large room.
        let metadata = "m".repeat(300_000);
        let room = json!({"name": "daily", "metadata": metadata});
        let body = json!({"event": "room_finished", "room": room, "createdAt": now.to_string()}).to_string();
        let hash = base64::prelude::BASE64_STANDARD.encode(digest(&SHA256, body.as_bytes()));
        let token = AccessToken::with_api_key("key", secret).with_sha256(&hash).to_jwt().unwrap();
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/webhook+json")];
        site.front.send("POST", "/api/v1.0/rooms/webhooks-livekit/", &headers, &format!("{body}{more}")).await.status
    };
    assert_eq!(tell("forged", "").await, 401);
    assert_eq!(tell("secret", " ").await, 401, "not the bytes that were signed");
    assert_eq!(tell("secret", "").await, 200);
    let item = site.stage.until(id(&started), "saved").await;
    assert_eq!(item["details"], "the room was finished");
    let event = json!({"eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": item["key"], "contentType": "audio/ogg"}}});
    let body = json!({ "Records": [event] }).to_string();
    let hook = async |token: &str| {
        let bearer = format!("Bearer {token}");
        site.front.send("POST", "/api/v1.0/recordings/storage-hook/", &[("Authorization", &bearer)], &body).await.status
    };
    assert_eq!((hook("wrong").await, hook("the-event-token").await), (401, 200));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_watch() {
    let site = Site::new().await;
    let (recording, key) = site.recorded("daily", json!({})).await;
    let film = film();
    fs::write(site.files.path().join(&key), &film).unwrap();
    let page = format!("/recording/{recording}");
    let player = format!("{page}/media");
    assert_eq!(site.front.get(&page, &[]).await.status, 401);
    assert_eq!(site.front.send("POST", "/login", &[FORM], "token=wrong").await.status, 401);
    // A browser sends Origin with a form.
    let origin = ("Origin", "https://record.example.org");
    let form = format!("token={TOKEN}&next={page}");
    let answer = site.front.send("POST", "/login", &[FORM, origin], &form).await;
    assert_eq!((answer.status, answer.header("location")), (303, page.as_str()), "{answer:?}");
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
    let cookie = [("Cookie", cookie.split(';').next().unwrap())];
    let answer = site.front.get(&page, &cookie).await;
    assert!(answer.status == 200 && answer.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(site.front.get("/", &cookie).await.status, 200, "the dashboard");

    // A share link, from the API to the player.
    let share = site.front.send("POST", &format!("{LIST}{recording}/share/"), &[BEARER], "{}").await.json();
    let link = share["url"].as_str().unwrap().strip_prefix(&format!("https://{NAME}")).unwrap();
    let token = link.split_once("?s=").unwrap().1;
    assert_eq!(site.front.get(link, &[]).await.status, 200);
    let shared = format!("{player}?s={token}");
    for (path, headers) in [(&player, &cookie[..]), (&shared, &[])] {
        plays(&site.front, path, headers, &film).await;
    }
    assert_eq!(site.front.get(&format!("{player}?s={}x", &token[1..]), &[]).await.status, 401);
    let log = site.front.log("access.log");
    assert!(log.contains(&player) && !log.contains(token) && !log.contains(TOKEN), "{log}");
    site.end().await;
}

/// Whole, in parts, by HEAD.
async fn plays(front: &Front, path: &str, headers: &[(&str, &str)], film: &[u8]) {
    let with = |more: &[(&'static str, &'static str)]| [headers, more].concat();
    let whole = front.get(path, headers).await;
    assert!(whole.status == 200 && whole.body == film, "{path}: {} {:?}", whole.status, whole.headers);
    assert_eq!(whole.header("accept-ranges"), "bytes", "{path}");
    assert_eq!(whole.header("content-type"), "audio/ogg", "{path}");
    assert!(whole.header("cache-control").starts_with("private"), "{path}: {:?}", whole.headers);
    assert_eq!(whole.header("x-content-type-options"), "nosniff", "{path}");
    for (range, first, last) in
        [("bytes=0-99", 0, 99), ("bytes=1000000-", 1_000_000, 2_999_999), ("bytes=-5", 2_999_995, 2_999_999)]
    {
        let part = front.get(path, &with(&[("Range", range)])).await;
        assert!(
            part.status == 206 && part.body == film[first..=last],
            "{path} {range}: {} {:?}",
            part.status,
            part.headers
        );
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/3000000"), "{path}");
    }
    assert_eq!(front.get(path, &with(&[("Range", "bytes=3000000-")])).await.status, 416, "{path}");
    let head = front.send("HEAD", path, headers, "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "3000000", 0), "{path}: {head:?}");
    let etag = whole.header("etag");
    let known = front.get(path, &[headers, &[("If-None-Match", etag)]].concat()).await;
    assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
    let changed = front.get(path, &with(&[("Range", "bytes=0-9"), ("If-Range", "\"another\"")])).await;
    // S3 does not know If-Range; there an object is never changed.
    let wanted = if path.starts_with("/bucket/") { (206, 10) } else { (200, film.len()) };
    assert_eq!((changed.status, changed.body.len()), wanted, "{path}");
}

/// Who may fetch `key` of room `daily` below `base`, and that nothing else opens with it.
async fn only_its_own(site: &Site, base: &str, key: &str, other: &str) {
    let path = format!("{base}{key}");
    let own = room_token("daily");
    let own = ("Authorization", own.as_str());
    for headers in [&[BEARER][..], &[COOKIE], &[own]] {
        assert_eq!(site.front.get(&path, headers).await.status, 200, "{path} {headers:?}");
    }
    let stranger = room_token("another");
    let forged = format!("Bearer {}", livekit("forged", VideoGrants { room_record: true, ..VideoGrants::default() }));
    for (headers, wanted) in [
        (&[][..], 401),
        (&[("Authorization", "Bearer wrong")], 401),
        (&[("Cookie", "greffier_token=wrong")], 401),
        (&[("Authorization", &forged)], 401),
        (&[("Authorization", &stranger)], 403),
        // A wrong header is not mended by a cookie.
        (&[("Authorization", "Bearer wrong"), COOKIE], 401),
    ] {
        assert_eq!(site.front.get(&path, headers).await.status, wanted, "{path} {headers:?}");
    }
    // What another room's is stays closed, whatever the request says of itself.
    let closed = format!("{base}{other}");
    let spoofed = format!("https://{NAME}{path}");
    for (path, headers) in [
        (closed.clone(), vec![own]),
        (closed.clone(), vec![own, ("X-Original-URL", path.as_str())]),
        (closed.clone(), vec![own, ("X-Original-URL", spoofed.as_str()), ("X-Rewrite-URL", path.as_str())]),
        (closed.clone(), vec![("X-Original-URL", path.as_str())]),
        (format!("{closed}?x=://h{path}"), vec![own]),
        (format!("{closed}?{path}"), vec![own]),
        (format!("{closed}%3f://h{path}"), vec![own]),
        (format!("{path}/../{}", other.rsplit('/').next().unwrap()), vec![own]),
        (format!("{path}/%2e%2e/{}", other.rsplit('/').next().unwrap()), vec![own]),
        (format!("{path}%2f..%2f{}", other.rsplit('/').next().unwrap()), vec![own]),
    ] {
        let answer = site.front.get(&path, &headers).await;
        assert!([401, 403].contains(&answer.status), "{path} {headers:?}: {} {:?}", answer.status, answer.body);
    }
    // Nor does what is no recording's file open to anybody.
    for path in [
        base.to_owned(),
        format!("{base}recordings"),
        format!("{base}recordings/"),
        format!("{base}/{key}"),
        format!("/{base}{key}"),
        format!("{base}x/../{key}"),
        format!("{base}%2e%2e/%2e%2e/etc/passwd"),
        format!("{base}..%2f..%2fetc/passwd"),
        format!("{base}recordings/secret.ogg"),
        format!("{base}recordings/EG_unknown.ogg"),
        format!("{base}recordings/EG_unknown.exe"),
        format!("{base}{key}%00"),
    ] {
        let answer = site.front.get(&path, &[BEARER]).await;
        assert!([400, 403, 404].contains(&answer.status), "{path}: {} {:?}", answer.status, answer.body);
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = site.front.send(method, &path, &[BEARER], "").await;
        assert!([403, 405].contains(&answer.status), "{method} {path}: {answer:?}");
    }
}

/// What signs requests stays between nginx and the sidecar.
async fn no_signatures_leave(site: &Site, path: &str) {
    for place in [
        AUTH,
        AUTH.trim_end_matches('/'),
        "/greffier-media-auth",
        "//api/v1.0/recordings/media-auth/",
        "/api/v1.0/recordings/%6dedia-auth/",
        "/api/v1.0/./recordings/media-auth/",
        "/api/v1.0/recordings/media-auth%2f",
    ] {
        let answer = site.front.get(place, &[BEARER, ("X-Original-URL", path)]).await;
        assert!([403, 404].contains(&answer.status), "{place}: {answer:?}");
        assert!(!answer.headers.contains_key("authorization"), "{place}: {answer:?}");
    }
    let answer = site.front.get(path, &[BEARER]).await;
    assert!(
        !["authorization", "x-amz-date", "x-amz-content-sha256"].iter().any(|name| answer.headers.contains_key(*name))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_folder_are_served_to_those_who_may() {
    let site = Site::new().await;
    let film = film();
    let (_, key) = site.recorded("daily", json!({})).await;
    let (_, named) = site.recorded("daily", json!({"output_key": "team/a b é+.ogg"})).await;
    let (_, other) = site.recorded("another", json!({})).await;
    for key in [&key, &named] {
        fs::write(site.files.path().join(key), &film).unwrap();
    }
    fs::write(site.files.path().join("recordings/secret.ogg"), "not a recording").unwrap();
    assert_eq!(named, "team/a b é+.ogg");
    for path in [format!("/media/{key}"), "/media/team/a%20b%20%C3%A9+.ogg".into()] {
        plays(&site.front, &path, &[COOKIE], &film).await;
    }
    only_its_own(&site, "/media/", &key, &other).await;
    no_signatures_leave(&site, &format!("/media/{key}")).await;
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_bucket_are_served_to_those_who_may() {
    let minio = Minio::start();
    let yaml = format!(
        "{BESIDE}media_url: /bucket/\nstorage: {{s3: {{bucket: {BUCKET}, endpoint: {:?}, access_key: {KEY}, \
         secret: {SECRET:?}, force_path_style: true}}}}\n",
        minio.url()
    );
    let stage = Stage::configured(TempDir::new().unwrap(), Some(TOKEN), &yaml).await;
    let files = TempDir::new().unwrap();
    let front = Front::start(stage.sidecar.address(), files.path(), &format!("127.0.0.1:{}/{BUCKET}", minio.port));
    let site = Site { stage, front, files };
    let film = film();
    let (_, key) = site.recorded("daily", json!({})).await;
    let (_, named) = site.recorded("daily", json!({"output_key": "team/a b é.ogg"})).await;
    let (_, other) = site.recorded("another", json!({})).await;
    let storage = Storage::open(&minio.settings(&minio.url()), Path::new("/nowhere")).unwrap();
    for key in [key.as_str(), named.as_str(), "recordings/secret.ogg"] {
        storage.put(key, film.clone().into(), "audio/ogg").await.unwrap();
    }
    for path in
        [format!("/bucket/{key}"), format!("/bucket/{key}?download=1"), "/bucket/team/a%20b%20%C3%A9.ogg".into()]
    {
        plays(&site.front, &path, &[COOKIE], &film).await;
    }
    only_its_own(&site, "/bucket/", &key, &other).await;
    no_signatures_leave(&site, &format!("/bucket/{key}")).await;
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_and_plain_http_lead_nowhere() {
    let site = Site::new().await;
    assert!(site.front.tls(CLIENT, "other.example.org").await.is_err(), "no certificate for it");
    for host in ["other.example.org", "127.0.0.1", "localhost", "record.example.org.evil.example"] {
        let stream = site.front.tls(CLIENT, NAME).await.unwrap();
        assert!(exchange(stream, "GET", LIST, &[("Host", host), BEARER], "").await.is_none(), "{host}");
        assert!(site.front.plain(LIST, &[("Host", host), BEARER]).await.is_none(), "{host}");
    }
    let moved = site.front.plain("/recording/EG_x?s=1", &[]).await.unwrap();
    assert_eq!((moved.status, moved.header("location")), (301, "https://record.example.org/recording/EG_x?s=1"));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attacker_behind_the_proxy_shuts_nobody_else_out() {
    let (attacker, other) = ("127.0.0.66".parse().unwrap(), "127.0.0.67".parse().unwrap());
    for (yaml, apart) in
        [("trusted_proxies: [127.0.0.1]\n", true), ("trusted_proxies: [10.0.0.0/8]\n", false), ("", false)]
    {
        let site = Site::with(Some(TOKEN), &format!("{BESIDE}{yaml}")).await;
        let mut statuses = Vec::new();
        for n in 0..30 {
            // Another name each time, as which nginx appends the address that it sees.
            let claimed = format!("203.0.113.{n}");
            let headers = [FORM, ("X-Forwarded-For", claimed.as_str()), ("X-Real-IP", claimed.as_str())];
            let answer = site.front.send_from(attacker, "POST", "/login", &headers, "token=wrong").await;
            statuses.push(answer.status);
        }
        assert_eq!((statuses[0], statuses[29]), (401, 429), "{yaml:?} {statuses:?}");
        // Somebody mistypes the token, and then does not.
        let mistyped = site.front.send_from(other, "POST", "/login", &[FORM], "token=mistyped").await;
        assert_eq!(mistyped.status, if apart { 401 } else { 429 }, "{yaml:?}");
        let form = format!("token={TOKEN}");
        assert_eq!(site.front.send_from(other, "POST", "/login", &[FORM], &form).await.status, 303, "{yaml:?}");
        assert_eq!(site.front.send_from(attacker, "GET", LIST, &[BEARER], "").await.status, 200, "{yaml:?}");
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_trusts_a_proxy_is_not_open_to_it() {
    let site = Site::with(None, "trusted_proxies: [127.0.0.1]\n").await;
    for headers in [&[][..], &[("X-Forwarded-For", "127.0.0.1")]] {
        assert_eq!(site.front.get(LIST, headers).await.status, 401, "{headers:?}");
        assert_eq!(site.front.silently("GET", LIST, headers).await.status, 401, "{headers:?}");
    }
    site.end().await;
}
