//! Key frames that declare gigantic frames: what they cost, and that everything else goes on. A process of its own, because
//! its memory is measured.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "the figures of a run are its evidence")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use greffier::ids::{ParticipantId, TrackId};
use greffier::media::{Codec, Unit, vp9};
use greffier::pipeline::{Event, Pipeline};
use greffier::recording::{Output, VideoSettings};
use greffier::scene::{Arrangement, Even, Face, Fit, Layout, Rect, Scene, Size, Theme, Tile};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Bytes that bombs may cost.
const AT_MOST: u64 = 100 << 20;
/// Guests who all send the largest picture that is decoded.
const CROWD: usize = 25;
/// Bytes that they may cost together: what the decoders may hold, and what the allocator keeps of it.
const CROWD_AT_MOST: u64 = 800 << 20;
/// One test at a time: they measure the memory of one process.
static ALONE: Mutex<()> = Mutex::new(());
/// Longer than anything here takes on the slowest machine.
const TIMEOUT: Duration = Duration::from_secs(120);

fn sample(name: &str) -> Vec<u8> {
    read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/media").join(name))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn ivf(name: &str) -> Vec<Vec<u8>> {
    ivf_frames(&sample(name))
}

/// The frames of an IVF file.
fn ivf_frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(12) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        frames.push(after[..length].to_vec());
        rest = &after[length..];
    }
    frames
}

/// The access units of an Annex B file, which begin with a delimiter.
fn annex_b(name: &str) -> Vec<Vec<u8>> {
    let file = sample(name);
    let delimiter = [0, 0, 0, 1, 9];
    let mut begins: Vec<usize> = (0..file.len() - 5).filter(|at| file[*at..].starts_with(&delimiter)).collect();
    begins.push(file.len());
    begins.windows(2).map(|span| file[span[0]..span[1]].to_vec()).collect()
}

/// `count` bits at `at` are replaced by `new`.
fn splice(data: &[u8], at: usize, count: usize, new: &str) -> Vec<u8> {
    let mut bits: Vec<u8> = data.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1)).collect();
    bits.splice(at..at + count, new.bytes().map(|b| b - b'0'));
    bits.resize(bits.len().div_ceil(8) * 8, 0);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect()
}

