//! What goes wrong: links that break, servers that go, rooms that end, and input that makes no sense.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test; figures are printed")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use livekit_api::access_token::VideoGrants;
use serde_json::{Value, json};

use support::content::{Area, Colour, Recording};
use support::proxy::{Proxy, TlsFront};
use support::publisher::{Kind, Publisher};
use support::recorder::Recorder;
use support::server::LiveKit;
use support::sidecar::Sidecar;

/// The first participant's tone, in Hz.
const TONE: u32 = 500;
/// A refusal must come within this time.
const PROMPT: Duration = Duration::from_secs(5);
/// Exit codes: a flag is wrong; it failed.
const USAGE: i32 = 64;
const FAILED: i32 = 1;
/// The one tile of the filmstrip when two are here, in 1280×720.
const TILE: Area = Area::new(0, 270, 320, 180);

fn admin(room: &str) -> VideoGrants {
    VideoGrants { room_admin: true, room_create: true, room: room.into(), ..VideoGrants::default() }
}

/// Seconds between the first and the last beep, and how many there are.
fn beeps(file: &Path) -> (f64, usize) {
    whole_beeps(&Recording::open(file), TONE)
}

/// The same of any tone.
fn whole_beeps(recording: &Recording, tone: u32) -> (f64, usize) {
    let beeps = recording.audio().beeps(tone);
    let span = beeps.last().unwrap_or(&0.0) - beeps.first().unwrap_or(&0.0);
    (span, beeps.len())
}

#[test]
fn a_cut_signalling_link_is_resumed_into_the_same_file() {
    let server = LiveKit::start();
    let proxy = Proxy::start(server.port);
    let _room = Publisher::start(Kind::SampleRoom, &server, "cut", 1, &[]);
    let mut recorder = Recorder::start_at(&proxy.url, &server, "cut", "cut.mp4", &[]);
    recorder.wait_until(4.0);
    proxy.cut(|| {});
    recorder.wait_until(9.0);
    let take = recorder.stop(Vec::new());
    for word in ["connection lost", "connection resumed"] {
        assert!(take.log.contains(word), "{word}: {}", take.log);
    }
    let (span, count) = beeps(&take.file);
    assert!(count >= 7 && (span - (count - 1) as f64).abs() < 0.05, "no beep is missing: {count} in {span} s");
}

#[test]
fn a_server_that_restarts_is_joined_anew_into_the_same_file() {
    let mut server = LiveKit::start();
    let room = Publisher::start(Kind::SampleRoom, &server, "restart", 1, &[]);
    let mut recorder = Recorder::start(&server, "restart", "restart.mp4", &[]);
    recorder.wait_until(4.0);
    drop(room);
    server.restart();
    let _room = Publisher::start(Kind::SampleRoom, &server, "restart", 1, &[]);
    let began = Instant::now();
    while !recorder.log().contains("joined anew") {
        assert!(began.elapsed() < Duration::from_secs(25), "not joined anew");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(4));
    let take = recorder.stop(Vec::new());
    let audio = Recording::open(&take.file).audio();
    let all = audio.beeps(TONE);
    let after = all.iter().filter(|t| **t > audio.duration() - 3.5).count();
    assert!(all.iter().any(|t| *t < 4.0) && after >= 2, "before and after the restart: {all:?}");
}

#[test]
fn a_deleted_room_ends_the_recording() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "deleted", 1, &[]);
    let mut recorder = Recorder::start(&server, "deleted", "deleted.mp4", &[]);
    recorder.wait_until(4.0);
    server.ask("DeleteRoom", admin("deleted"), &json!({ "room": "deleted" }));
    assert_eq!(recorder.wait(10.0).code(), Some(0));
    let take = recorder.take(Vec::new(), support::wall());
    assert!(take.log.contains("the room was deleted"), "{}", take.log);
    assert!(beeps(&take.file).1 >= 2);
}

