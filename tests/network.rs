//! A network that goes wrong between the recorder and its server: the meeting is kept, and what is missing is reported.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::time::{Duration, Instant};

use support::content::Recording;
use support::network::Network;
use support::publisher::{Kind, Publisher};
use support::recorder::{Recorder, Take};
use support::server::LiveKit;

/// The first participant's tone, in Hz.
const TONE: u32 = 500;
/// Audio is back well before this; how soon is printed, not judged.
const BACK: Duration = Duration::from_secs(15);

/// A room with one person, and a recorder behind the network.
fn start(server: &LiveKit, room: &str) -> (Network, Publisher, Recorder) {
    let network = Network::start(server.port, server.udp, 7);
    let publisher = Publisher::start(Kind::SampleRoom, server, room, 1, &[]);
    let options = ["--audio-only"];
    let mut recorder = Recorder::start_at(&network.url, server, room, &format!("{room}.ogg"), &options);
    until(&mut recorder, "recording room", Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(3));
    (network, publisher, recorder)
}

/// Waits until the log has these words.
fn until(recorder: &mut Recorder, words: &str, most: Duration) {
    let began = Instant::now();
    loop {
        let log = recorder.log();
        if log.contains(words) {
            return;
        }
        assert!(began.elapsed() < most, "{words:?} within {most:?}: {log}");
        recorder.wait_until(0.0);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The beeps of the file: seconds.
fn beeps(take: &Take) -> Vec<f64> {
    Recording::open(&take.file).audio().beeps(TONE)
}

/// Cuts datagrams for `cut`; audio goes on afterwards, and the hole is told as long as it is.
fn cut_media(room: &str, up: bool, down: bool, cut: Duration) {
    let server = LiveKit::beside_others();
    let (network, _publisher, mut recorder) = start(&server, room);
    network.media(!up, !down);
    std::thread::sleep(cut);
    network.media(true, true);
    audio_goes_on(room, recorder_after(&mut recorder, BACK), recorder);
}

/// Lets it record for so long; seconds it took.
fn recorder_after(recorder: &mut Recorder, time: Duration) -> f64 {
    let began = Instant::now();
    recorder.wait_until(0.0);
    std::thread::sleep(time);
    began.elapsed().as_secs_f64()
}

/// Stops the recorder, for which there has been a way again for `since` seconds, and judges its file.
fn audio_goes_on(room: &str, since: f64, recorder: Recorder) {
    let take = recorder.stop(Vec::new());
    let (beeps, end) = (beeps(&take), Recording::open(&take.file).duration);
    // One a second: the first one after the path is up to a second late by itself.
    let back = beeps.iter().find(|t| **t > end - since).map(|t| t - (end - since));
    let told = take.log.lines().find(|line| line.starts_with("not everything was recorded")).unwrap_or_default();
    eprintln!("{room}: the first beep {back:.2?} s after the path; {told}");
    assert!(beeps.first().is_some_and(|t| *t < 3.0), "before the cut: {beeps:?}");
    let after = beeps.iter().filter(|t| **t > end - 5.5).count();
    assert!(after >= 5, "after the cut: {beeps:?} of {end} s: {}", take.log);
    let gap = beeps.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(gap < 2.5 || told.contains("no media path"), "{gap} s without a word: {}", take.log);
}

#[test]
fn a_cut_of_three_seconds_both_ways_is_over_when_the_path_is_back() {
    cut_media("three", true, true, Duration::from_secs(3));
}

#[test]
fn a_cut_of_fourteen_seconds_both_ways_is_over_when_the_path_is_back() {
    // Not a length at which a hole that lasts is told of.
    cut_media("fourteen", true, true, Duration::from_secs(14));
}

#[test]
fn a_cut_of_forty_seconds_both_ways_is_over_when_the_path_is_back() {
    cut_media("forty", true, true, Duration::from_secs(40));
}

#[test]
fn datagrams_that_reach_us_no_more_end_nothing() {
    cut_media("deaf", false, true, Duration::from_secs(25));
}

#[test]
fn datagrams_that_reach_the_server_no_more_end_nothing() {
    cut_media("dumb", true, false, Duration::from_secs(10));
}

#[test]
fn a_server_that_has_given_up_udp_is_told_that_it_is_back() {
    // Longer than the 15 s after which the server ends the session, and names no UDP address to the next one.
    cut_media("given-up", true, false, Duration::from_secs(22));
}

#[test]
fn a_path_that_comes_back_for_a_moment_is_no_end() {
    let server = LiveKit::start();
    let (network, _publisher, mut recorder) = start(&server, "moment");
    for (seconds, passes) in [(18, false), (1, true), (8, false), (2, true), (6, false)] {
        network.media(passes, passes);
        std::thread::sleep(Duration::from_secs(seconds));
    }
    network.media(true, true);
    audio_goes_on("moment", recorder_after(&mut recorder, BACK), recorder);
}

#[test]
fn a_cable_that_is_out_for_half_a_minute_ends_nothing() {
    let server = LiveKit::start();
    let (network, _publisher, mut recorder) = start(&server, "cable");
    network.cable(false);
    std::thread::sleep(Duration::from_secs(30));
    network.cable(true);
    audio_goes_on("cable", recorder_after(&mut recorder, BACK), recorder);
}

#[test]
fn where_no_datagram_passes_tcp_carries_the_meeting() {
    let server = LiveKit::start_over_tcp();
    let network = Network::start(server.port, server.udp, 7);
    network.media(false, false);
    let _publisher = Publisher::start(Kind::SampleRoom, &server, "walled-tcp", 1, &[]);
    let mut recorder = Recorder::start_at(&network.url, &server, "walled-tcp", "walled-tcp.ogg", &["--audio-only"]);
    until(&mut recorder, "recording room", Duration::from_secs(10));
    audio_goes_on("walled-tcp", recorder_after(&mut recorder, Duration::from_secs(8)), recorder);
}

#[test]
fn when_datagrams_end_in_the_middle_tcp_carries_the_rest() {
    let server = LiveKit::start_over_tcp();
    let (network, _publisher, mut recorder) = start(&server, "drained");
    network.media(false, false);
    audio_goes_on("drained", recorder_after(&mut recorder, BACK), recorder);
}

#[test]
fn a_room_without_a_way_for_media_is_not_recorded() {
    let server = LiveKit::beside_others();
    let network = Network::start(server.port, server.udp, 7);
    network.media(false, false);
    let _publisher = Publisher::start(Kind::SampleRoom, &server, "walled", 1, &[]);
    let began = Instant::now();
    let mut recorder = Recorder::start_at(&network.url, &server, "walled", "walled.mp4", &[]);
    assert_eq!(recorder.wait(8.0).code(), Some(1));
    let log = recorder.log();
    let named = ["UDP from 127.0.0.1:", "rtc.tcp_port", "TURN"].iter().all(|word| log.contains(word));
    assert!(named && !log.contains("recording room"), "{:?}: {log}", began.elapsed());
}

#[test]
fn an_empty_room_is_recorded() {
    let server = LiveKit::beside_others();
    server.create_room("empty");
    let take = Recorder::start(&server, "empty", "empty.ogg", &["--audio-only"]).run_for(4.0);
    assert!(take.log.contains("recording room"), "{}", take.log);
}

#[test]
fn a_server_that_is_gone_leaves_a_file_and_a_reason() {
    let mut server = LiveKit::beside_others();
    let room = Publisher::start(Kind::SampleRoom, &server, "gone", 1, &[]);
    let mut recorder = Recorder::start(&server, "gone", "gone.mp4", &[]);
    recorder.wait_until(4.0);
    server.kill();
    drop(room);
    assert_eq!(recorder.wait(90.0).code(), Some(3), "what was recorded is kept, but it broke");
    let take = recorder.take(Vec::new(), support::wall());
    assert!(take.log.contains("the server is gone"), "{}", take.log);
    assert!(beeps(&take).len() >= 2);
}

#[test]
fn signalling_may_be_away_as_long_as_media_flows() {
    let server = LiveKit::beside_others();
    let (network, _publisher, mut recorder) = start(&server, "signal");
    network.signalling(false);
    std::thread::sleep(Duration::from_secs(70));
    network.signalling(true);
    until(&mut recorder, "connection resumed", Duration::from_secs(5));
    std::thread::sleep(Duration::from_secs(3));
    let take = recorder.stop(Vec::new());
    let beeps = beeps(&take);
    let span = beeps.last().unwrap() - beeps.first().unwrap();
    assert!(beeps.len() >= 74 && (span - (beeps.len() - 1) as f64).abs() < 0.05, "{} in {span} s", beeps.len());
}
