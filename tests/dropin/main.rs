//! In the place of LiveKit's own egress: its server, its configuration, its Python SDK, a real Redis and a real store.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test; figures are printed")]

mod auto;
mod faults;
mod lost;
mod share;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use livekit_api::access_token::VideoGrants;
use serde_json::{Value, json};
use support::backend::{Answer, Backend, Hooks};
use support::load::tolerance;
use support::minio::{BUCKET, KEY, Minio, SECRET};
use support::publisher::{Kind, Publisher};
use support::redis::Redis;
use support::server::LiveKit;
use support::sidecar::Sidecar;

/// `EgressStatus`.
const STARTING: u64 = 0;
const ACTIVE: u64 = 1;
const ENDING: u64 = 2;
const COMPLETE: u64 = 3;

/// What becomes of a recording that goes well: each webhook once, in this order.
const WHOLE_LIFE: [&str; 4] =
    ["egress_started STARTING", "egress_updated ACTIVE", "egress_updated ENDING", "egress_ended COMPLETE"];

/// Everything a backend has around it; the sidecar is started by the test.
struct World {
    backend: Backend,
    hooks: Hooks,
    server: LiveKit,
    minio: Minio,
    redis: Redis,
}

impl World {
    /// Rooms that nobody is in stay open for this many seconds.
    fn new(timeout: u32) -> Self {
        let (redis, minio, hooks) = (Redis::start(), Minio::start(), Hooks::start());
        let more = format!(
            "redis: {{ address: '{}' }}\nwebhook: {{ api_key: live-tests, urls: ['{}'] }}\n",
            redis.address(),
            hooks.url
        );
        let server = LiveKit::configured(timeout, &more);
        let backend = Backend::start(&server);
        Self { backend, hooks, server, minio, redis }
    }

    fn sidecar(&self) -> Sidecar {
        Sidecar::in_place_of_egress(&self.server, &self.redis)
    }

    fn s3(&self) -> Value {
        // Meet sends no region when it has none.
        json!({ "endpoint": self.minio.url(), "access_key": KEY, "secret": SECRET, "bucket": BUCKET, "force_path_style": true })
    }

    /// Meet's request for a video.
    fn video(&self, room: &str, key: &str) -> Value {
        let file = json!({ "file_type": "MP4", "filepath": key, "s3": self.s3() });
        json!({ "room_name": room, "layout": "speaker-light", "file_outputs": [file] })
    }

    /// Meet's request for a transcript.
    fn transcript(&self, room: &str, key: &str) -> Value {
        let file = json!({ "file_type": "OGG", "filepath": key, "s3": self.s3() });
        json!({ "room_name": room, "audio_only": true, "file_outputs": [file] })
    }

    fn stop(&mut self, id: &str) -> Answer {
        self.backend.call("stop", json!({ "egress_id": id }))
    }

    /// The one egress of this id.
    fn listed(&mut self, id: &str) -> Value {
        let list = self.backend.call("list", json!({ "egress_id": id })).ok();
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
        list["items"][0].clone()
    }

    fn active(&mut self, room: &str) -> usize {
        let list = self.backend.call("list", json!({ "room_name": room, "active": true })).ok();
        list["items"].as_array().unwrap().len()
    }

    fn ask_room(&self, method: &str, room: &str, mut body: Value) -> Value {
        let grants = VideoGrants { room_admin: true, room: room.to_owned(), ..VideoGrants::default() };
        body["room"] = room.into();
        self.server.ask(method, grants, &body)
    }

    /// No secret in the webhooks, and all of them are signed as LiveKit's SDK wants them.
    fn check_hooks(&mut self) {
        for hook in self.hooks.all() {
            assert!(!hook.body.contains(SECRET) && !hook.body.contains(KEY), "{}", hook.body);
            let verified = json!({ "body": hook.body, "authorization": hook.authorization });
            let event = self.backend.call("verify", verified).ok();
            assert_eq!(event["egress_info"]["egress_id"], hook.info["egressId"]);
        }
    }
}

/// A 64-bit number, which JSON holds as text.
fn number(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).or(value.as_i64()).unwrap_or_else(|| panic!("no number: {value}"))
}

fn id_of(answer: &Value) -> String {
    answer["egress_id"].as_str().unwrap().to_owned()
}

/// None of these words is in a file below this folder.
fn assert_nowhere(folder: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, words);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for word in words {
            let found = bytes.windows(word.len()).position(|part| part == word.as_bytes());
            assert_eq!(found, None, "{word:?} is in {}", path.display());
        }
    }
}