#[test]
fn a_room_that_is_deleted_while_we_are_cut_off_ends_the_recording() {
    let server = LiveKit::start();
    let proxy = Proxy::start(server.port);
    let _room = Publisher::start(Kind::SampleRoom, &server, "away", 1, &[]);
    let mut recorder = Recorder::start_at(&proxy.url, &server, "away", "away.mp4", &[]);
    recorder.wait_until(4.0);
    proxy.cut(|| {
        server.ask("DeleteRoom", admin("away"), &json!({ "room": "away" }));
    });
    assert_eq!(recorder.wait(10.0).code(), Some(0));
    let take = recorder.take(Vec::new(), support::wall());
    assert!(take.log.contains("the room was deleted or closed"), "{}", take.log);
    assert!(beeps(&take.file).1 >= 2);
}

#[test]
fn a_removed_recorder_finishes_its_file() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "removed", 1, &[]);
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
fn a_private_authority_is_trusted_when_named() {
    let server = LiveKit::start();
    let api = TlsFront::start(server.port);
    let _room = Publisher::start(Kind::SampleRoom, &server, "tls", 1, &[]);
    for options in [vec!["--ca-file", api.ca_file.to_str().unwrap()], vec!["--insecure"]] {
        let take = Recorder::start_at(&api.url, &server, "tls", "tls.ogg", &[&["--audio-only"], &options[..]].concat())
            .run_for(4.0);
        assert!(beeps(&take.file).1 >= 2, "{options:?}");
    }
    let url = ["--url", &api.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    refused(&[&["--room", "tls"], &url[..]].concat(), FAILED, "url: ", "ca_file");
}

#[test]
fn a_camera_that_changes_its_codec_is_seen_again() {
    let server = LiveKit::start();
    let mut room = Publisher::start(Kind::SampleRoom, &server, "codec", 2, &[]);
    let recorder = Recorder::start(&server, "codec", "codec.mp4", &["--layout", "speaker"]);
    // Who spoke before we came is not known: once there, both are heard to begin.
    let speakers = [(0.5, "speak 1"), (2.0, "speak 0")];
    let codecs = [(6.0, "codec 1 h264"), (9.0, "codec 1 vp9"), (12.0, "codec 1 av1"), (15.0, "codec 1 vp8")];
    let take = recorder.play(&mut room, &[&speakers[..], &codecs].concat(), 18.0);
    let recording = Recording::open(&take.file);
    let picture = recording.picture();
    let spans = picture.seen(TILE);
    for time in [5.0, 8.0, 11.0, 14.0, recording.duration - 0.5] {
        assert_eq!(picture.who_is_at(TILE, time), Some(Colour::Green), "at {time} s: {spans:?}");
    }
    let (span, count) = whole_beeps(&recording, Colour::Green.tone().unwrap());
    assert!(count >= 16 && (span - (count - 1) as f64).abs() < 0.05, "Green is heard throughout: {count} in {span} s");
}

#[test]
fn a_track_that_cannot_be_decoded_becomes_a_placeholder() {
    let server = LiveKit::start();
    let mut room = Publisher::start(Kind::SampleRoom, &server, "placeholder", 2, &[]);
    room.tell("speak 0");
    room.tell("codec 1 av1");
    let folder = tempfile::tempdir().unwrap();
    let plugins = gstreamer_without("libgstaom.so", folder.path());
    let registry = folder.path().join("registry");
    let environment = [("GST_PLUGIN_SYSTEM_PATH_1_0", plugins.as_path()), ("GST_REGISTRY", &registry)];
    let options = ["--layout", "speaker"];
    let recorder = Recorder::start_in(&environment, &server.url, &server, "placeholder", "placeholder.mp4", &options);
    let take = recorder.play(&mut room, &[(9.0, "codec 1 vp8")], 13.0);
    assert!(take.log.contains("av1dec"), "the missing decoder is named: {}", take.log);
    let recording = Recording::open(&take.file);
    let (picture, audio) = (recording.picture(), recording.audio());
    let end = recording.duration;
    assert_eq!(picture.black(TILE), [0.0; 0], "a placeholder is not black");
    let colours: Vec<_> = picture.seen(TILE).iter().map(|span| span.colour).collect();
    // Before the roster is known there is nobody; the placeholder is nobody's camera either. Who spoke before we came is not
    // known, so with its first picture the other one may take the stage.
    let seen = [[None, Some(Colour::Green)], [None, Some(Colour::Red)]].iter().any(|wanted| colours == wanted);
    assert!(seen, "{:?}", picture.seen(TILE));
    let on_stage = picture.who_is_at(Area::new(320, 90, 960, 540), end - 1.0);
    assert!(on_stage.is_some() && on_stage != colours[1], "both are seen at last: {on_stage:?}");
    assert_eq!(picture.who_is_at(Area::new(320, 90, 960, 540), end - 6.0), Some(Colour::Red), "others are seen");
    for tone in [TONE, 800] {
        assert!(audio.beeps(tone).len() as f64 >= end - 2.0, "{tone} Hz is heard: {:?}", audio.beeps(tone));
    }
}

#[test]
fn a_killed_recorder_leaves_a_file_that_plays() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "killed", 1, &[]);
    let kinds = [("killed.mp4", &[][..]), ("killed.ogg", &["--audio-only"])];
    let mut recorders = kinds.map(|(name, options)| (name, Recorder::start(&server, "killed", name, options)));
    for (_, recorder) in &mut recorders {
        recorder.wait_until(8.0);
        recorder.kill();
    }
    for (name, recorder) in recorders {
        let part = recorder.output().with_file_name(format!("{name}.part"));
        let recording = Recording::open(&part);
        let (span, count) = whole_beeps(&recording, TONE);
        assert!(count >= 4 && (span - (count - 1) as f64).abs() < 0.05, "{name}: {count} in {span} s");
        if recording.video.is_some() {
            let picture = recording.picture();
            assert!(picture.times().len() >= 4 * 30, "{} pictures", picture.times().len());
            assert_eq!(picture.who_is_at(picture.whole(), 3.0), Some(Colour::Red));
        }
    }
}

