//! Encoded media through a whole `Pipeline`, and what is in the file then.
#![allow(clippy::unwrap_used)]

mod judge;
mod material;
mod shapes;
mod takes;

use std::path::Path;
use std::time::{Duration, Instant};

use greffier::ids::{ParticipantId, TrackId};
use greffier::media::{Codec, SenderReport, Unit};
use greffier::pipeline::{Event, Pipeline};
use greffier::recording::{Output, VideoSettings};
use greffier::scene::{Arrangement, Even, Face, Fit, Layout, Rect, Scene, Size, Theme, Tile};
use judge::Judged;
use material::Encoded;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;
const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

/// Something that happens at a moment of the recording.
enum Act {
    Attach(TrackId, ParticipantId, Codec),
    Detach(TrackId),
    Push(TrackId, Unit),
    Report(TrackId, SenderReport),
    Copy,
}

/// What is to happen, in order of time.
struct Script {
    start: Instant,
    acts: Vec<(i64, Act)>,
}

/// How a stream reaches us.
#[derive(Clone, Copy)]
struct Way {
    /// When its first frame was captured.
    captured: i64,
    /// How long everything takes.
    delay: i64,
    rate: i64,
}

impl Script {
    fn new() -> Self {
        Self { start: Instant::now(), acts: Vec::new() }
    }

    fn at(&mut self, time: i64, act: Act) {
        self.acts.push((time, act));
    }

    /// All of this material but the units that `lost` names by their number.
    fn stream(&mut self, track: &TrackId, material: &[Encoded], how: Way, lost: &[usize]) {
        let mut contiguous = true;
        for (n, frame) in material.iter().enumerate() {
            if lost.contains(&n) {
                contiguous = false;
                continue;
            }
            // A little jitter, but the first packets are late: that must not stick.
            let jitter = if n < 3 { 40 * MS } else { (n as i64 * 7919 % 11) * MS };
            let arrival = how.captured + frame.time_ns + how.delay + jitter;
            let rtp = ((how.captured + frame.time_ns) * how.rate / SECOND) as u64 + 12_345;
            let arrival_at = self.start + Duration::from_nanos(arrival as u64);
            let unit = Unit {
                data: frame.data.clone(),
                rtp,
                arrival: arrival_at,
                contiguous,
                missing: 0,
                keyframe: frame.keyframe,
            };
            contiguous = true;
            self.at(arrival, Act::Push(track.clone(), unit));
        }
    }

    /// A sender report at `time` of the recording, captured then.
    fn report(&mut self, track: &TrackId, time: i64, rate: i64) {
        let rtp = (time * rate / SECOND) as u64 + 12_345;
        self.at(time, Act::Report(track.clone(), SenderReport { rtp, ntp_ns: 1_700_000_000 * SECOND + time }));
    }

    /// Plays it in real time, and drains at `end`.
    fn play(mut self, pipeline: &mut Pipeline, file: &Path, end: i64) {
        self.acts.sort_by_key(|(time, _)| *time);
        for (time, act) in self.acts {
            sleep_until(self.start, time);
            match act {
                Act::Attach(track, participant, codec) => pipeline.attach(&track, &participant, codec),
                Act::Detach(track) => pipeline.detach(&track),
                Act::Push(track, unit) => pipeline.push(&track, unit),
                Act::Report(track, report) => pipeline.report(&track, report),
                Act::Copy => drop(std::fs::copy(file, file.with_extension("killed.mp4")).unwrap()),
            }
        }
        sleep_until(self.start, end);
        pipeline.drain();
    }
}