/// What ffprobe says of these bytes: codec names, and seconds.
fn probe(bytes: &[u8]) -> (Vec<String>, f64) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let shown = ["-v", "error", "-show_entries", "stream=codec_name:format=duration", "-of", "json"];
    let output = Command::new("ffprobe").args(shown).arg(file.path()).output();
    let output = output.expect("ffprobe is missing: apt-get install ffmpeg");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let streams = told["streams"].as_array().unwrap_or_else(|| panic!("{output:?}"));
    let mut codecs: Vec<_> = streams.iter().map(|one| one["codec_name"].as_str().unwrap().to_owned()).collect();
    codecs.sort();
    (codecs, told["format"]["duration"].as_str().unwrap().parse().unwrap())
}

#[test]
fn meets_video_is_recorded_as_by_livekits_own_egress() {
    let mut world = World::new(20);
    let sidecar = world.sidecar();
    let room = "7f3c0f6e-9a30-4b5e-8c1d-0c6a4d1f2b3a";
    let _people = Publisher::start(Kind::SampleRoom, &world.server, room, 2, &[]);
    let key = "recordings/0b8e2c1a-55b1-4c7e-9a55-6f1f0d9f7c11.mp4";
    let (asked_at, asked_wall) = (Instant::now(), support::wall());
    let start = world.backend.call("start", world.video(room, key));
    let answered_at = start.at;
    let answered_ms = start.ms;
    let info = start.ok();
    let id = id_of(&info);
    assert!(id.starts_with("EG_"), "{info}");
    assert_eq!((info["status"].as_u64(), info["room_name"].as_str()), (Some(STARTING), Some(room)));
    assert!(!info["room_id"].as_str().unwrap().is_empty());
    assert_eq!(info["file_results"][0]["filename"], key);

    let active = world.hooks.until(&id, "egress_updated ACTIVE");
    let (settled, to_active) = (active.at.duration_since(answered_at), active.at.duration_since(asked_at));
    let media_at = number(&active.info["fileResults"][0]["startedAt"]) as f64 / 1e9;
    // How long the answer takes through the SDK is the SDK's own time.
    assert!(to_active >= Duration::from_secs(2), "ACTIVE came {to_active:?} after the request; Meet needs 2 s");
    assert!(settled >= Duration::from_millis(1500), "ACTIVE came {settled:?} after the answer");
    let listed = world.listed(&id);
    assert_eq!(listed["status"].as_u64(), Some(ACTIVE));
    assert_eq!(listed["room_composite"]["file_outputs"][0]["s3"]["secret"], "{secret}");
    assert_eq!(listed["room_composite"]["file_outputs"][0]["s3"]["access_key"], "{access_key}");
    assert_eq!(world.active(room), 1);

    // Another layout, by way of our participant's metadata.
    world.backend.call("update_layout", json!({ "egress_id": id, "layout": "grid-light" })).ok();
    let ourselves = world.ask_room("GetParticipant", room, json!({ "identity": id }));
    assert_eq!(ourselves["metadata"], r#"{"layout":"grid-light"}"#);
    sidecar.until_recorded(&id, 3.5);

    let stopped_at = Instant::now();
    let stop = world.stop(&id);
    let stop_ms = stop.ms;
    assert_eq!(stop.ok()["status"].as_u64(), Some(ENDING));
    assert_eq!(world.stop(&id).ok()["status"].as_u64(), Some(ENDING), "stopped twice");
    let ended = world.hooks.until(&id, "egress_ended COMPLETE");
    let to_end = ended.at.duration_since(stopped_at);
    let ending = world.hooks.until(&id, "egress_updated ENDING");
    assert_ne!(number(&ending.info["fileResults"][0]["endedAt"]), 0, "the end is known before the file is there");
    assert_eq!(world.stop(&id).ok()["status"].as_u64(), Some(ENDING), "stopped once more, after its end");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);

    let last = world.listed(&id);
    assert_eq!((last["status"].as_u64(), last["error"].as_str()), (Some(COMPLETE), Some("")));
    let file = &last["file_results"][0];
    let (kind, bytes) = world.minio.object(key);
    assert_eq!((kind.as_str(), number(&file["size"])), ("video/mp4", bytes.len() as i64));
    let host = world.minio.url().replace("http://", "");
    assert_eq!(file["location"], format!("https://{host}/{BUCKET}/{key}"));
    let (started, ended, duration) =
        (number(&file["started_at"]), number(&file["ended_at"]), number(&file["duration"]));
    assert!(started > 0 && ended > started && duration > 3_000_000_000, "{file}");
    let within = tolerance("the length by the clock and by the file, seconds", 0.5, 2.0);
    assert!(
        (((ended - started) - duration) as f64 / 1e9).abs() < within,
        "whoever aligns something with the sound is misled: {file}"
    );
    assert_ne!(number(&last["ended_at"]), 0);
    let (codecs, seconds) = probe(&bytes);
    assert_eq!(codecs, ["aac", "h264"]);
    assert!((seconds - duration as f64 / 1e9).abs() < 0.5, "{seconds} s, and {duration} ns are told");
    let (kind, manifest) = world.minio.object(&format!("recordings/{id}.json"));
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!((kind.as_str(), &manifest["egress_id"]), ("application/json", &json!(id)));
    world.check_hooks();
    assert_nowhere(sidecar.folder(), &[SECRET, KEY]);
    println!(
        "video: start answered in {answered_ms} ms, ACTIVE {:.2} s after the request, media from {:.2} s after it; \
         stop answered in {stop_ms} ms, COMPLETE after {:.2} s",
        to_active.as_secs_f64(),
        media_at - asked_wall,
        to_end.as_secs_f64()
    );
}