fn vp8_bomb() -> Vec<u8> {
    let mut frame = ivf("beep-blue-1280x720-vp8.ivf").remove(0);
    frame[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    frame
}

/// Marker, profile, flags, sync code, colours: then the sides, 16 bits each.
fn vp9_bomb() -> Vec<u8> {
    splice(&ivf("beep-blue-1280x720-vp9.ivf").remove(0), 8 + 24 + 4, 32, &"0011111111111111".repeat(2))
}

/// A bomb behind a sane frame, in one unit.
fn hidden_bomb() -> Vec<u8> {
    let sane = ivf("beep-blue-1280x720-vp9.ivf").remove(0);
    let both = [sane.clone(), vp9_bomb()].concat();
    vp9::superframe(&both, &[sane.len(), both.len()]).to_vec()
}

/// A parameter set of 16384×8192 before the rest of the sample.
fn h264_bomb() -> Vec<u8> {
    let ue = |value: u64| {
        let code = format!("{:b}", value + 1);
        format!("{}{code}", "0".repeat(code.len() - 1))
    };
    let counts = [0, 0, 2, 1].map(ue).concat();
    let bits = format!("{:08b}{:08b}{:08b}{counts}0{}{}11001", 66, 0xc0, 62, ue(1023), ue(511));
    let set = [vec![0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67], splice(&[], 0, 0, &bits)].concat();
    let sane = annex_b("beep-blue-1280x720.h264").remove(0);
    // Without its own parameter set, which is the first unit behind the delimiter.
    let starts: Vec<usize> = (0..sane.len() - 3).filter(|at| sane[*at..].starts_with(&[0, 0, 1])).collect();
    let rest = starts.iter().find(|at| !matches!(sane[**at + 3] & 0x1f, 7 | 9)).unwrap();
    [set, vec![0], sane[*rest..].to_vec()].concat()
}

/// The sides of the sample's sequence header take as many bits as it says; they become 16 bits each.
fn av1_bomb() -> Vec<u8> {
    let frame = ivf("beep-blue-1280x720-av1.ivf").remove(0);
    // A delimiter of two bytes, then the sequence header: not reduced, no timing, one operating point.
    assert_eq!(frame[..3], [0x12, 0, 0x0a], "{:x?}", &frame[..16]);
    let length = usize::from(frame[3]);
    let header = &frame[4..4 + length];
    let bit = |at: usize| usize::from(header[at / 8] >> (7 - at % 8) & 1);
    let number = |at: usize, count: usize| (at..at + count).fold(0, |all, at| all << 1 | bit(at));
    // Profile, still picture, reduced, timing, display delay, points, the point, its level, and its tier.
    let mut at = 3 + 1 + 1 + 1 + 1 + 5 + 12;
    at += if number(at, 5) > 7 { 6 } else { 5 };
    let (width, height) = (number(at, 4) + 1, number(at + 4, 4) + 1);
    assert_eq!((number(at + 8, width), number(at + 8 + width, height)), (1279, 719));
    let header = splice(header, at, 8 + width + height, &format!("11111111{0}{0}", "0011111010000000"));
    let length = u8::try_from(header.len()).unwrap();
    [&frame[..3], &[length], &header, &frame[4 + usize::from(frame[3])..]].concat()
}

/// This process's memory now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

struct Stream {
    track: TrackId,
    codec: Codec,
    sane: Vec<Vec<u8>>,
    /// What it sends at bad times; one stream never does.
    bomb: Option<Vec<u8>>,
}

fn streams() -> Vec<Stream> {
    let of = |name: &str, codec, sane, bomb| Stream { track: TrackId::new(name), codec, sane, bomb: Some(bomb) };
    vec![
        of("vp8", Codec::Vp8, ivf("beep-blue-1280x720-vp8.ivf"), vp8_bomb()),
        of("vp9", Codec::Vp9, ivf("beep-blue-1280x720-vp9.ivf"), vp9_bomb()),
        of("vp9 hidden", Codec::Vp9, ivf("beep-blue-1280x720-vp9.ivf"), hidden_bomb()),
        of("h264", Codec::H264, annex_b("beep-blue-1280x720.h264"), h264_bomb()),
        of("av1", Codec::Av1, ivf("beep-blue-1280x720-av1.ivf"), av1_bomb()),
        Stream { bomb: None, ..of("other", Codec::Vp8, ivf("beep-red-320x180-vp8.ivf"), Vec::new()) },
    ]
}

fn scene(tracks: &[&TrackId]) -> Scene {
    let (width, height) = (640 / tracks.len() as u32, 360);
    let tile = |(n, track): (usize, &&TrackId)| Tile {
        face: Face::Track((*track).clone()),
        name: track.to_string(),
        rect: Rect {
            x: Even::floor(width * n as u32),
            y: Even::floor(0),
            width: Even::floor(width),
            height: Even::floor(height),
        },
        fit: Fit::Cover,
    };
    Scene {
        size: Size::new(640, 360).unwrap(),
        theme: Theme::Dark,
        tiles: tracks.iter().enumerate().map(tile).collect(),
    }
}

/// Plays every stream at 30 frames a second until `done`; with bombs instead of sane frames when `bombs`.
fn play(
    pipeline: &mut Pipeline,
    streams: &[Stream],
    clock: &mut u64,
    bombs: bool,
    events: &mut UnboundedReceiver<Event>,
    mut done: impl FnMut(&[Event], u64) -> bool,
) -> Vec<Event> {
    let (mut seen, mut highest, begun) = (Vec::new(), 0, Instant::now());
    loop {
        for stream in streams {
            let at = (*clock as usize) % stream.sane.len();
            let (data, keyframe) = match &stream.bomb {
                Some(bomb) if bombs => (bomb, true),
                Some(_) | None => (&stream.sane[at], at == 0),
            };
            let unit = unit(data.clone().into(), *clock * 3000, keyframe);
            pipeline.push(&stream.track, unit);
        }
        *clock += 1;
        std::thread::sleep(Duration::from_millis(33));
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        highest = highest.max(resident());
        if done(&seen, highest) {
            return seen;
        }
        assert!(begun.elapsed() < TIMEOUT, "{seen:?}");
    }
}

/// A moving picture of the largest size, a key frame first.
fn largest(folder: &Path, encoder: &str) -> Vec<Vec<u8>> {
    let path = folder.join(format!("{encoder}.ivf"));
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=4096x2304:rate=5", "-frames:v", "4"])
        .args(["-pix_fmt", "yuv420p", "-c:v", encoder, "-deadline", "realtime", "-cpu-used", "8"])
        .args(["-b:v", "4M", "-lag-in-frames", "0"])
        .arg(&path)
        .status()
        .expect("ffmpeg is installed: apt install ffmpeg");
    assert!(status.success());
    ivf_frames(&read(&path))
}

#[test]
fn many_of_the_largest_frames_are_bounded_together() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (vp8, vp9) = (largest(folder.path(), "libvpx"), largest(folder.path(), "libvpx-vp9"));
    let small = ivf("beep-red-320x180-vp8.ivf");
    let (tell, mut events) = unbounded_channel();
    let layout = Layout { arrangement: Arrangement::Grid, theme: Theme::Dark };
    let video = VideoSettings { size: Size::new(640, 360).unwrap(), ..VideoSettings::preset(layout) };
    let output = Output::mp4(video).unwrap();
    let mut pipeline = Pipeline::start(&output, folder.path().join("crowd.mp4"), Instant::now(), tell).unwrap();
    let guest = |n: usize| TrackId::new(format!("guest {n}"));
    let camera = TrackId::new("camera");
    let mut attached: Vec<usize> = (0..CROWD).collect();
    pipeline.show(
        scene(&(0..8).map(guest).chain([camera.clone()]).collect::<Vec<_>>().iter().collect::<Vec<_>>()),
        Instant::now(),
    );
    let before = resident();
    for n in &attached {
        pipeline.attach(&guest(*n), &ParticipantId::new(guest(*n).as_str()), [Codec::Vp8, Codec::Vp9][n % 2]);
    }
    pipeline.attach(&camera, &ParticipantId::new("camera"), Codec::Vp8);
    let (mut most, mut seen, mut clock, begun) = (0, Vec::new(), 0, Instant::now());
    let is_crowded =
        |e: &Event| matches!(e, Event::Undecodable(_, why) if why.contains("4096×2304, for which the other tracks"));
    let decodes =
        |seen: &[Event]| -> Vec<usize> { (0..CROWD).filter(|n| seen.contains(&Event::Decoding(guest(*n)))).collect() };
    // The first have left: whose turn it is, is seen then.
    let mut first: Option<Vec<usize>> = None;
    loop {
        for n in &attached {
            let stream = [&vp8, &vp9][n % 2];
            let at = clock as usize % stream.len();
            let data = stream[at].clone().into();
            let unit = unit(data, clock * 18_000, at == 0);
            pipeline.push(&guest(*n), unit);
        }
        let at = clock as usize % small.len();
        let data = small[at].clone().into();
        let unit = unit(data, clock * 18_000, at == 0);
        pipeline.push(&camera, unit);
        clock += 1;
        std::thread::sleep(Duration::from_millis(200));
        most = most.max(resident());
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        let told = seen.iter().filter(|e| is_crowded(e)).count();
        match &first {
            None if !decodes(&seen).is_empty() && told + decodes(&seen).len() >= CROWD => {
                let shown = decodes(&seen);
                attached.retain(|n| !shown.contains(n));
                shown.iter().for_each(|n| pipeline.detach(&guest(*n)));
                first = Some(shown);
            }
            Some(shown) if decodes(&seen).len() > shown.len() => break,
            None | Some(_) => assert!(begun.elapsed() < TIMEOUT, "{seen:?}"),
        }
    }
    println!(
        "{} MiB before, {} MiB with {CROWD} of the largest; {first:?}, then {:?}",
        before >> 20,
        most >> 20,
        decodes(&seen)
    );
    assert!(most < before + CROWD_AT_MOST, "{} MiB more", (most - before) >> 20);
    assert!(seen.contains(&Event::Decoding(camera)), "{seen:?}");
    pipeline.drain();
    let last =
        std::iter::from_fn(|| events.blocking_recv()).find(|e| matches!(e, Event::Drained { .. } | Event::Broke(_)));
    assert!(matches!(last, Some(Event::Drained { .. })), "{last:?}");
}