fn sleep_until(start: Instant, time: i64) {
    let at = start + Duration::from_nanos(time.max(0) as u64);
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

fn output() -> Output {
    let layout = Layout { arrangement: Arrangement::Speaker, theme: Theme::Dark };
    let size = Size { width: Even::floor(WIDTH), height: Even::floor(HEIGHT) };
    let settings = VideoSettings { size, bitrate: 1500, ..VideoSettings::preset(layout) };
    Output::mp4(settings).unwrap()
}

/// Tracks side by side.
fn scene(tracks: &[&TrackId]) -> Scene {
    let width = WIDTH / tracks.len() as u32;
    let tile = |(n, track): (usize, &&TrackId)| Tile {
        face: Face::Track((*track).clone()),
        name: format!("Person {n}"),
        rect: Rect {
            x: Even::floor(width * n as u32),
            y: Even::floor(0),
            width: Even::floor(width),
            height: Even::floor(HEIGHT),
        },
        fit: Fit::Cover,
    };
    let size = Size { width: Even::floor(WIDTH), height: Even::floor(HEIGHT) };
    Scene { size, theme: Theme::Dark, tiles: tracks.iter().enumerate().map(tile).collect() }
}

fn ids() -> ([TrackId; 4], [ParticipantId; 2]) {
    let tracks = ["TR_ann_v", "TR_ann_a", "TR_bob_v", "TR_bob_a"].map(TrackId::new);
    (tracks, ["PA_ann", "PA_bob"].map(ParticipantId::new))
}

fn all(events: &mut UnboundedReceiver<Event>) -> Vec<Event> {
    let mut seen = Vec::new();
    while let Some(event) = events.blocking_recv() {
        let last = matches!(event, Event::Drained { .. } | Event::Broke(_));
        seen.push(event);
        if last {
            break;
        }
    }
    seen
}

/// A picture stands at the nearest tick of 30 a second: at most half of one early or late, and a little to spare.
const HALF_TICK: f64 = 0.020;

/// Every flash or beep of one second stands within these bounds of where it should.
fn check(name: &str, found: &[f64], expected: impl Iterator<Item = f64>, early: f64, late: f64) {
    let expected: Vec<f64> = expected.collect();
    assert_eq!(found.len(), expected.len(), "{name}: found {found:.3?}, expected {expected:.3?}");
    let offs: Vec<f64> = found.iter().zip(&expected).map(|(f, e)| (f - e) * 1000.0).collect();
    eprintln!("{name}: off by ms {offs:.1?}");
    for (found, expected) in found.iter().zip(&expected) {
        let off = found - expected;
        assert!((early..=late).contains(&off), "{name}: {found:.4} for {expected:.4}, off by {:.1} ms", off * 1000.0);
    }
}

#[test]
fn two_people_in_one_file() {
    let ([ann_v, ann_a, bob_v, bob_a], [ann, bob]) = ids();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.mp4");
    let audio = Way { captured: 300 * MS, delay: 20 * MS, rate: 48_000 };
    let video = Way { captured: 300 * MS, delay: 80 * MS, rate: 90_000 };
    // Ann flashes and beeps on the second; her picture takes 60 ms longer, until reports say so. It becomes larger after 4 s.
    let mut ann_frames = material::flashes(material::VP8, 320, 180, 4, 0);
    let mut larger = material::flashes(material::VP8, 640, 360, 4, 0);
    larger.iter_mut().for_each(|f| f.time_ns += 4 * SECOND);
    ann_frames.extend(larger);
    let ann_beeps = material::beeps(8, 1000.0, 0);
    // Bob on the half second; he loses a picture and some packets, and after 4 s sends H.264.
    let bob_frames = material::flashes(material::VP8, 320, 180, 4, 500);
    let mut bob_h264 = material::flashes(material::H264, 320, 180, 4, 500);
    bob_h264.iter_mut().for_each(|f| f.time_ns += 4 * SECOND);
    let bob_beeps = material::beeps(8, 500.0, 500);

    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&output(), file.clone(), script.start, tell).unwrap();
    pipeline.show(scene(&[&ann_v, &bob_v]), script.start);
    for (track, participant, codec) in [
        (&ann_v, &ann, Codec::Vp8),
        (&ann_a, &ann, Codec::Opus),
        (&bob_v, &bob, Codec::Vp8),
        (&bob_a, &bob, Codec::Opus),
    ] {
        script.at(0, Act::Attach(track.clone(), participant.clone(), codec));
    }
    script.stream(&ann_v, &ann_frames, video, &[]);
    script.stream(&ann_a, &ann_beeps, audio, &[]);
    script.report(&ann_a, 1200 * MS, 48_000);
    script.report(&ann_v, 2500 * MS, 90_000);
    // Frame 40: its successors cannot be decoded until the key frame at 60. Packets 127 and 176: within a beep, and in silence.
    script.stream(&bob_v, &bob_frames, video, &[40]);
    script.stream(&bob_a, &bob_beeps, audio, &[127, 178]);
    script.at(4330 * MS, Act::Detach(bob_v.clone()));
    script.at(4340 * MS, Act::Attach(bob_v.clone(), bob.clone(), Codec::H264));
    script.stream(&bob_v, &bob_h264, video, &[]);
    script.at(6000 * MS, Act::Copy);
    script.play(&mut pipeline, &file, 9 * SECOND);
    let drained = Instant::now();
    let seen = all(&mut events);
    eprintln!("drained in {:?}; {seen:?}", drained.elapsed());

    assert_eq!(seen.first(), Some(&Event::Flowing));
    for track in [&ann_v, &ann_a, &bob_v, &bob_a] {
        assert!(seen.contains(&Event::Decoding(track.clone())), "{track} in {seen:?}");
    }
    assert!(seen.contains(&Event::NeedKeyframe(bob_v.clone())), "{seen:?}");
    assert!(!seen.contains(&Event::NeedKeyframe(ann_v.clone())), "{seen:?}");
    let Some(Event::Drained { bytes, duration_ns }) = seen.last() else { panic!("{seen:?}") };
    assert_eq!(*bytes, std::fs::metadata(&file).unwrap().len());
    let ticks = (*duration_ns * 30 + SECOND as u64 / 2) / SECOND as u64;
    assert!((270..=273).contains(&ticks), "{duration_ns}");

    let streams = judge::probe(&file, "stream=codec_name,profile,start_pts,nb_frames");
    assert_eq!(streams[0], format!("h264,Main,0,{ticks}"));
    assert!(streams[1].starts_with("aac,LC,0,"), "{streams:?}");
    let colour = judge::probe(&file, "stream=color_range,color_space,color_transfer,color_primaries,r_frame_rate");
    assert!(colour[0].contains("tv,smpte170m,bt709,bt709"), "{colour:?}");
    assert!(colour[0].contains("30/1"), "{colour:?}");
    let judged = Judged::of(&file, WIDTH as usize, HEIGHT as usize);
    assert_eq!(judged.frames.len() as u64, ticks);
    let length = judged.audio.len() as f64 / 48_000.0;
    assert!((length - ticks as f64 / 30.0).abs() < 0.03, "{length}");

    let seconds = |frames: Vec<usize>| frames.into_iter().map(|n| n as f64 / 30.0).collect::<Vec<f64>>();
    let (left, right) = (seconds(judged.flashes(160, 100)), seconds(judged.flashes(480, 100)));
    // Arrival decides where audio lies; the picture follows it once both have reports (2.5 s). Nothing is shown before its time.
    let ann_flash = |n: i32| f64::from(n) + 0.3 + if n < 3 { 0.08 } else { 0.02 };
    // Her first picture, a flash, stands from the beginning.
    assert!(judged.luma(160, 100)[0] > 140, "{}", judged.luma(160, 100)[0]);
    check("left", &left, (1..8).map(ann_flash), -HALF_TICK, HALF_TICK);
    let bob_flash = |n: i32| f64::from(n) + 0.8 + 0.08;
    // The flash at 1.88 s falls into the loss.
    check("right", &right, (0..8).filter(|n| *n != 1).map(bob_flash), -HALF_TICK, HALF_TICK);

    let onsets = judge::onsets(&judged.audio);
    let both = (0..16).map(|n| 0.32 + f64::from(n) * 0.5);
    check("beeps", &onsets, both, -0.003, 0.003);
    let quiet: Vec<f32> = (0..8)
        .flat_map(|n| {
            let from = (0.32 + f64::from(n) + 0.15) * 48_000.0;
            judged.audio[from as usize..from as usize + 14_400].to_vec()
        })
        .collect();
    let loudest = quiet.iter().fold(0.0_f32, |a, s| a.max(s.abs()));
    assert!(loudest < 0.01, "{loudest} between the beeps");

    // What a kill after 6 s would have left.
    let killed = file.with_extension("killed.mp4");
    assert_eq!(judge::boxes(&killed)[..3], ["ftyp", "moov", "moof"]);
    assert_eq!(judge::boxes(&file), ["ftyp", "mdat", "moov"]);
    let judged = Judged::of(&killed, WIDTH as usize, HEIGHT as usize);
    assert!((100..=180).contains(&judged.frames.len()), "{}", judged.frames.len());
    let left = seconds(judged.flashes(160, 100));
    let onsets = judge::onsets(&judged.audio);
    assert!(left.len() >= 2 && onsets.len() >= 6, "{left:?} {onsets:?}");
    check("left, killed", &left, (1..=left.len() as i32).map(ann_flash), -HALF_TICK, HALF_TICK);
    check("beeps, killed", &onsets, (0..onsets.len()).map(|n| 0.32 + n as f64 * 0.5), -0.003, 0.003);
}

