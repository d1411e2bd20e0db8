//! What a file may be: picture, audio or both, each profile and frequency; finished, and left by a kill.

use std::path::PathBuf;

use greffier::pipeline::salvage;
use greffier::recording::{AudioSettings, Container, Profile};
use std::sync::atomic::AtomicU64;

use super::*;

/// Her flashes and beeps, 3 s of them, into a file of this kind; a copy of what a kill after 2.9 s would have left.
struct Made {
    file: PathBuf,
    killed: PathBuf,
    duration_ns: u64,
    _folder: tempfile::TempDir,
}

/// When her first flash or beep is to be found in the file.
const FIRST: f64 = 0.32;
/// How well the beginning of a beep can be found, seconds.
const EXACT: f64 = 0.0005;

fn make(output: &Output) -> Made {
    let ([ann_v, ann_a, ..], [ann, _]) = ids();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shape.mp4");
    let (frames, beeps) = (material::flashes(material::VP8, 320, 180, 3, 0), material::beeps(3, 1000.0, 0));
    let (tell, mut events) = unbounded_channel();
    let mut script = Script::new();
    let mut pipeline = Pipeline::start(output, file.clone(), script.start, tell).unwrap();
    pipeline.show(scene(&[&ann_v]), script.start);
    script.at(0, Act::Attach(ann_v.clone(), ann.clone(), Codec::Vp8));
    script.at(0, Act::Attach(ann_a.clone(), ann, Codec::Opus));
    script.stream(&ann_v, &frames, Way { captured: 300 * MS, delay: 20 * MS, rate: 90_000 }, &[]);
    script.stream(&ann_a, &beeps, Way { captured: 300 * MS, delay: 20 * MS, rate: 48_000 }, &[]);
    script.at(2900 * MS, Act::Copy);
    script.play(&mut pipeline, &file, 3400 * MS);
    let seen = all(&mut events);
    assert!(seen.contains(&Event::Flowing), "{seen:?}");
    // What is not recorded is not even decoded.
    assert_eq!(seen.contains(&Event::Decoding(ann_v)), output.video().is_some(), "{seen:?}");
    assert_eq!(seen.contains(&Event::Decoding(ann_a)), output.audio().is_some(), "{seen:?}");
    let Some(Event::Drained { bytes, duration_ns }) = seen.last() else { panic!("{seen:?}") };
    assert_eq!(*bytes, std::fs::metadata(&file).unwrap().len());
    let killed = file.with_extension("killed.mp4");
    Made { file, killed, duration_ns: *duration_ns, _folder: folder }
}

fn settings(profile: Profile, key_frame_interval: Duration) -> VideoSettings {
    VideoSettings { profile, key_frame_interval, ..*output().video().unwrap() }
}

/// The finished file and the salvaged one have these streams and nothing else, and are as long as they say.
fn streams(made: &Made, wanted: &[&str]) {
    let media = salvage(Container::Mp4, &made.killed, &AtomicU64::new(0)).unwrap().media;
    assert_eq!(media.bytes, std::fs::metadata(&made.killed).unwrap().len());
    assert!((1.0..=2.9).contains(&(media.duration_ns as f64 / 1e9)), "{media:?}");
    eprintln!("{wanted:?}: {:.3} s, killed {:.3} s", made.duration_ns as f64 / 1e9, media.duration_ns as f64 / 1e9);
    for (file, duration_ns) in [(&made.file, made.duration_ns), (&made.killed, media.duration_ns)] {
        assert_eq!(judge::boxes(file), ["ftyp", "mdat", "moov"]);
        let found = judge::probe(file, "stream=codec_name,profile,sample_rate,channels,start_pts");
        assert_eq!(found, wanted);
        let length: f64 = judge::probe(file, "format=duration")[0].parse().unwrap();
        assert!((length - duration_ns as f64 / 1e9).abs() < 0.05, "{length} {duration_ns}");
    }
}

/// Every flash stands where it should.
fn flashes(frames: &Judged, least: usize) {
    let flashes: Vec<f64> = frames.flashes(320, 100).into_iter().map(|n| n as f64 / 30.0).collect();
    assert!(flashes.len() >= least, "{flashes:?}");
    // The first picture is a flash, and stands from the beginning.
    assert!(frames.luma(320, 100)[0] > 140);
    check("flashes", &flashes, (1..=flashes.len()).map(|n| FIRST + n as f64), -HALF_TICK, HALF_TICK);
}

/// And every beep. At low frequencies a beep's own beginning blurs.
fn beeps(file: &Path, least: usize, tolerance: f64) {
    let onsets = judge::onsets(&judge::audio(file));
    assert!(onsets.len() >= least, "{onsets:?}");
    check("beeps", &onsets, (0..onsets.len()).map(|n| FIRST + n as f64), -tolerance, tolerance);
}

#[test]
fn the_picture_alone() {
    let made = make(&Output::silent_mp4(settings(Profile::High, Duration::from_millis(500))).unwrap());
    streams(&made, &["h264,High,0"]);
    let (width, height) = (WIDTH as usize, HEIGHT as usize);
    flashes(&Judged::silent(&made.file, width, height), 2);
    flashes(&Judged::silent(&made.killed, width, height), 0);
    let keys: Vec<f64> = judge::probe(&made.file, "packet=pts_time,flags")
        .iter()
        .filter_map(|line| line.split_once(",K").and_then(|(time, _)| time.parse().ok()))
        .collect();
    assert!(keys.len() >= 7 && keys.windows(2).all(|pair| pair[1] - pair[0] < 0.501), "{keys:?}");
}

#[test]
fn audio_alone_in_mp4() {
    let audio = AudioSettings { bitrate: 64, frequency: 44_100 };
    let made = make(&Output::audio_mp4().with_audio(audio).unwrap());
    streams(&made, &["aac,LC,44100,2,0"]);
    beeps(&made.file, 3, EXACT);
    beeps(&made.killed, 1, EXACT);
    let bitrate: f64 = judge::probe(&made.file, "stream=bit_rate")[0].parse().unwrap();
    assert!(bitrate < 80_000.0, "{bitrate}");
}

#[test]
fn both_at_another_frequency_are_in_step() {
    let audio = AudioSettings { frequency: 44_100, ..AudioSettings::DEFAULT };
    let video = settings(Profile::Baseline, Duration::from_secs(4));
    let made = make(&Output::mp4(video).unwrap().with_audio(audio).unwrap());
    streams(&made, &["h264,Constrained Baseline,0", "aac,LC,44100,2,0"]);
    flashes(&Judged::of(&made.file, WIDTH as usize, HEIGHT as usize), 2);
    beeps(&made.file, 3, EXACT);
    beeps(&made.killed, 1, EXACT);
}

#[test]
fn every_frequency_of_aac_keeps_its_time() {
    let threads = [96_000, 48_000, 16_000].map(|frequency| {
        std::thread::spawn(move || {
            let audio = AudioSettings { frequency, bitrate: 64 };
            let made = make(&Output::audio_mp4().with_audio(audio).unwrap());
            streams(&made, &[&format!("aac,LC,{frequency},2,0")]);
            eprintln!("{frequency} Hz:");
            beeps(&made.file, 3, if frequency < 32_000 { 0.003 } else { EXACT });
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}
