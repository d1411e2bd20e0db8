//! What goes wrong: links that break, servers that go, rooms that end, and input that makes no sense.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use livekit_api::access_token::VideoGrants;
use serde_json::json;

use support::content::Recording;
use support::proxy::{Proxy, TlsDoor};
use support::publisher::{Kind, Publisher};
use support::recorder::Recorder;
use support::server::LiveKit;

/// The first participant's tone, in Hz.
const TONE: u32 = 500;

fn admin(room: &str) -> VideoGrants {
    VideoGrants { room_admin: true, room_create: true, room: room.into(), ..VideoGrants::default() }
}

/// Seconds between the first and the last beep, and how many there are.
fn beeps(file: &Path) -> (f64, usize) {
    let beeps = Recording::open(file).sound().beeps(TONE);
    let span = beeps.last().unwrap_or(&0.0) - beeps.first().unwrap_or(&0.0);
    (span, beeps.len())
}

#[test]
fn a_cut_signalling_link_is_resumed_into_the_same_file() {
    let server = LiveKit::start();
    let proxy = Proxy::start(server.port);
    let _room = Publisher::start(Kind::SampleRoom, &server, "cut", 1, &["--content", "beep"]);
    let mut recorder = Recorder::start_at(&proxy.url, &server, "cut", "cut.mp4", &[]);
    recorder.wait_until(4.0);
    proxy.cut();
    recorder.wait_until(9.0);
    let take = recorder.stop(Vec::new());
    assert!(take.log.contains("resumed"), "{}", take.log);
    let (span, count) = beeps(&take.file);
    assert!(count >= 7 && (span - (count - 1) as f64).abs() < 0.05, "no beep is missing: {count} in {span} s");
}

#[test]
fn a_server_that_restarts_is_joined_anew_into_the_same_file() {
    let mut server = LiveKit::start();
    let room = Publisher::start(Kind::SampleRoom, &server, "restart", 1, &["--content", "beep"]);
    let mut recorder = Recorder::start(&server, "restart", "restart.mp4", &[]);
    recorder.wait_until(4.0);
    drop(room);
    server.restart();
    let _room = Publisher::start(Kind::SampleRoom, &server, "restart", 1, &["--content", "beep"]);
    let began = Instant::now();
    while !recorder.log().contains("joined anew") {
        assert!(began.elapsed() < Duration::from_secs(25), "not joined anew");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(4));
    let take = recorder.stop(Vec::new());
    let sound = Recording::open(&take.file).sound();
    let all = sound.beeps(TONE);
    let after = all.iter().filter(|t| **t > sound.duration() - 3.5).count();
    assert!(all.iter().any(|t| *t < 4.0) && after >= 2, "before and after the restart: {all:?}");
}

#[test]
fn a_deleted_room_ends_the_recording() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "deleted", 1, &["--content", "beep"]);
    let mut recorder = Recorder::start(&server, "deleted", "deleted.mp4", &[]);
    recorder.wait_until(4.0);
    server.ask("DeleteRoom", admin("deleted"), &json!({ "room": "deleted" }));
    assert_eq!(recorder.wait(10.0).code(), Some(0));
    let take = recorder.take(Vec::new(), support::wall());
    assert!(take.log.contains("the room was deleted"), "{}", take.log);
    assert!(beeps(&take.file).1 >= 2);
}

#[test]
fn a_removed_recorder_finishes_its_file() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "removed", 1, &["--content", "beep"]);
    let mut recorder = Recorder::start(&server, "removed", "removed.mp4", &[]);
    recorder.wait_until(4.0);
    let people = server.ask("ListParticipants", admin("removed"), &json!({ "room": "removed" }));
    let hidden = people["participants"].as_array().and_then(|all| all.iter().find(|p| p["kind"] == "EGRESS"));
    let identity = hidden.expect("the recorder is of kind egress")["identity"].clone();
    server.ask("RemoveParticipant", admin("removed"), &json!({ "room": "removed", "identity": identity }));
    assert_eq!(recorder.wait(10.0).code(), Some(0));
    let take = recorder.take(Vec::new(), support::wall());
    assert!(take.log.contains("removed from the room"), "{}", take.log);
    assert!(beeps(&take.file).1 >= 2);
}

#[test]
fn a_server_that_is_gone_leaves_a_file_and_a_reason() {
    let mut server = LiveKit::start();
    let room = Publisher::start(Kind::SampleRoom, &server, "gone", 1, &["--content", "beep"]);
    let mut recorder = Recorder::start(&server, "gone", "gone.mp4", &[]);
    recorder.wait_until(4.0);
    server.kill();
    drop(room);
    assert_eq!(recorder.wait(60.0).code(), Some(3), "what was recorded is kept, but it broke");
    let take = recorder.take(Vec::new(), support::wall());
    assert!(take.log.contains("the server is gone"), "{}", take.log);
    assert!(beeps(&take.file).1 >= 2);
}