/// One person in a room that is seen, and one in a room that is heard.
const ROOMS: [(&str, &str); 2] = [("screen_recording", "seen"), ("transcript", "heard")];

/// A sidecar that records both rooms, once this much is written: the id of each, and who is there.
fn recorded(server: &LiveKit, seconds: f64) -> (Sidecar, [String; 2], [Publisher; 2]) {
    let people = ROOMS.map(|(_, room)| Publisher::start(Kind::SampleRoom, server, room, 1, &[]));
    let sidecar = Sidecar::start(server);
    let recordings = ROOMS.map(|(mode, room)| sidecar.record(room, mode));
    for id in &recordings {
        sidecar.until_recorded(id, seconds);
    }
    (sidecar, recordings, people)
}

#[test]
fn a_killed_sidecar_goes_on_with_its_recordings_at_the_next_start() {
    let server = LiveKit::start();
    let (mut sidecar, recordings, _people) = recorded(&server, 6.0);
    let mut away = Vec::new();
    for recorded in [16.0, 26.0] {
        let killed = Instant::now();
        sidecar.kill_and_restart();
        away.push(killed.elapsed().as_secs_f64());
        for id in &recordings {
            sidecar.until_recorded(id, recorded);
        }
    }
    let elapsed = |item: &Value| item["progress"]["duration"].as_f64().unwrap();
    for ((mode, room), id) in ROOMS.into_iter().zip(recordings) {
        let before = elapsed(&sidecar.until_recorded(&id, 0.1));
        sidecar.stop(room);
        let item = sidecar.until(&id, "saved");
        assert!(item["error"].is_null(), "{item}");
        let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
        assert!(
            recording.duration >= before && recording.duration < before + 3.0,
            "{before} s, then {}",
            recording.duration
        );
        let told = item["duration"].as_f64().unwrap();
        assert!((told - recording.duration).abs() < 0.2, "{told} s of {} s", recording.duration);
        let holes: Vec<(f64, f64)> = item["health"]["holes"]
            .as_array()
            .expect("what is missing is told")
            .iter()
            .filter(|hole| hole["cause"] == "interrupted")
            .map(|hole| (hole["from"].as_f64().unwrap(), hole["to"].as_f64().unwrap()))
            .collect();
        println!("{mode}: away {away:.2?} s, holes {holes:.2?}");
        assert_eq!(holes.len(), 2, "{item}");
        for ((from, to), away) in holes.iter().zip(&away) {
            assert!(to - from < away + 4.0, "{holes:?} for {away:?}");
        }
        recording.lacks_only(TONE, &holes);
        if recording.video.is_some() {
            let picture = recording.picture();
            assert_eq!(picture.who_is_at(picture.whole(), recording.duration - 1.0), Some(Colour::Red));
            assert_eq!(picture.who_is_at(picture.whole(), 3.0), Some(Colour::Red));
        }
    }
}

