//! What ends a recording by itself, and what changes it from outside: a real room on a real server, the recorder as a library.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use greffier::control::new_id;
use greffier::error::ErrorKind;
use greffier::ids::RecordingId;
use greffier::livekit::Server;
use greffier::recorder::{Job, Progress, Recorder};
use greffier::recording::{Limit, Limits, Output, Report, Request, VideoSettings};
use greffier::scene::Layout;
use greffier::secret::Secret;
use livekit_api::access_token::VideoGrants;
use support::content::{Area, Colour, Recording};
use support::publisher::{Kind, Publisher};
use support::server::LiveKit;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Something that is to happen has not happened by then.
const NEVER: Duration = Duration::from_secs(40);
const SECOND: u64 = 1_000_000_000;

/// A recorder at work.
struct Rig {
    id: RecordingId,
    recorder: Recorder,
    reports: UnboundedReceiver<(RecordingId, Report)>,
    path: PathBuf,
    _folder: TempDir,
}

impl Rig {
    fn start(server: &LiveKit, room: &str, output: Output, limits: Limits) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(format!("film.{}", output.container().extension()));
        let (id, room) = (new_id(), room.to_owned());
        let (sender, reports) = unbounded_channel();
        let api_secret = Secret::new(server.api_secret.as_str());
        let (url, api_key) = (server.url.clone(), server.api_key.clone());
        let server = Server { url, api_key, api_secret, ca_file: None, insecure: false };
        let job = Job::new(id.clone(), Request { room, output, limits }, server.access(), path.clone());
        let recorder = Recorder::start(job, sender);
        Self { id, recorder, reports, path, _folder: folder }
    }

    async fn next(&mut self) -> Report {
        let next = tokio::time::timeout(NEVER, self.reports.recv()).await;
        next.expect("another report in time").expect("a recorder ends with its last word").1
    }

    /// Joined, and media flows.
    async fn begun(&mut self) {
        assert_eq!(self.next().await, Report::Joined);
        assert_eq!(self.next().await, Report::MediaFlowing);
    }

    /// Everything until the file is whole, which is taken off: what was told before, nanoseconds and bytes.
    async fn finished(&mut self) -> (Vec<Report>, u64, u64) {
        let mut told = Vec::new();
        loop {
            let next = self.next().await;
            if let Report::Drained { bytes, duration_ns } = next {
                return (told, duration_ns, bytes);
            }
            told.push(next);
        }
    }

    async fn until(&self, what: &str, reached: impl FnMut(&Progress) -> bool) -> Progress {
        let mut progress = self.recorder.progress();
        let reached = tokio::time::timeout(NEVER, progress.wait_for(reached)).await;
        reached.unwrap_or_else(|_| panic!("never: {what}")).expect("the recorder goes on").clone()
    }

    async fn people(&self, count: usize) {
        self.until(&format!("{count} people"), |progress| progress.participants == count).await;
    }

    /// Waits until this much more has been written; seconds of media then.
    async fn record(&self, seconds: u64) -> f64 {
        let now = self.recorder.progress().borrow().duration_ns;
        let then = now + seconds * SECOND;
        let progress = self.until("more media", |progress| progress.duration_ns >= then).await;
        progress.duration_ns as f64 / SECOND as f64
    }
}