#[test]
fn bombs_cost_little_and_lose_only_their_own_picture() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let streams = streams();
    let tracks: Vec<&TrackId> = streams.iter().map(|stream| &stream.track).collect();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout { arrangement: Arrangement::Speaker, theme: Theme::Dark };
    let video = VideoSettings { size: Size::new(640, 360).unwrap(), ..VideoSettings::preset(layout) };
    let (tell, mut events) = unbounded_channel();
    let output = Output::mp4(video).unwrap();
    let mut pipeline = Pipeline::start(&output, folder.path().join("bombs.mp4"), Instant::now(), tell).unwrap();
    pipeline.show(scene(&tracks), Instant::now());
    for stream in &streams {
        pipeline.attach(&stream.track, &ParticipantId::new(stream.track.as_str()), stream.codec);
    }
    let mut clock = 0;
    let everybody = |seen: &[Event], but: Option<&str>| {
        let mut streams = streams.iter().filter(|stream| Some(stream.track.as_str()) != but);
        streams.all(|stream| seen.contains(&Event::Decoding(stream.track.clone())))
    };
    play(&mut pipeline, &streams, &mut clock, false, &mut events, |seen, _| everybody(seen, None));
    // Settled: decoders, pools and queues have what they need.
    let settled = clock + 60;
    play(&mut pipeline, &streams, &mut clock, false, &mut events, |_, _| true);
    let mut before = 0;
    while clock < settled {
        play(&mut pipeline, &streams, &mut clock, false, &mut events, |_, highest| {
            before = before.max(highest);
            true
        });
    }
    let end = clock + 120;
    let mut most = 0;
    let mut seen = Vec::new();
    while clock < end {
        seen.extend(play(&mut pipeline, &streams, &mut clock, true, &mut events, |_, highest| {
            most = most.max(highest);
            true
        }));
    }
    println!("{} MiB before, {} MiB with bombs; {seen:?}", before >> 20, most >> 20);
    for stream in &streams {
        let told =
            |e: &Event| matches!(e, Event::Undecodable(track, why) if *track == stream.track && why.contains('×'));
        let expected = usize::from(stream.bomb.is_some());
        assert_eq!(seen.iter().filter(|e| told(e)).count(), expected, "{}: {seen:?}", stream.track);
    }
    assert!(most < before + AT_MOST, "{} MiB more", (most - before) >> 20);
    // Sane again: all are back; the other one was never lost.
    play(&mut pipeline, &streams, &mut clock, false, &mut events, |seen, _| everybody(seen, Some("other")));
    pipeline.drain();
    let last =
        std::iter::from_fn(|| events.blocking_recv()).find(|e| matches!(e, Event::Drained { .. } | Event::Broke(_)));
    assert!(matches!(last, Some(Event::Drained { .. })), "{last:?}");
}

/// One frame that arrives now, with nothing missing before it.
fn unit(data: Bytes, rtp: u64, keyframe: bool) -> Unit {
    Unit { data, rtp, arrival: Instant::now(), contiguous: true, missing: 0, keyframe }
}