#[test]
fn a_deploy_suspends_a_recording_and_the_next_version_goes_on_with_it() {
    let server = LiveKit::start();
    let _person = Publisher::start(Kind::SampleRoom, &server, "deploy", 1, &[]);
    let mut sidecar = Sidecar::start_with(&server, &[("GREFFIER_ON_SIGTERM", "suspend")]);
    let id = sidecar.record("deploy", "screen_recording");
    sidecar.until_recorded(&id, 5.0);
    sidecar.signal("TERM");
    let left = Instant::now();
    assert!(sidecar.wait(Duration::from_secs(10)).success());
    println!("left after {:.2} s", left.elapsed().as_secs_f64());
    sidecar.start_again();
    sidecar.until_recorded(&id, 12.0);
    sidecar.stop("deploy");
    let item = sidecar.until(&id, "saved");
    assert!(item["error"].is_null(), "{item}");
    let holes = item["health"]["holes"].as_array().expect("what is missing is told");
    assert!(holes.len() == 1 && holes[0]["cause"] == "interrupted", "{item}");
    let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
    let beeps = recording.audio().beeps(TONE);
    let (from, to) = (holes[0]["from"].as_f64().unwrap(), holes[0]["to"].as_f64().unwrap());
    println!("hole of {:.2} s; {beeps:.1?}", to - from);
    assert!(beeps.iter().filter(|at| **at < from).count() >= 3 && beeps.iter().filter(|at| **at > to).count() >= 3);
}

#[test]
fn what_a_killed_sidecar_recorded_is_finished_when_its_room_is_gone() {
    let server = LiveKit::start();
    let (mut sidecar, recordings, _people) = recorded(&server, 7.0);
    sidecar.kill();
    for (_, room) in ROOMS {
        server.ask("DeleteRoom", admin(room), &json!({ "room": room }));
    }
    sidecar.start_again();
    for ((mode, room), id) in ROOMS.into_iter().zip(recordings) {
        let item = sidecar.until(&id, "saved");
        assert!(item["error"].as_str().is_some_and(|error| error.contains("interrupted")), "{item}");
        let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
        let told = item["duration"].as_f64().expect("the length of an interrupted file is known");
        assert!(told >= 5.0 && (told - recording.duration).abs() < 0.1, "{told} s of {} s", recording.duration);
        let (span, count) = whole_beeps(&recording, TONE);
        assert!(count >= 4 && (span - (count - 1) as f64).abs() < 0.05, "{mode}: {count} in {span} s");
        if let Some(video) = &recording.video {
            assert!(video.is_cfr(30.0), "{:?}", video.times);
            assert_eq!(recording.picture().times().len(), video.times.len());
        }
        let _again = Publisher::start(Kind::SampleRoom, &server, room, 1, &[]);
        let next = sidecar.record(room, mode);
        assert_ne!(next, id, "the room is free again");
    }
}