fn film(layout: &str, bitrate: u32) -> Output {
    Output::mp4(VideoSettings { bitrate, ..VideoSettings::preset(Layout::from_name(layout)) }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_long_recording_is_announced_and_comes() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "long", 1, &[]);
    let limits = Limits {
        max_duration: Some(Duration::from_secs(5)),
        warning: Some(Duration::from_secs(2)),
        ..Limits::default()
    };
    let mut rig = Rig::start(&server, "long", film("speaker", 1000), limits);
    rig.begun().await;
    let room = rig.until("the room's sid", |progress| progress.room_id.is_some()).await.room_id.unwrap();
    assert!(room.starts_with("RM_"), "{room}");
    assert_eq!(rig.next().await, Report::LimitNear(Limit::Duration));
    let written = rig.recorder.progress().borrow().duration_ns;
    assert!(written < 4 * SECOND, "told {written} ns into the file");
    let (told, duration_ns, _) = rig.finished().await;
    assert_eq!(told, [Report::LimitHit(Limit::Duration)]);
    let length = Recording::open(&rig.path).duration;
    println!("{length} s, {duration_ns} ns told");
    assert!((length - 5.0).abs() <= 0.1, "{length} s");
    assert!(duration_ns.abs_diff(5 * SECOND) <= SECOND / 10, "{duration_ns} ns");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_longer_than_the_recording_comes_when_it_begins() {
    let server = LiveKit::start();
    server.create_room("short");
    let limits = Limits {
        max_duration: Some(Duration::from_secs(2)),
        warning: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let mut rig = Rig::start(&server, "short", Output::ogg(), limits);
    let (told, ..) = rig.finished().await;
    assert_eq!(
        told,
        [Report::Joined, Report::MediaFlowing, Report::LimitNear(Limit::Duration), Report::LimitHit(Limit::Duration)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_does_not_become_larger_than_it_may() {
    const MOST: u64 = 700_000;
    /// Four seconds at 150 and 128 kbit/s.
    const KEY_FRAME_INTERVAL: u64 = 4 * 278_000 / 8;
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::SampleRoom, &server, "large", 3, &[]);
    let limits = Limits { max_bytes: Some(MOST), ..Limits::default() };
    let mut rig = Rig::start(&server, "large", film("grid", 150), limits);
    let (told, duration_ns, bytes) = rig.finished().await;
    assert_eq!(
        told,
        [Report::Joined, Report::MediaFlowing, Report::LimitNear(Limit::Size), Report::LimitHit(Limit::Size)]
    );
    let left = MOST as i64 - bytes as i64;
    println!("{bytes} bytes of {MOST} ({left} left), {} s", duration_ns / SECOND);
    assert_eq!(std::fs::metadata(&rig.path).unwrap().len(), bytes);
    assert!((0..=KEY_FRAME_INTERVAL as i64).contains(&left), "{left} bytes left");
    let index = last_box(&std::fs::read(&rig.path).unwrap());
    println!("an index of {index} bytes");
    // What `recorder/limits` keeps back for it: 370 bytes a second.
    assert!(index <= 2000 + 370 * (duration_ns / SECOND + 1), "{index} bytes of index");
}

/// Bytes of the last box of an MP4, its `moov` (ISO/IEC 14496-12, 4.2).
fn last_box(file: &[u8]) -> u64 {
    let mut rest = file;
    loop {
        let size = u64::from(u32::from_be_bytes(rest[..4].try_into().unwrap()));
        let size = if size == 1 { u64::from_be_bytes(rest[8..16].try_into().unwrap()) } else { size };
        if size >= rest.len() as u64 {
            assert_eq!(&rest[4..8], b"moov");
            return size;
        }
        rest = &rest[size as usize..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_where_nobody_is_any_more_is_not_recorded_for_ever() {
    let server = LiveKit::start_with(60);
    let mut room = Publisher::start(Kind::SampleRoom, &server, "left", 1, &[]);
    let limits = Limits { empty_room: Some(Duration::from_secs(6)), ..Limits::default() };
    let mut rig = Rig::start(&server, "left", film("speaker", 1000), limits);
    rig.begun().await;
    rig.people(1).await;
    room.tell("leave 0");
    rig.people(0).await;
    rig.record(3).await;
    room.tell("join 0");
    rig.people(1).await;
    rig.record(6).await;
    room.tell("leave 0");
    rig.people(0).await;
    let left = rig.recorder.progress().borrow().duration_ns;
    let (told, duration_ns, _) = rig.finished().await;
    assert_eq!(told, [Report::RoomClosed("nobody was in the room for 6s".into())]);
    let alone = (duration_ns - left) as f64 / SECOND as f64;
    assert!((5.5..8.0).contains(&alone), "{alone} s without anybody");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layout_changes_while_recording() {
    let server = LiveKit::start();
    let mut room = Publisher::start(Kind::SampleRoom, &server, "layouts", 2, &[]);
    room.tell("speak 0");
    let mut rig = Rig::start(&server, "layouts", film("speaker", 3000), Limits::default());
    rig.begun().await;
    // As `UpdateLayout` of LiveKit's server does it: the identity is the recording's id.
    let told = |metadata: &str| {
        let grants = VideoGrants { room_admin: true, room: "layouts".into(), ..VideoGrants::default() };
        let body = serde_json::json!({ "room": "layouts", "identity": rig.id.as_str(), "metadata": metadata });
        server.ask("UpdateParticipant", grants, &body);
    };
    let mut ends = vec![rig.record(3).await];
    for metadata in [r#"{"layout":"speaker-light"}"#, r#"{"layout":"mosaic"}"#, "not for us"] {
        told(metadata);
        ends.push(rig.record(3).await);
    }
    rig.recorder.show(Layout::from_name("single-speaker-light"));
    ends.push(rig.record(3).await);
    rig.recorder.drain();
    rig.finished().await;

    let picture = Recording::open(&rig.path).picture();
    let (stage, above) = (Area::new(320, 90, 960, 540), Area::new(640, 10, 300, 60));
    let (left, right) = (Area::new(60, 220, 500, 280), Area::new(720, 220, 500, 280));
    let bright = |end: f64| picture.mean_rgb(above, end - 0.5).iter().sum::<f64>() / 3.0;
    let who = |area: Area, end: f64| picture.who_is_at(area, end - 0.5);
    let [dark, light, grid, same, single] = ends[..] else { panic!("{ends:?}") };
    println!("ends {ends:?}: background {} and {}", bright(dark), bright(light));
    assert!(bright(dark) < 70.0 && bright(light) > 180.0, "{} and {}", bright(dark), bright(light));
    for end in [dark, light] {
        assert_eq!(who(stage, end), Some(Colour::Red), "on the stage, with the other at its left");
        assert_eq!(who(Area::new(0, 270, 320, 180), end), Some(Colour::Green));
    }
    for end in [grid, same] {
        assert_eq!((who(left, end), who(right, end)), (Some(Colour::Red), Some(Colour::Green)), "a grid");
    }
    assert_eq!(who(Area::new(0, 0, 1280, 720), single), Some(Colour::Red), "one alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_does_not_exist_is_told_as_such() {
    let server = LiveKit::start();
    let mut rig = Rig::start(&server, "nowhere", Output::ogg(), Limits::default());
    let Report::Broke { failure, salvaged: None } = rig.next().await else { panic!("it cannot be recorded") };
    assert_eq!(failure.kind, ErrorKind::NotFound);
    assert!(failure.words.contains("does not exist"), "{failure}");
}