#[test]
fn every_codec_is_decoded() {
    let participant = ParticipantId::new("PA_x");
    let folder = tempfile::tempdir().unwrap();
    let codecs = [
        (Codec::Vp8, material::VP8),
        (Codec::Vp9, material::VP9),
        (Codec::H264, material::H264),
        (Codec::Av1, material::AV1),
    ];
    let file = folder.path().join("codecs.mp4");
    let tracks: Vec<TrackId> = codecs.iter().map(|(codec, _)| TrackId::new(format!("TR_{codec:?}"))).collect();
    let materials: Vec<_> = codecs.iter().map(|(_, encoder)| material::flashes(encoder, 160, 90, 3, 0)).collect();
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&output(), file.clone(), script.start, tell).unwrap();
    pipeline.show(scene(&tracks.iter().collect::<Vec<_>>()), script.start);
    let how = Way { captured: 100 * MS, delay: 0, rate: 90_000 };
    for ((track, (codec, _)), material) in tracks.iter().zip(&codecs).zip(&materials) {
        script.at(0, Act::Attach(track.clone(), participant.clone(), *codec));
        script.stream(track, material, how, &[]);
    }
    script.play(&mut pipeline, &file, 3100 * MS);
    let seen = all(&mut events);
    assert!(!seen.iter().any(|e| matches!(e, Event::Undecodable(..) | Event::NeedKeyframe(_))), "{seen:?}");
    let judged = Judged::of(&file, WIDTH as usize, HEIGHT as usize);
    for (n, track) in tracks.iter().enumerate() {
        assert!(seen.contains(&Event::Decoding(track.clone())), "{track}: {seen:?}");
        let flashes: Vec<f64> = judged.flashes(80 + 160 * n, 100).into_iter().map(|n| n as f64 / 30.0).collect();
        // The first flash is the first picture, and stands from the beginning.
        check(track.as_str(), &flashes, [1.1, 2.1].into_iter(), -HALF_TICK, HALF_TICK);
    }
}