#[test]
fn a_process_that_stands_still_goes_on_and_says_for_how_long() {
    const STILL: Duration = Duration::from_secs(10);
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "still", 1, &[]);
    let sidecar = Sidecar::start(&server);
    let id = sidecar.record("still", "screen_recording");
    std::thread::sleep(Duration::from_secs(5));
    sidecar.signal_all("STOP");
    std::thread::sleep(STILL);
    sidecar.signal_all("CONT");
    std::thread::sleep(Duration::from_secs(12));
    sidecar.stop("still");
    let item = sidecar.until(&id, "saved");
    let holes = item["health"]["holes"].as_array().expect("what is missing is told");
    let told: f64 = holes.iter().map(|hole| hole["to"].as_f64().unwrap() - hole["from"].as_f64().unwrap()).sum();
    let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
    assert!(recording.duration > 24.0, "time went on: {} s", recording.duration);
    assert!(holes.iter().any(|hole| hole["cause"] == "frozen"), "{holes:?}");
    let beeps = recording.audio().beeps(TONE);
    let ends = beeps.iter().copied().chain([recording.duration]);
    let missing = ends.scan(0.0, |last, at| Some(at - std::mem::replace(last, at))).fold(0.0, f64::max);
    println!("{told:.1} s told, {missing:.1} s without a beep: {} {beeps:.1?}", item["health"]);
    // A beep is heard each second: what is missing is up to two seconds less than the time between two of them.
    assert!((missing - 2.2..missing + 0.3).contains(&told), "{told} s told, {missing} s without a beep: {beeps:?}");
    assert!(beeps.iter().filter(|at| **at > recording.duration - 6.0).count() >= 4, "it goes on: {beeps:?}");
    assert!(item["health"]["summary"].as_str().is_some_and(|words| words.contains("are missing")), "{item}");
}