#[test]
fn meets_transcript_ends_with_its_room() {
    let mut world = World::new(2);
    let _sidecar = world.sidecar();
    let room = "c0ffee00-9a30-4b5e-8c1d-0c6a4d1f2b3a";
    let people = Publisher::start(Kind::SampleRoom, &world.server, room, 1, &[]);
    let key = "recordings/5d0c7a02-1f0b-4a39-bd0e-3a1c5b7e9f00.ogg";
    let start = world.backend.call("start", world.transcript(room, key));
    let answered_ms = start.ms;
    let id = id_of(&start.ok());
    world.hooks.until(&id, "egress_updated ACTIVE");
    // Everybody leaves; the server closes the room.
    let there = world.ask_room("ListParticipants", room, json!({}));
    for one in there["participants"].as_array().unwrap() {
        // The recorder is listed too; it stays until the room ends.
        if one["identity"] != id.as_str() {
            world.ask_room("RemoveParticipant", room, json!({ "identity": one["identity"] }));
        }
    }
    drop(people);
    world.hooks.until(&id, "egress_ended COMPLETE");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);
    let last = world.listed(&id);
    assert_eq!(last["details"], "End reason: Source closed");
    assert_eq!(last["source_type"].as_u64(), Some(1), "it came by way of the SDK");
    let (kind, bytes) = world.minio.object(key);
    assert_eq!((kind.as_str(), number(&last["file_results"][0]["size"])), ("audio/ogg", bytes.len() as i64));
    let (codecs, seconds) = probe(&bytes);
    assert_eq!(codecs, ["opus"]);
    assert!(seconds > 1.0, "{seconds}");
    world.check_hooks();
    println!("transcript: start answered in {answered_ms} ms");
}

#[test]
fn who_is_told_to_leave_answers_the_stop_saves_the_film_and_tells_everybody_first() {
    let mut world = World::new(20);
    let own = Hooks::start();
    let more = format!("webhooks: {{ urls: ['{}'] }}\n", own.url);
    let mut sidecar = Sidecar::in_place_of_egress_with(&world.server, &world.redis, &more);
    let room = "1eaf0f6e-9a30-4b5e-8c1d-0c6a4d1f2b3a";
    let _people = Publisher::start(Kind::SampleRoom, &world.server, room, 1, &[]);
    let key = "recordings/1eaf2c1a-55b1-4c7e-9a55-6f1f0d9f7c11.mp4";
    let video = world.video(room, key);
    let id = id_of(&world.backend.call("start", video).ok());
    world.hooks.until(&id, "egress_updated ACTIVE");
    std::thread::sleep(Duration::from_secs(2));
    sidecar.signal("TERM");
    // Meet's sequence goes on: the recording runs until it is stopped, as with LiveKit's own egress.
    let began = Instant::now();
    while !sidecar.log().contains("waiting for every recording to end") {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not hear SIGTERM");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(world.active(room), 1, "it goes on");
    assert_eq!(world.stop(&id).ok()["status"].as_u64(), Some(ENDING));
    let left = sidecar.wait(Duration::from_secs(40));
    assert!(left.success(), "{left}");
    let names = own.names(&id);
    assert_eq!(names.last().map(String::as_str), Some("egress_ended COMPLETE"), "{names:?}");
    // Nobody is left to tell anything: what the server has not passed on yet is on its way.
    world.hooks.until(&id, "egress_ended COMPLETE");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);
    assert_eq!(world.listed(&id)["status"].as_u64(), Some(COMPLETE));
    let (kind, bytes) = world.minio.object(key);
    assert_eq!(kind, "video/mp4");
    assert!(probe(&bytes).1 > 2.0);
}

