//! Each recording is a process of its own: what it may do, and what becomes of a recording whose process dies, hangs or grows.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test; figures are printed")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::content::{Colour, Recording};
use support::publisher::{Kind, Publisher};
use support::server::LiveKit;
use support::sidecar::Sidecar;

/// The first participant's tone, in Hz.
const TONE: u32 = 500;
/// What no variable of a recorder's environment may be called.
const FORBIDDEN: [&str; 3] = ["SECRET", "LIVEKIT", "S3_"];

/// The one that has the recording's file open.
fn worker_of(sidecar: &Sidecar, id: &str) -> u32 {
    sidecar.worker_of(id).expect("a process has the recording's file open")
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

/// The holes that are declared, in seconds.
fn holes(item: &Value) -> Vec<(f64, f64)> {
    let holes = item["health"]["holes"].as_array().expect("what is missing is declared");
    assert!(holes.iter().all(|hole| hole["cause"] == "interrupted"), "{item}");
    holes.iter().map(|hole| (hole["from"].as_f64().unwrap(), hole["to"].as_f64().unwrap())).collect()
}

#[test]
fn a_recorder_that_is_killed_or_hangs_is_replaced_and_the_file_goes_on() {
    let server = LiveKit::start();
    let rooms = [("screen_recording", "seen"), ("transcript", "heard")];
    let _people = rooms.map(|(_, room)| Publisher::start(Kind::SampleRoom, &server, room, 1, &[]));
    let sidecar = Sidecar::start(&server);
    let recordings = rooms.map(|(mode, room)| sidecar.record(room, mode));
    recordings.iter().for_each(|id| drop(sidecar.until_recorded(id, 6.0)));
    for (recorded, name) in [(14.0, "KILL"), (28.0, "STOP")] {
        for id in &recordings {
            signal(worker_of(&sidecar, id), name);
        }
        recordings.iter().for_each(|id| drop(sidecar.until_recorded(id, recorded)));
    }
    for ((mode, room), id) in rooms.into_iter().zip(&recordings) {
        sidecar.stop(room);
        let item = sidecar.until(id, "saved");
        assert!(item["error"].is_null(), "{item}");
        let holes = holes(&item);
        let lengths: Vec<f64> = holes.iter().map(|(from, to)| to - from).collect();
        println!("{mode}: holes of {lengths:.2?} s");
        assert_eq!(holes.len(), 2, "{item}");
        let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
        let reported = item["duration"].as_f64().unwrap();
        assert!((reported - recording.duration).abs() < 0.2, "{reported} s of {} s", recording.duration);
        recording.lacks_only(TONE, &holes);
        if recording.video.is_some() {
            let picture = recording.picture();
            assert_eq!(picture.who_is_at(picture.whole(), recording.duration - 1.0), Some(Colour::Red));
        }
    }
    assert!(sidecar.log().contains("a recorder died; another one goes on"), "{}", sidecar.log());
}

/// What ends recorders is not in reach of a test: this one kills them whenever the track comes.
#[test]
fn a_track_that_ends_three_recorders_is_left_out_and_the_others_go_on() {
    let server = LiveKit::start();
    let _people = Publisher::start(Kind::SampleRoom, &server, "poison", 2, &[]);
    let sidecar = Sidecar::start_with(&server, &[("GREFFIER_LOGGING_LEVEL", "debug")]);
    let id = sidecar.record("poison", "transcript");
    sidecar.until_recorded(&id, 4.0);
    let given = |log: &str| -> Vec<String> {
        let tracks = log.lines().filter(|line| line.contains("a recorder is given a track"));
        tracks.map(|line| line.rsplit("track=").next().unwrap().to_owned()).collect()
    };
    let poison = given(&sidecar.log()).swap_remove(0);
    // An accident first: what has been decoded for long is not suspected.
    for deaths in 1..=4 {
        sidecar.until_logged(|log| given(log).iter().filter(|track| **track == poison).count() >= deaths);
        signal(worker_of(&sidecar, &id), "KILL");
    }
    sidecar.until_logged(|log| log.contains("this track is not recorded any more"));
    sidecar.until_recorded(&id, 15.0);
    sidecar.stop("poison");
    let item = sidecar.until(&id, "saved");
    assert!(item["error"].is_null(), "{item}");
    assert!(item["health"]["interruptions"].as_u64() >= Some(1), "{item}");
    assert!(!holes(&item).is_empty());
    let [flaw] = &item["health"]["tracks"].as_array().unwrap()[..] else { panic!("one track is left out: {item}") };
    assert_eq!(flaw["track"], poison.as_str());
    assert_eq!((&flaw["reason"], &flaw["recovered"]), (&"its packets ended several recorders".into(), &false.into()));
    let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
    let audio = recording.audio();
    let heard = [Colour::Red, Colour::Green].map(|who| audio.beeps(who.tone().unwrap()));
    let lately = heard.map(|beeps| beeps.iter().filter(|at| **at > recording.duration - 4.0).count());
    assert!(
        lately.contains(&0) && lately.iter().sum::<usize>() >= 3,
        "one is left out, the other is heard: {lately:?}"
    );
}

#[test]
fn a_recorder_that_dies_while_it_finishes_its_file_is_replaced() {
    let server = LiveKit::start();
    let _person = Publisher::start(Kind::SampleRoom, &server, "end", 1, &[]);
    let sidecar = Sidecar::start(&server);
    let id = sidecar.record("end", "screen_recording");
    sidecar.until_recorded(&id, 5.0);
    let worker = worker_of(&sidecar, &id);
    // It cannot finish before it is killed.
    signal(worker, "STOP");
    sidecar.stop("end");
    signal(worker, "KILL");
    let item = sidecar.until(&id, "saved");
    let recording = Recording::open(Path::new(item["path"].as_str().unwrap()));
    let reported = item["duration"].as_f64().unwrap();
    assert!((reported - recording.duration).abs() < 0.2, "{reported} s of {} s", recording.duration);
    assert!(recording.duration > 3.0, "{}", recording.duration);
    let (from, to) = *holes(&item).last().expect("its end is missing, and that is declared");
    assert!((from - recording.duration).abs() < 1.0 && to > from, "{from} to {to} of {} s", recording.duration);
}

#[test]
fn a_recorder_knows_no_key_may_start_nothing_and_ends_with_the_sidecar() {
    let server = LiveKit::start();
    let _person = Publisher::start(Kind::SampleRoom, &server, "alone", 1, &[]);
    let mut sidecar = Sidecar::start(&server);
    let id = sidecar.record("alone", "transcript");
    sidecar.until_recorded(&id, 2.0);
    let worker = worker_of(&sidecar, &id);
    let environment = fs::read_to_string(format!("/proc/{worker}/environ")).unwrap();
    for word in FORBIDDEN {
        assert!(!environment.contains(word), "{environment}");
    }
    let command = fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
    assert!(!command.contains("secret"), "{command}");
    let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), (Some("1"), Some("2")), "{status}");
    // All of its threads, those of GStreamer too.
    for thread in fs::read_dir(format!("/proc/{worker}/task")).unwrap().flatten() {
        let status = fs::read_to_string(thread.path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
    }
    assert!(!sidecar.log().contains("landlock") && !sidecar.log().contains("seccomp"), "{}", sidecar.log());
    let all = sidecar.workers();
    assert!(all.len() >= 2, "one records, one is spare: {all:?}");
    sidecar.kill();
    let gone = |pid: &u32| !Path::new(&format!("/proc/{pid}")).exists() || is_zombie(*pid);
    let began = Instant::now();
    while !all.iter().all(gone) {
        assert!(began.elapsed() < Duration::from_secs(10), "the recorders outlive the sidecar: {all:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