#[test]
fn bad_input_is_refused_in_one_line_that_names_the_field() {
    let server = LiveKit::start();
    server.create_room("here");
    let key = ["--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let at = ["--url", &server.url];
    let here = ["--room", "here"];
    let good = [&at[..], &key[..], &here].concat();
    let and = |more: &[&'static str]| [&good[..], more].concat();
    let to = |url: &'static str| [&key[..], &here, &["--url", url]].concat();
    for (arguments, field, hint) in [
        ([&at[..], &key[..], &["--room", ""]].concat(), "room: ", "is empty"),
        ([&key[..], &here].concat(), "url: ", "ws://"),
        ([&at[..], &here].concat(), "api_key: ", "--api-key"),
        (to("localhost:7880"), "url: ", "ws://"),
        (and(&["--ca-file", "/nowhere/ca.pem"]), "ca_file: ", "/nowhere/ca.pem"),
        (and(&["--layout", "mosaic"]), "layout: ", "speaker"),
        (and(&["--width", "1281"]), "width: ", "1280"),
        (and(&["--height", "8"]), "height: ", "64 to 4096"),
        (and(&["--framerate", "0"]), "framerate: ", "1 to 60"),
        (and(&["--video-bitrate", "9000000"]), "video_bitrate: ", "kbit/s"),
        (and(&["--duration", "soon"]), "duration: ", "30m"),
    ] {
        refused(&arguments, USAGE, field, hint);
    }
    refused_into("x.ogg", &good, USAGE, "output: ", "--audio-only");
    refused_into("x.wav", &and(&["--audio-only"]), USAGE, "output: ", ".ogg or .mp4");
    refused_into("x.ogg", &and(&["--video-only"]), USAGE, "output: ", ".mp4");
    // What only the server can tell.
    let wrong = ["--api-key", &server.api_key, "--api-secret", "wrong"];
    refused(&[&at[..], &wrong, &here].concat(), FAILED, "api_key/api_secret: ", "refuses");
    refused(&[&at[..], &key[..], &["--room", "nowhere"]].concat(), FAILED, "room: ", "does not exist");
    refused(&to("ws://127.0.0.1:1"), FAILED, "url: ", "cannot reach");
    refused(&to("ws://nowhere.invalid"), FAILED, "url: ", "nowhere.invalid");
    // A server that accepts and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["ws", "wss"] {
        let url = format!("{scheme}://{}", silent.local_addr().unwrap());
        refused(&[&key[..], &here, &["--url", &url]].concat(), FAILED, "url: ", "127.0.0.1");
    }
}

#[test]
fn an_unwritable_folder_is_said_before_anything_starts() {
    let server = LiveKit::start();
    server.create_room("here");
    let arguments = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let output = greffier(&[&arguments[..], &["--room", "here", "--output", "/proc/nowhere/x.mp4"]].concat(), &[]);
    is_refusal(&output, USAGE, "output: ", "/proc/nowhere");
}

#[test]
fn a_missing_gstreamer_element_is_named_with_its_package() {
    let server = LiveKit::start();
    server.create_room("here");
    let folder = tempfile::tempdir().unwrap();
    let (plugins, registry) = (folder.path().join("plugins"), folder.path().join("registry"));
    let file = folder.path().join("x.mp4");
    let arguments = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let rest = ["--room", "here", "--output", file.to_str().unwrap()];
    let nothing = [("GST_PLUGIN_SYSTEM_PATH_1_0", plugins.as_path()), ("GST_REGISTRY", &registry)];
    let output = greffier(&[&arguments[..], &rest].concat(), &nothing);
    is_refusal(&output, FAILED, "GStreamer element", "gstreamer1.0-");
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.iter().all(|path| *path == registry), "{left:?}");
}

/// Runs `greffier record` with these arguments into a file of its own; expects a refusal, and nothing left behind.
fn refused(arguments: &[&str], code: i32, field: &str, hint: &str) {
    refused_into("x.mp4", arguments, code, field, hint);
}

/// The same, into a file of this name.
fn refused_into(name: &str, arguments: &[&str], code: i32, field: &str, hint: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    let output = greffier(&[arguments, &["--output", file.to_str().unwrap()]].concat(), &[]);
    is_refusal(&output, code, field, hint);
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?} behind");
}

/// A folder with every installed GStreamer plugin but one.
fn gstreamer_without(plugin: &str, folder: &Path) -> PathBuf {
    let requested = Command::new("pkg-config").args(["--variable=pluginsdir", "gstreamer-1.0"]).output();
    let installed = String::from_utf8(requested.expect("pkg-config is installed").stdout).unwrap();
    let plugins = folder.join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let all = Path::new(installed.trim()).read_dir().expect("the folder of the plugins").map(Result::unwrap);
    for file in all.filter(|file| file.file_type().unwrap().is_file() && file.file_name() != plugin) {
        std::os::unix::fs::symlink(file.path(), plugins.join(file.file_name())).unwrap();
    }
    plugins
}

fn greffier(arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_greffier"))
        .arg("record")
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the binary under test");
    assert!(began.elapsed() < PROMPT, "{arguments:?} took {:?}", began.elapsed());
    output
}

/// One line that begins with the field, and an exit code that says whose fault it is.
fn is_refusal(output: &Output, code: i32, field: &str, hint: &str) {
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{field}: {words}");
    let [line] = words.lines().collect::<Vec<_>>()[..] else { panic!("{field}: not one line: {words}") };
    assert!(line.starts_with(&format!("greffier: {field}")), "no {field:?} in {line:?}");
    assert!(line.contains(hint), "no {hint:?} in {line:?}");
    assert!(!words.contains("thirty-two letters"), "the secret is printed: {words}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}
