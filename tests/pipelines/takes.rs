//! A recording that is interrupted and goes on in the same file: every flash and beep of both takes stands where it was, and the
//! time between is silence.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use greffier::pipeline::Take;
use greffier::recording::{AudioSettings, Container};

use super::*;

/// When the first take is killed, and when the next ones begin; the last one ends at `END`.
const KILLED: i64 = 3600 * MS;
const RESUMED: i64 = 6 * SECOND;
const END: i64 = 9400 * MS;
/// When the flash or beep of second zero is to be found.
const FIRST: f64 = 0.32;

struct Made {
    file: PathBuf,
    /// What the first take has left, in recording time.
    left: f64,
    duration: f64,
    _folder: tempfile::TempDir,
}

/// What she sends of this material in these nanoseconds of the recording.
fn part(material: &[Encoded], from: i64, to: i64) -> Vec<Encoded> {
    let inside = |unit: &&Encoded| (from..to).contains(&unit.time_ns);
    let copy = |unit: &Encoded| Encoded { data: unit.data.clone(), ..*unit };
    material.iter().filter(inside).map(copy).collect()
}

fn two_takes(output: &Output) -> Made {
    let ([ann_v, ann_a, ..], [ann, _]) = ids();
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first.mp4");
    let file = first.with_extension("killed.mp4");
    let (frames, beeps) = (material::flashes(material::VP8, 320, 180, 9, 0), material::beeps(9, 1000.0, 0));
    let start = Instant::now();
    let play = |pipeline: &mut Pipeline, from: i64, to: i64, end: i64, copy: Option<i64>| {
        let mut script = Script { start, acts: Vec::new() };
        pipeline.show(scene(&[&ann_v]), Instant::now());
        script.at(from, Act::Attach(ann_v.clone(), ann.clone(), Codec::Vp8));
        script.at(from, Act::Attach(ann_a.clone(), ann.clone(), Codec::Opus));
        let way = |rate| Way { captured: 300 * MS, delay: 20 * MS, rate };
        script.stream(&ann_v, &part(&frames, from, to), way(90_000), &[]);
        script.stream(&ann_a, &part(&beeps, from, to), way(48_000), &[]);
        if let Some(at) = copy {
            script.at(at, Act::Copy);
        }
        script.play(pipeline, &first, end);
    };
    let (tell, mut events) = unbounded_channel();
    let mut pipeline = Pipeline::start(output, first.clone(), start, tell).unwrap();
    play(&mut pipeline, 0, 4 * SECOND, 4 * SECOND, Some(KILLED));
    assert!(matches!(all(&mut events).last(), Some(Event::Drained { .. })));
    drop(pipeline);

    sleep_until(start, RESUMED);
    let take = Take::reopen(output.container(), &file, &AtomicU64::new(0)).unwrap().expect("something is in it");
    let left = take.begin() as f64 / 1e9;
    // A hole is declared from where the first track ends; what is there of the other is not relied upon.
    let whole = take.whole() as f64 / 1e9;
    assert!(whole <= left && left - whole < 1.1, "{whole} {left}");
    let (tell, mut events) = unbounded_channel();
    let card = "Interrupted 14:03:10 – 14:03:14 UTC".to_owned();
    let mut pipeline = Pipeline::resume(output, file.clone(), start, (take, card), tell).unwrap();
    let before = pipeline.stats().duration_ns as f64 / 1e9;
    assert!(before >= left - 0.05, "{before} {left}");
    play(&mut pipeline, RESUMED, 9 * SECOND, END, None);
    let seen = all(&mut events);
    assert!(!seen.iter().any(|event| matches!(event, Event::Hole { .. } | Event::Undecodable(..))), "{seen:?}");
    let Some(Event::Drained { bytes, duration_ns }) = seen.last() else { panic!("{seen:?}") };
    assert_eq!(*bytes, std::fs::metadata(&file).unwrap().len());
    Made { file, left, duration: *duration_ns as f64 / 1e9, _folder: folder }
}