#[test]
fn one_damaged_frame_costs_no_more_than_up_to_the_next_key_frame() {
    let participant = ParticipantId::new("PA_x");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.mp4");
    let codecs = [
        (Codec::Vp8, material::VP8),
        (Codec::Vp9, material::VP9),
        (Codec::H264, material::H264),
        (Codec::Av1, material::AV1),
    ];
    let tracks = codecs.map(|(codec, _)| TrackId::new(format!("TR_{codec:?}")));
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&output(), file.clone(), script.start, tell).unwrap();
    pipeline.show(scene(&tracks.each_ref()), script.start);
    for (track, (codec, encoder)) in tracks.iter().zip(codecs) {
        let mut material = material::flashes(encoder, 160, 90, 5, 0);
        // Between the key frames of the first and the second second.
        material[40].data = material[40].data.iter().map(|byte| byte ^ 0x5a).collect();
        script.at(0, Act::Attach(track.clone(), participant.clone(), codec));
        script.stream(track, &material, Way { captured: 100 * MS, delay: 0, rate: 90_000 }, &[]);
    }
    script.play(&mut pipeline, &file, 5100 * MS);
    let seen = all(&mut events);
    assert!(!seen.iter().any(|e| matches!(e, Event::Undecodable(..))), "{seen:?}");
    let judged = Judged::of(&file, WIDTH as usize, HEIGHT as usize);
    for (n, track) in tracks.iter().enumerate() {
        let flashes: Vec<f64> = judged.flashes(80 + 160 * n, 100).into_iter().map(|n| n as f64 / 30.0).collect();
        // What a damaged frame and those that follow it look like is for the decoder to say, up to the next key frame.
        for expected in [3.1, 4.1] {
            assert!(flashes.iter().any(|flash| (flash - expected).abs() < 0.1), "{track}: {expected} in {flashes:.3?}");
        }
    }
}

#[test]
fn red_green_and_blue_come_out_as_they_went_in() {
    let (participant, folder) = (ParticipantId::new("PA_x"), tempfile::tempdir().unwrap());
    let file = folder.path().join("colours.mp4");
    // BT.601 in limited range, as libwebrtc makes it.
    let colours = [([255, 0, 0], [81, 90, 240]), ([0, 255, 0], [145, 54, 34]), ([0, 0, 255], [41, 240, 110])];
    let tracks = ["TR_red", "TR_green", "TR_blue"].map(TrackId::new);
    let materials = colours.map(|(_, yuv)| material::plain(material::VP8, 320, 360, yuv));
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&output(), file.clone(), script.start, tell).unwrap();
    pipeline.show(scene(&tracks.each_ref()), script.start);
    for (track, material) in tracks.iter().zip(&materials) {
        script.at(0, Act::Attach(track.clone(), participant.clone(), Codec::Vp8));
        script.stream(track, material, Way { captured: 100 * MS, delay: 0, rate: 90_000 }, &[]);
    }
    script.play(&mut pipeline, &file, 1500 * MS);
    assert!(matches!(all(&mut events).last(), Some(Event::Drained { .. })));
    for (n, (wanted, _)) in colours.iter().enumerate() {
        let found = judge::rgb(&file, 100 + 212 * n, 180);
        eprintln!("{wanted:?} came out as {found:?}");
        assert!(found.iter().zip(wanted).all(|(a, b)| a.abs_diff(*b) <= 5), "{wanted:?} came out as {found:?}");
    }
}

