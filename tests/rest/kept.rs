//! What is finished is sacred: nothing that holds bytes is taken away unless it was stored, whatever came before.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use greffier::control::AtClose;
use greffier::db::{Change, Db};
use greffier::ids::RecordingId;
use greffier::recording::{Limits, Media, Options, Outcome, Output, Policy, Reason, Recording, Report, Request, State};
use greffier::spool::Spool;
use serde_json::json;

use crate::support::players;
use crate::support::stage::{Stage, broke, id};

/// The end of a finished Ogg file, a second long: its last page says that it is the last.
const FINISHED: &[u8] = b"OggS\0\x04\x80\xbb\0\0\0\0\0\0 and so on";

fn row(name: &str, state: State) -> Recording {
    let request = Request { room: name.into(), output: Output::ogg(), limits: Limits::default() };
    let (id, now) = (RecordingId::new(name), jiff::Timestamp::now());
    let (mut recording, _) =
        Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), now);
    recording.started_at = Some(now);
    recording.state = state;
    recording
}

/// As a process leaves it that was killed.
fn left_behind(folder: &Path, rows: &[(&str, State, &[u8], bool)]) {
    let (db, spool) = (Db::open(folder).unwrap(), Spool::open(folder).unwrap());
    for (name, state, bytes, sealed) in rows {
        let recording = row(name, state.clone());
        db.commit(Change { recordings: &[&recording], ..Change::default() }).unwrap();
        fs::write(spool.create(&recording.id, "ogg").unwrap(), bytes).unwrap();
        if *sealed {
            spool.seal(&recording.id, "ogg").unwrap();
        }
    }
}