#[test]
fn what_cannot_be_is_refused_at_once_and_leaves_nothing() {
    let mut world = World::new(300);
    let sidecar = world.sidecar();
    let room = "réunion | 42";
    world.server.create_room(room);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut request = world.video(room, "recordings/x.mp4");
        change(&mut request);
        request
    };
    let s3 = |request: &mut Value, name: &str, value: &str| request["file_outputs"][0]["s3"][name] = value.into();
    let cases = [
        ("wrong secret", changed(&|r| s3(r, "secret", "not-the-secret-0123")), "invalid_argument", ""),
        ("wrong access key", changed(&|r| s3(r, "access_key", "nobody-0123")), "invalid_argument", ""),
        ("no such bucket", changed(&|r| s3(r, "bucket", "elsewhere")), "invalid_argument", "elsewhere"),
        ("no bucket", changed(&|r| s3(r, "bucket", "")), "invalid_argument", "bucket"),
        ("nobody at the endpoint", changed(&|r| s3(r, "endpoint", "http://127.0.0.1:9")), "invalid_argument", ""),
        ("no outputs", changed(&|r| r["file_outputs"] = json!([])), "invalid_argument", "output"),
        ("unknown room", changed(&|r| r["room_name"] = "nowhere".into()), "not_found", "room does not exist"),
        ("browser", changed(&|r| r["custom_base_url"] = "https://example.org".into()), "unimplemented", "browser"),
        ("odd width", changed(&|r| r["advanced"] = json!({ "width": 1281 })), "invalid_argument", "width"),
        ("absurd rate", changed(&|r| r["advanced"] = json!({ "framerate": 9999 })), "invalid_argument", "framerate"),
        (
            "both alone",
            changed(&|r| {
                r["audio_only"] = true.into();
                r["video_only"] = true.into();
            }),
            "invalid_argument",
            "audio_only",
        ),
        (
            "two files",
            changed(&|r| {
                let file = r["file_outputs"][0].clone();
                r["file_outputs"].as_array_mut().unwrap().push(file);
            }),
            "invalid_argument",
            "file_outputs",
        ),
    ];
    for (name, request, code, word) in cases {
        let answer = world.backend.call("start", request);
        let ms = answer.ms;
        let refusal = answer.refusal();
        println!("{name}: {code} after {ms} ms: {}", refusal.message);
        assert_eq!(refusal.code, code, "{name}: {refusal:?}");
        assert!(refusal.message.contains(word), "{name}: {refusal:?}");
        for secret in [SECRET, KEY, "not-the-secret-0123"] {
            assert!(!refusal.message.contains(secret), "{name}: {refusal:?}");
        }
        // The server's own tries for a request that nobody takes last twenty seconds.
        assert!(ms < 8000, "{name} took {ms} ms");
    }
    assert_eq!(world.active(room), 0);
    assert_eq!(world.hooks.all().len(), 0, "nobody hears of what never was");

    // A path may not leave the bucket, a layout may be anything.
    let mut request = world.transcript(room, "../../etc/./up/../x.ogg");
    request["layout"] = "mosaic".into();
    let info = world.backend.call("start", request).ok();
    assert_eq!(info["file_results"][0]["filename"], "etc/x.ogg");
    let id = id_of(&info);
    // Stopped before the server has heard that it is active, and most often before it is: the rest is told, in order.
    assert_eq!(world.stop(&id).ok()["status"].as_u64(), Some(ENDING));
    world.hooks.until(&id, "egress_ended COMPLETE");
    let active = |name: &&str| *name == "egress_updated ACTIVE";
    let told: Vec<_> = world.hooks.names(&id).into_iter().filter(|name| !active(&name.as_str())).collect();
    assert_eq!(told, WHOLE_LIFE.into_iter().filter(|name| !active(name)).collect::<Vec<_>>());
    assert_eq!(world.minio.object("etc/x.ogg").0, "audio/ogg");
    assert_nowhere(sidecar.folder(), &[SECRET, KEY, "not-the-secret-0123"]);
}