#[test]
fn a_broken_track_loses_only_itself() {
    let ([ann_v, ann_a, bob_v, _], [ann, bob]) = ids();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.mp4");
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&output(), file.clone(), script.start, tell).unwrap();
    pipeline.show(scene(&[&ann_v, &bob_v]), script.start);
    script.at(0, Act::Attach(ann_v.clone(), ann.clone(), Codec::H264));
    script.at(0, Act::Attach(ann_a.clone(), ann, Codec::Opus));
    script.at(0, Act::Attach(bob_v.clone(), bob, Codec::Vp8));
    let how = Way { captured: 0, delay: 0, rate: 90_000 };
    let noise: Vec<Encoded> = material::flashes(material::VP8, 160, 90, 2, 0)
        .into_iter()
        .map(|frame| Encoded { data: frame.data.iter().map(|b| b ^ 0x5a).collect(), keyframe: true, ..frame })
        .collect();
    script.stream(&ann_v, &noise, how, &[]);
    let noise: Vec<Encoded> = noise.into_iter().step_by(2).collect();
    script.stream(&ann_a, &noise, Way { rate: 48_000, ..how }, &[]);
    script.stream(&bob_v, &material::flashes(material::VP8, 160, 90, 2, 0), how, &[]);
    script.play(&mut pipeline, &file, 2 * SECOND);
    let seen = all(&mut events);
    assert!(matches!(seen.last(), Some(Event::Drained { .. })), "{seen:?}");
    assert!(seen.contains(&Event::Decoding(bob_v)), "{seen:?}");
    assert!(!seen.contains(&Event::Decoding(ann_v)), "{seen:?}");
    assert!(!Judged::of(&file, WIDTH as usize, HEIGHT as usize).flashes(480, 100).is_empty());
}

#[test]
fn audio_alone() {
    let ([_, ann_a, _, bob_a], [ann, bob]) = ids();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sound.ogg");
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&Output::ogg(), file.clone(), script.start, tell).unwrap();
    let how = Way { captured: 200 * MS, delay: 30 * MS, rate: 48_000 };
    script.at(0, Act::Attach(ann_a.clone(), ann, Codec::Opus));
    script.at(0, Act::Attach(bob_a.clone(), bob, Codec::Opus));
    // A packet in the middle of her second beep: the decoder makes up for it.
    script.stream(&ann_a, &material::beeps(3, 1000.0, 0), how, &[52]);
    script.stream(&bob_a, &material::beeps(3, 700.0, 500), how, &[]);
    script.play(&mut pipeline, &file, 3300 * MS);
    let seen = all(&mut events);
    let Some(Event::Drained { duration_ns, .. }) = seen.last() else { panic!("{seen:?}") };
    let audio = judge::audio(&file);
    let length = audio.len() as f64 / 48_000.0;
    assert!((length - *duration_ns as f64 / 1e9).abs() < 0.001, "{length} {duration_ns}");
    check("beeps", &judge::onsets(&audio), (0..6).map(|n| 0.23 + f64::from(n) * 0.5), -0.003, 0.003);
    let lost = (1.23 + 0.04) * 48_000.0;
    let energy: f32 = audio[lost as usize..lost as usize + 960].iter().map(|s| s * s).sum();
    let level = (energy / 960.0).sqrt();
    assert!(level > 0.2, "{level} where a packet was lost; the beep has 0.35");
}