fn aside(folder: &Path) -> Vec<PathBuf> {
    let there = fs::read_dir(folder.join("spool/lost+found"));
    there.map_or_else(|_| vec![], |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_file_is_stored_though_its_row_never_heard_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let ending = State::Ending { then: Outcome::Complete(Reason::Stopped) };
    left_behind(
        folder.path(),
        &[
            ("EG_active000000", State::Active, FINISHED, false),
            ("EG_ending000000", ending.clone(), FINISHED, false),
            ("EG_sealed000000", State::Active, FINISHED, true),
            ("EG_cut000000000", ending, b"half a file", true),
        ],
    );
    let stage = Stage::with(folder, None).await;
    for (name, details) in [
        ("EG_active000000", "the recorder finished by itself"),
        ("EG_ending000000", "stopped on request"),
        ("EG_sealed000000", "the recorder finished by itself"),
    ] {
        let saved = stage.until(name, "saved").await;
        assert_eq!(
            (&saved["error"], &saved["details"], &saved["duration"]),
            (&json!(null), &json!(details), &json!(1.0))
        );
        assert_eq!(fs::read(saved["path"].as_str().unwrap()).unwrap(), FINISHED);
    }
    let cut = stage.until("EG_cut000000000", "saved").await;
    assert!(cut["error"].as_str().unwrap().starts_with("interrupted"), "{cut}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_stored_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let then = Outcome::Complete(Reason::Stopped);
    left_behind(folder.path(), &[("EG_stored000000", State::Ended(then), b"it was stored", true)]);
    let spool = Spool::open(folder.path()).unwrap();
    fs::write(spool.create(&RecordingId::new("EG_nobodys00000"), "mp4").unwrap(), b"whose?").unwrap();
    spool.create(&RecordingId::new("EG_empty0000000"), "mp4").unwrap();
    let stage = Stage::with(folder, None).await;
    let (_, lost) = stage.start("loses", "screen_recording").await;
    stage.happens("loses", broke("the encoder failed"));
    stage.until(id(&lost), "failed_to_stop").await;
    let folder = stage.folder.path().to_owned();
    let found = async {
        while aside(&folder).is_empty() || folder.join("spool/EG_stored000000").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is set aside");
    assert_eq!(fs::read(aside(&folder)[0].join("recording.mp4.part")).unwrap(), b"some media");
    assert!(folder.join("spool/EG_nobodys00000").exists() && !folder.join("spool/EG_empty0000000").exists());
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_renamed_under_who_still_writes_it() {
    let stage = Stage::new().await;
    let (_, hung) = stage.start("hangs", "screen_recording").await;
    let launch = stage.cast.lock().unwrap()["hangs"].clone();
    stage.stop("hangs").await;
    let saved = stage.until(id(&hung), "saved").await;
    assert_eq!(saved["error"], "the recorder did not get on with its file for 400ms");
    assert_eq!(fs::read(saved["path"].as_str().unwrap()).unwrap(), b"some media");
    // What it was writing to is not lost, whatever it still writes.
    let kept = async {
        while aside(stage.folder.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), kept).await.expect("it is set aside");
    assert!(aside(stage.folder.path())[0].join("recording.mp4.part").exists());
    drop(launch);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_takes_away_only_what_it_stored() {
    let stage = Stage::new().await;
    let mut paths = Vec::new();
    for room in ["untouched", "replaced"] {
        let (_, started) = stage.start(room, "transcript").await;
        stage.stop(room).await;
        let saved = stage.until(id(&started), "saved").await;
        let path = PathBuf::from(saved["path"].as_str().unwrap());
        if room == "replaced" {
            // As long, and another one.
            fs::remove_file(&path).unwrap();
            fs::write(&path, b"newer film").unwrap();
        }
        let gone = format!("/api/v1.0/recordings/{}/", id(&started));
        let (status, answer) = stage.call("DELETE", &gone, None).await;
        assert!(status < 300, "{answer}");
        while stage.call("GET", &gone, None).await.0 != 404 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        paths.push(path);
    }
    assert!(!paths[0].exists());
    assert_eq!(fs::read(&paths[1]).unwrap(), b"newer film");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_sealed_at_once_is_sealed_later() {
    let stage = Stage::new().await;
    let (_, started) = stage.start("daily", "screen_recording").await;
    let spool = stage.folder.path().join("spool").join(id(&started));
    // A folder that is not empty has its place.
    let place = spool.join("recording.mp4");
    fs::create_dir_all(place.join("in the way")).unwrap();
    stage.stop("daily").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    fs::remove_dir_all(&place).unwrap();
    stage.until(id(&started), "saved").await;
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_made_whole_while_new_ones_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let saving = State::Saving { then: Outcome::Complete(Reason::Stopped), media: Media { bytes: 5, duration_ns: 1 } };
    left_behind(folder.path(), &[("daily", State::Active, b"half", false), ("weekly", saving, b"whole", false)]);
    let stage = Stage::with(folder, None).await;
    let (status, answer) = stage.start("daily", "transcript").await;
    assert_eq!(status, 201, "what was interrupted does not hold the room: {answer}");
    stage.happens("daily", Report::RoomClosed("over".into()));
    stage.until(id(&answer), "saved").await;
    stage.until("daily", "saved").await;
    stage.until("weekly", "saved").await;
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

/// Writes a film of an hour, as a kill leaves it: the fragments of the sample again and again, with holes for their media.
fn hour(sample: &[u8], path: &Path) {
    let mut boxes = Vec::new();
    let mut rest = sample;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let Some((whole, behind)) = rest.split_at_checked(size) else { break };
        boxes.push((whole[4..8].to_vec(), whole));
        rest = behind;
    }
    let file = fs::File::create(path).unwrap();
    let mut at = 0;
    let mut write = |bytes: &[u8], size: usize| {
        file.write_all_at(bytes, at).unwrap();
        at += size as u64;
    };
    let begin = boxes.iter().position(|(kind, _)| kind == b"moof").unwrap();
    boxes[..begin].iter().for_each(|(_, whole)| write(whole, whole.len()));
    let fragments: Vec<_> = boxes[begin..].chunks_exact(2).filter(|pair| pair[1].0 == b"mdat").collect();
    // The sample has 20 s.
    for pair in fragments.iter().cycle().take(180 * fragments.len()) {
        let (moof, mdat) = (pair[0].1, pair[1].1);
        write(moof, moof.len());
        write(&mdat[..8], mdat.len());
    }
    file.set_len(at).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_hours_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("sample.mp4");
    players::fragmented(&made, &folder.path().join("early.mp4"));
    let sample = fs::read(&made).unwrap();
    let names: Vec<_> = (0..3).map(|n| format!("EG_hour{n:08}")).collect();
    {
        let (db, spool) = (Db::open(folder.path()).unwrap(), Spool::open(folder.path()).unwrap());
        let layout = greffier::recording::layout_named("layout", "grid").unwrap();
        for name in &names {
            let mut recording = row(name, State::Ending { then: Outcome::Complete(Reason::Stopped) });
            recording.request.output = Output::mp4(greffier::recording::VideoSettings::preset(layout)).unwrap();
            recording.key = format!("recordings/{name}.mp4");
            db.commit(Change { recordings: &[&recording], ..Change::default() }).unwrap();
            hour(&sample, &spool.create(&recording.id, "mp4").unwrap());
        }
    }
    let begun = Instant::now();
    let stage = Stage::with(folder, None).await;
    assert_eq!(stage.call("GET", "/health", None).await.0, 200);
    let answered = begun.elapsed();
    for name in &names {
        let saved = stage.until(name, "saved").await;
        let length = saved["duration"].as_f64().unwrap();
        assert!((3500.0..3700.0).contains(&length), "{saved}");
    }
    eprintln!("answers after {answered:?}, {} films of an hour made whole after {:?}", names.len(), begun.elapsed());
    assert!(answered < Duration::from_secs(3), "{answered:?}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