/// All flashes or beeps stand where they should. Tracks end with fragments of a second, so of what was said in the last one before
/// the kill something may be there. A take begins with the first frame that comes, in time or not: `began` seconds are its own.
fn all_there(name: &str, made: &Made, found: Vec<f64>, began: f64) {
    let resumed = RESUMED as f64 / 1e9;
    let unsure = [0.0..began, made.left - 1.1..made.left, resumed..resumed + began];
    let sure = |at: &f64| !unsure.iter().any(|span| span.contains(at));
    let said = (0..9).map(|n| FIRST + f64::from(n)).filter(|at| *at < made.left || *at > resumed);
    let found: Vec<f64> = found.into_iter().filter(sure).collect();
    check(name, &found, said.filter(sure), -HALF_TICK, HALF_TICK);
}

/// Nothing in the file makes a decoder complain, and no time is missing in it.
fn whole(made: &Made) {
    let out = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-i"])
        .arg(&made.file)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!((made.duration - 9.4).abs() < 0.1, "{}", made.duration);
    let length: f64 = judge::probe(&made.file, "format=duration")[0].parse().unwrap();
    assert!((length - made.duration).abs() < 0.05, "{length} {}", made.duration);
    assert!(made.left > 1.4, "{} s of {KILLED} ns are left", made.left);
}

fn beeps(made: &Made) {
    let audio = judge::audio(&made.file);
    // Decoders give no sample for time without packets: so there is none.
    assert!((audio.len() as f64 / 48_000.0 - made.duration).abs() < 0.03, "{} {}", audio.len(), made.duration);
    all_there("beeps", made, judge::onsets(&audio), 0.0);
    let quiet = &audio[(made.left * 48_000.0) as usize..(RESUMED as f64 / 1e9 * 48_000.0) as usize];
    assert!(quiet.iter().all(|sample| sample.abs() < 0.001), "nothing is heard of the time between");
}

/// Times of the frames in which a flash begins.
fn flashes(made: &Made) {
    let judged = Judged::silent(&made.file, WIDTH as usize, HEIGHT as usize);
    let lines = judge::probe(&made.file, "frame=media_type,pts_time");
    let video = lines.iter().filter_map(|line| line.strip_prefix("video,"));
    let times: Vec<f64> = video.filter_map(|time| time.split(',').next()?.parse().ok()).collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
    let found: Vec<f64> = judged.flashes(160, 100).into_iter().map(|n| times[n]).collect();
    all_there("flashes", made, found, 0.5);
    let between = times.iter().filter(|at| (made.left + 0.1..5.4).contains(*at)).count();
    assert_eq!(between, 0, "the card is one frame that lasts");
    let card = times.iter().position(|at| *at > made.left - 0.02).expect("a frame begins where the first take ends");
    let corner = judged.luma(20, 20);
    let (last, behind) = (f64::from(corner[card - 1]), f64::from(corner[card]));
    assert!(last > 40.0, "there is something to be seen: {last}");
    assert!((behind - last * 3.0 / 8.0).abs() < 6.0, "the last picture, dimmed: {last} → {behind}");
}

#[test]
fn a_film_goes_on_in_its_file() {
    let made = two_takes(&output());
    whole(&made);
    assert_eq!(judge::boxes(&made.file), ["ftyp", "mdat", "moov"]);
    beeps(&made);
    flashes(&made);
}

#[test]
fn video_alone_goes_on_in_its_file() {
    let made = two_takes(&Output::silent_mp4(*output().video().unwrap()).unwrap());
    whole(&made);
    flashes(&made);
}

#[test]
fn audio_alone_goes_on_in_its_file() {
    let cd = AudioSettings { frequency: 44_100, ..AudioSettings::DEFAULT };
    for output in [Output::audio_mp4(), Output::audio_mp4().with_audio(cd).unwrap(), Output::ogg()] {
        let made = two_takes(&output);
        whole(&made);
        beeps(&made);
        if output.container() == Container::Ogg {
            let again = Take::reopen(Container::Ogg, &made.file, &AtomicU64::new(0)).unwrap();
            assert_eq!(again, None, "a stream that has ended is not gone on with");
        }
    }
}