/// A beep every second for six, on this way: packet number and capture to the data, RTP time and arrival, if it is sent at all. Every
/// beep is heard when it was said. Returns the milliseconds of audio that were reported as lost.
fn all_beeps_on_time(name: &str, way: impl Fn(usize, &Encoded) -> Option<(bytes::Bytes, i64, i64)>) -> u64 {
    let ([_, ann_a, ..], [ann, _]) = ids();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sound.ogg");
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(&Output::ogg(), file.clone(), script.start, tell).unwrap();
    script.at(0, Act::Attach(ann_a.clone(), ann, Codec::Opus));
    for (n, packet) in material::beeps(6, 1000.0, 0).iter().enumerate() {
        let Some((data, said, arrival)) = way(n, packet) else { continue };
        // What comes all at once comes in its order.
        let jitter = if arrival == packet.time_ns { n as i64 * 7919 % 11 } else { 0 };
        let arrival = 230 * MS + arrival + jitter * MS;
        let rtp = (said * 48_000 / SECOND) as u64 + 12_345;
        let arrival_at = script.start + Duration::from_nanos(arrival as u64);
        let unit = Unit { data, rtp, arrival: arrival_at, contiguous: true, missing: 0, keyframe: true };
        script.at(arrival, Act::Push(ann_a.clone(), unit));
    }
    script.play(&mut pipeline, &file, 6500 * MS);
    let seen = all(&mut events);
    assert!(matches!(seen.last(), Some(Event::Drained { .. })), "{seen:?}");
    let onsets = judge::onsets(&judge::audio(&file));
    check(name, &onsets, (0..6).map(|n| 0.23 + f64::from(n)), -0.015, 0.015);
    let lost = seen.iter().map(|event| if let Event::AudioLost { ns, .. } = event { *ns } else { 0 });
    lost.sum::<u64>() / MS as u64
}

#[test]
fn packets_that_do_not_decode_move_nothing() {
    let lost = all_beeps_on_time("25 packets spoilt", |n, packet| {
        let junk: &[u8] = if n % 2 == 0 { &[0xfb, 0] } else { &[0xf9, 1] };
        let data = if (60..85).contains(&n) { bytes::Bytes::from_static(junk) } else { packet.data.clone() };
        Some((data, packet.time_ns, packet.time_ns))
    });
    assert_eq!(lost, 500);
}

#[test]
fn packets_that_were_held_stand_where_they_were_said() {
    let lost = all_beeps_on_time("held for 1.8 s", |_, packet| {
        let held = (1500 * MS..3300 * MS).contains(&packet.time_ns);
        Some((packet.data.clone(), packet.time_ns, if held { 3300 * MS } else { packet.time_ns }))
    });
    assert_eq!(lost, 0);
}

#[test]
fn a_clock_that_stops_in_pauses_is_not_believed() {
    let lost = all_beeps_on_time("clock stopped three times for 0.6 s", |_, packet| {
        let stop = |from: i64| (packet.time_ns - from * MS).clamp(0, 600 * MS);
        let pausing = |from: i64| (from * MS..(from + 600) * MS).contains(&packet.time_ns);
        let stops = [1300, 2300, 4300];
        let said = packet.time_ns - stops.map(stop).iter().sum::<i64>();
        (!stops.into_iter().any(pausing)).then(|| (packet.data.clone(), said, packet.time_ns))
    });
    assert_eq!(lost, 0);
}

#[test]
fn a_full_disk_is_told_with_the_path() {
    for output in [output(), Output::ogg()] {
        let (tell, mut events) = unbounded_channel();
        let mut pipeline = Pipeline::start(&output, "/dev/full".into(), Instant::now(), tell).unwrap();
        std::thread::sleep(Duration::from_millis(700));
        pipeline.drain();
        let seen = all(&mut events);
        let Some(Event::Broke(why)) = seen.last() else { panic!("{seen:?}") };
        assert!(why.contains("/dev/full"), "{why}");
        eprintln!("{why}");
    }
}

#[test]
fn nothing_at_all_is_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let silent = Output::silent_mp4(*output().video().unwrap()).unwrap();
    // One picture is over before the encoder's own silence.
    let low = greffier::recording::AudioSettings { bitrate: 32, frequency: 8000 };
    for (output, name) in [
        (output(), "nothing.mp4"),
        (output().with_audio(low).unwrap(), "low.mp4"),
        (silent, "silent.mp4"),
        (Output::audio_mp4(), "sound.mp4"),
        (Output::ogg(), "nothing.ogg"),
    ] {
        let file = folder.path().join(name);
        let (tell, mut events) = unbounded_channel();
        let mut pipeline = Pipeline::start(&output, file.clone(), Instant::now(), tell).unwrap();
        pipeline.drain();
        let seen = all(&mut events);
        assert!(matches!(seen.last(), Some(Event::Drained { .. })), "{seen:?}");
        judge::probe(&file, "stream=codec_name");
    }
}