#[test]
fn a_private_authority_is_trusted_when_named() {
    let server = LiveKit::start();
    let door = TlsDoor::start(server.port);
    let _room = Publisher::start(Kind::SampleRoom, &server, "tls", 1, &["--content", "beep"]);
    for options in [vec!["--ca-file", door.ca_file.to_str().unwrap()], vec!["--insecure"]] {
        let take =
            Recorder::start_at(&door.url, &server, "tls", "tls.ogg", &[&["--audio-only"], &options[..]].concat())
                .run_for(4.0);
        assert!(beeps(&take.file).1 >= 2, "{options:?}");
    }
    let url = ["--url", &door.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    refused(&[&["--room", "tls"], &url[..]].concat(), "url: ", "ca_file");
}

#[test]
fn bad_input_is_refused_in_one_line_that_names_the_field() {
    let server = LiveKit::start();
    server.create_room("here");
    let key = ["--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let at = ["--url", &server.url];
    let good = [&at[..], &key[..], &["--room", "here"]].concat();
    refused(
        &[&at[..], &["--api-key", &server.api_key, "--api-secret", "wrong", "--room", "here"]].concat(),
        "api_key/api_secret: ",
        "refuses",
    );
    refused(&[&at[..], &key[..], &["--room", "nowhere"]].concat(), "room: ", "does not exist");
    refused(&[&at[..], &key[..], &["--room", ""]].concat(), "room: ", "is empty");
    refused(&[&key[..], &["--room", "here", "--url", "ws://127.0.0.1:1"]].concat(), "url: ", "cannot reach");
    // A server that accepts and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    refused(&[&key[..], &["--room", "here", "--url", &url]].concat(), "url: ", &url);
    refused(&[&key[..], &["--room", "here", "--url", "localhost:7880"]].concat(), "url: ", "ws://");
    refused(&[&good[..], &["--width", "1281"]].concat(), "width: ", "1280");
    refused(&[&good[..], &["--height", "8"]].concat(), "height: ", "64 to 4096");
    refused(&[&good[..], &["--framerate", "0"]].concat(), "framerate: ", "1 to 60");
    refused(&[&good[..], &["--video-bitrate", "9000000"]].concat(), "video_bitrate: ", "kbit/s");
    refused(&[&good[..], &["--duration", "soon"]].concat(), "--duration", "30m");
    refused(&[&good[..], &["--audio-only"]].concat(), "output: ", ".ogg");
}

#[test]
fn an_unwritable_folder_is_said_before_anything_starts() {
    let server = LiveKit::start();
    server.create_room("here");
    let arguments = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let output = greffier(&[&arguments[..], &["--room", "here", "--output", "/proc/nowhere/x.mp4"]].concat(), &[]);
    is_refusal(&output, "output: ", "/proc/nowhere");
}

#[test]
fn a_missing_gstreamer_element_is_named_with_its_package() {
    let server = LiveKit::start();
    server.create_room("here");
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    let file = folder.path().join("x.mp4");
    let arguments = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let rest = ["--room", "here", "--output", file.to_str().unwrap()];
    let nothing = [("GST_PLUGIN_SYSTEM_PATH_1_0", folder.path()), ("GST_REGISTRY", &registry)];
    let output = greffier(&[&arguments[..], &rest].concat(), &nothing);
    is_refusal(&output, "GStreamer element", "gstreamer1.0-");
    assert!(!file.exists());
}

/// Runs `greffier record` with these arguments into a file of its own; expects a refusal, and nothing left behind.
fn refused(arguments: &[&str], field: &str, hint: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.mp4");
    let output = greffier(&[arguments, &["--output", file.to_str().unwrap()]].concat(), &[]);
    is_refusal(&output, field, hint);
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?} behind");
}

fn greffier(arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_greffier"))
        .arg("record")
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the binary under test");
    assert!(began.elapsed() < Duration::from_secs(15), "{arguments:?} took {:?}", began.elapsed());
    output
}

fn is_refusal(output: &Output, field: &str, hint: &str) {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{field}: accepted: {words}");
    let line = words.lines().find(|line| line.contains(field)).unwrap_or_else(|| panic!("no {field:?} in {words:?}"));
    assert!(line.contains(hint), "no {hint:?} in {line:?}");
    assert!(!words.contains("panicked") && !words.contains("thirty-two letters"), "{words}");
}
