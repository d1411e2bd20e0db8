//! The store keeps what it was given, in order, and has one owner.

use std::slice;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::error::ErrorKind;
use crate::recording::{
    After, Encoding, Event, Failure, Limits, Media, Options, Outcome, Part, Policy, Reason, Recording, Request, State,
    Target, WorkerClasses,
};

fn recording(name: &str, second: i64, mode: &str, state: State) -> Recording {
    let output = WorkerClasses::default().of(mode).unwrap().output(&Encoding::default(), "").unwrap();
    let request = Request {
        room: format!("room of {name}"),
        output,
        limits: Limits { max_duration: Some(std::time::Duration::from_secs(3)), ..Limits::default() },
    };
    let options = Options { language: Some("fr".into()), transcribe: Some(true), ..Options::default() };
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
    let (mut recording, _) =
        Recording::begin(RecordingId::new(name), mode.into(), request, options, &Policy::default(), now);
    recording.state = state;
    recording.started_at = Some(now);
    recording
}

fn some() -> Vec<Recording> {
    let media = Media { bytes: 7, duration_ns: 5 };
    let stopped = Outcome::Complete(Reason::Stopped);
    let states = [
        State::Starting,
        State::Active,
        State::Ending { then: Outcome::LimitReached(crate::recording::Limit::Duration) },
        State::Saving { then: stopped.clone(), media },
        State::Ended(stopped),
        State::Ended(Outcome::Failed(Failure::new(ErrorKind::Internal, "no"))),
        State::Ended(Outcome::Aborted(Reason::RoomClosed("gone".into()))),
        State::Ended(Outcome::CutShort(Failure::new(ErrorKind::Internal, "disk"))),
    ];
    let of = |(n, state): (usize, State)| {
        let mode = if n % 2 == 0 { "screen_recording" } else { "transcript" };
        recording(&format!("EG_{n}"), n as i64, mode, state)
    };
    states.into_iter().enumerate().map(of).collect()
}

#[test]
fn every_state_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let all = some();
    {
        let db = Db::open(dir.path()).unwrap();
        db.commit(Change { recordings: &all.iter().collect::<Vec<_>>(), ..Change::default() }).unwrap();
    }
    let db = Db::open(dir.path()).unwrap();
    for recording in &all {
        assert_eq!(db.get(&recording.id).unwrap().as_ref(), Some(recording));
    }
    assert_eq!(db.get(&RecordingId::new("EG_none")).unwrap(), None);
    assert_eq!(db.unended().unwrap(), all[..4]);
    let page = db.page(1, 3).unwrap();
    assert_eq!(page.count, all.len());
    assert_eq!(page.recordings.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["EG_6", "EG_5", "EG_4"]);
    assert!(db.page(100, 3).unwrap().recordings.is_empty());
}

#[test]
fn a_second_owner_is_told_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Db::open(dir.path()).unwrap();
    let error = Db::open(dir.path()).unwrap_err().message;
    assert!(error.starts_with("data_dir: ") && error.contains("in use by another greffier"), "{error}");
}

#[test]
fn a_row_of_a_later_version_is_refused() {
    let error = row::decode(&[9, b'{', b'}']).unwrap_err();
    assert_eq!(error, "it has version 9, this program knows 1");
}

#[test]
fn every_kind_of_output_is_kept_and_older_rows_are_read() {
    use crate::recording::{AudioSettings, Output, Profile, VideoSettings};
    let mut one = recording("EG_1", 1, "screen_recording", State::Active);
    let video = VideoSettings {
        profile: Profile::High,
        key_frame_interval: std::time::Duration::from_millis(2567),
        ..*one.request.output.video().unwrap()
    };
    let audio = AudioSettings { bitrate: 96, frequency: 44_100 };
    for output in [
        Output::mp4(video).unwrap().with_audio(audio).unwrap(),
        Output::silent_mp4(video).unwrap(),
        Output::audio_mp4().with_audio(audio).unwrap(),
        Output::ogg(),
    ] {
        one.request.output = output;
        assert_eq!(row::decode(&row::encode(&one).unwrap()).unwrap(), one);
    }
    // As version 0.1.0 wrote it before there were profiles, frequencies and silent files.
    let usual = recording("EG_1", 1, "screen_recording", State::Active);
    let bytes = row::encode(&usual).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&bytes[1..]).unwrap();
    let fields = json.as_object_mut().unwrap();
    assert!(fields.remove("audio_frequency").is_some() && fields.remove("silent").is_some());
    let video = fields["video"].as_object_mut().unwrap();
    assert!(video.remove("profile").is_some());
    assert_eq!(video.insert("key_frame_interval".into(), 4.into()), Some(4.0.into()));
    let old = [&bytes[..1], &serde_json::to_vec(&json).unwrap()].concat();
    assert_eq!(row::decode(&old).unwrap(), usual);
}

#[test]
fn a_row_that_cannot_be_read_stands_in_nobodys_way_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) =
        (recording("EG_1", 1, "transcript", State::Active), recording("EG_2", 2, "transcript", State::Active));
    let job = Job::new(good.id.clone(), Task::Upload, Timestamp::UNIX_EPOCH);
    let later = [&[9_u8][..], b"of a later version"].concat();
    let row = {
        let db = Db::open(dir.path()).unwrap();
        db.commit(Change { recordings: &[&good, &bad], jobs: &[&job], ..Change::default() }).unwrap();
        let spoil = |trees: &Trees| {
            let row = trees.recordings.insert(key_of(&bad), later.as_slice())?;
            trees.jobs.insert(b"EG_2\0object\0\0", b"\x01{")?;
            Ok(row)
        };
        let row = db.store.write(spoil).unwrap().unwrap();
        assert_eq!(db.unended().unwrap(), slice::from_ref(&good));
        assert_eq!(db.jobs().unwrap(), slice::from_ref(&job));
        assert_eq!(db.page(0, 10).unwrap().recordings, slice::from_ref(&good));
        assert_eq!(db.get(&bad.id).unwrap(), None);
        let aside = db.store.read(|trees| trees.undecodable.get(b"recording\0EG_2")).unwrap();
        assert_eq!(aside.unwrap(), later, "with its bytes");
        row
    };
    // Its copy is the later version's too.
    std::fs::write(dir.path().join("rows/EG_2"), &later).unwrap();
    let db = reopened(dir.path());
    assert_eq!(db.unended().unwrap(), slice::from_ref(&good), "nobody can read it yet");
    db.store.write(|trees| trees.undecodable.insert(b"recording\0EG_2", row).map(|_| ())).unwrap();
    drop(db);
    assert_eq!(reopened(dir.path()).unended().unwrap(), [good, bad], "this program can");
}

/// sled lets go of its files a moment after the last handle is gone.
fn reopened(folder: &std::path::Path) -> Db {
    let began = std::time::Instant::now();
    loop {
        match Db::open(folder) {
            Ok(db) => return db,
            Err(error) => assert!(began.elapsed() < std::time::Duration::from_secs(20), "{error}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn jobs_of_the_version_before_are_read_and_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let times = r#""created_at":"1970-01-01T00:00:01Z","attempts":2,"not_before":"1970-01-01T00:00:03Z""#;
    let rows = [(r#""upload""#, b'\0'), (r#"{"remove":{"object":true}}"#, b'\x01')];
    for (task, rank) in rows {
        let row = format!("\x01{{\"recording\":\"EG_1\",\"task\":{task},{times}}}");
        let key = [&b"EG_1\0object\0"[..], &[rank]].concat();
        db.store.write(|trees| trees.jobs.insert(&key, row.as_bytes()).map(|_| ())).unwrap();
    }
    let second = |n| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(n);
    let of = |task| Job { attempts: 2, not_before: second(3), ..Job::new(RecordingId::new("EG_1"), task, second(1)) };
    let jobs = db.jobs().unwrap();
    assert_eq!(jobs, [of(Task::Upload), of(Task::Remove { object: true })]);
    db.commit(Change { done: &jobs.iter().collect::<Vec<_>>(), ..Change::default() }).unwrap();
    assert!(db.jobs().unwrap().is_empty());
}

#[test]
fn a_checkpoint_of_ten_thousand_parts_is_small_and_older_ones_are_read() {
    let part = |index| Part { index, bytes: 5 << 20, crc32: !index, id: format!("\"{index:032x}\"") };
    let last = Part { bytes: 17, id: "of another store".into(), ..part(9_999) };
    let parts: Vec<_> = (0..9_999).map(part).chain([last]).collect();
    let many = Checkpoint { upload: "u".into(), parts, part: 5 << 20, unanswered: 1, stuck: None };
    let row = job::encode_checkpoint(&many).unwrap();
    assert!(row.len() < 350_000, "{} bytes", row.len());
    assert_eq!(job::decode_checkpoint(&row).unwrap(), many);
    let old = b"\x01{\"upload\":\"u\",\"parts\":[{\"index\":1,\"bytes\":5,\"crc32\":7,\"id\":\"x\"}]}";
    let parts = vec![Part { index: 1, bytes: 5, crc32: 7, id: "x".into() }];
    let wanted = Checkpoint { upload: "u".into(), parts, ..Checkpoint::default() };
    assert_eq!(job::decode_checkpoint(old).unwrap(), wanted);
}

#[test]
fn what_a_job_waits_for_is_kept() {
    let one = recording("EG_1", 1, "transcript", State::Active);
    let after = After {
        event: Event::Ending,
        to: Target::LiveKit,
        settled: SignedDuration::from_millis(2100),
        at_most: SignedDuration::from_secs(4),
    };
    let job = Job { after: Some(after), ..Job::new(one.id, Task::Publish, Timestamp::UNIX_EPOCH) };
    assert_eq!(job::decode(&job::encode(&job).unwrap()).unwrap(), job);
    // What waits for nothing is written as before.
    let bytes = job::encode(&Job { after: None, ..job }).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("after"));
}

#[test]
fn names_belong_to_the_newest_that_left_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let of = |name: &str, second: i64| {
        let mut one = recording(name, second, "transcript", State::Ended(Outcome::Complete(Reason::Stopped)));
        (one.key, one.request.room) = ("daily.ogg".into(), "daily".into());
        one.options.idempotency_key = Some("once".into());
        one
    };
    let owner = || {
        let ids = [db.with_key("daily.ogg").unwrap(), db.started_with("daily", "once").unwrap()];
        ids.map(|owner| owner.map(|owner| owner.id.to_string()))
    };
    let names = |id: &str| [Some(id.to_owned()), Some(id.to_owned())];
    let (yesterday, today, mut tomorrow) = (of("EG_1", 1), of("EG_2", 2), of("EG_3", 3));
    for recording in [&yesterday, &today] {
        db.commit(Change { recordings: &[recording], ..Change::default() }).unwrap();
    }
    assert_eq!(owner(), names("EG_2"));
    // The older one changes once more, and goes.
    db.commit(Change { recordings: &[&yesterday], ..Change::default() }).unwrap();
    assert_eq!(owner(), names("EG_2"));
    db.commit(Change { forgotten: &[&yesterday], ..Change::default() }).unwrap();
    assert_eq!(owner(), names("EG_2"));
    // One that failed leaves the name to whoever is written next.
    tomorrow.state = State::Ended(Outcome::Failed(Failure::new(ErrorKind::Internal, "no")));
    db.commit(Change { recordings: &[&tomorrow], ..Change::default() }).unwrap();
    assert_eq!(owner(), names("EG_3"));
    db.commit(Change { recordings: &[&today], ..Change::default() }).unwrap();
    assert_eq!(owner(), names("EG_2"));
}

#[test]
fn what_has_not_ended_keeps_nothing_from_expiring() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let then = Outcome::Complete(Reason::Stopped);
    let late = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    let of = |n: i64, state: State| {
        let mut one = recording(&format!("EG_{n:03}"), n, "transcript", state);
        one.expires_at = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(n));
        one
    };
    for n in 0..20 {
        let object = true;
        let state = if n % 2 == 0 { State::Active } else { State::Removing { outcome: then.clone(), object } };
        db.commit(Change { recordings: &[&of(n, state)], ..Change::default() }).unwrap();
    }
    let due = of(30, State::Notified(then));
    db.commit(Change { recordings: &[&due], ..Change::default() }).unwrap();
    assert_eq!(db.expired(late, 10).unwrap(), [due]);
}

#[test]
fn what_was_stored_is_forgotten_with_its_recording() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let one = recording("EG_1", 1, "transcript", State::Active);
    let stored = Stored { bytes: 7, etag: Some("a".into()) };
    db.keep_stored(&one.id, &stored).unwrap();
    assert_eq!(db.stored(&one.id).unwrap(), Some(stored));
    db.commit(Change { forgotten: &[&one], ..Change::default() }).unwrap();
    assert_eq!(db.stored(&one.id).unwrap(), None);
}

#[test]
fn lists_are_read_by_room_and_by_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut all: Vec<_> = (0..30).map(|n| recording(&format!("EG_{n:02}"), n, "transcript", State::Active)).collect();
    for (n, recording) in all.iter_mut().enumerate() {
        // One room's name is the beginning of another's.
        recording.request.room = ["a", "ab", ""][n % 3].to_owned();
    }
    let newest = |room: &str| -> Vec<_> {
        all.iter().rev().filter(|one| one.request.room == room).map(|one| one.id.clone()).collect()
    };
    let ids = |recordings: &[Recording]| recordings.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    {
        let db = Db::open(dir.path()).unwrap();
        db.commit(Change { recordings: &all.iter().collect::<Vec<_>>(), ..Change::default() }).unwrap();
        for room in ["a", "ab", ""] {
            let page = db.page_of_room(room, 3, 4).unwrap();
            assert_eq!((page.count, ids(&page.recordings)), (10, newest(room)[3..7].to_vec()), "{room:?}");
        }
        assert_eq!(db.page_of_room("b", 0, 4).unwrap().count, 0);
        // Page after page, each behind the last one, also when the one before is gone meanwhile.
        for room in [None, Some("a"), Some("ab")] {
            let (mut cursor, mut seen) = (None, Vec::new());
            loop {
                let page = db.behind(room, cursor.as_ref(), 4).unwrap();
                let Some(last) = page.last() else { break };
                cursor = Some(Cursor::from_token(&Cursor::behind(last).token()).unwrap());
                seen.extend(ids(&page));
            }
            let wanted = room.map_or_else(|| all.iter().rev().map(|one| one.id.clone()).collect(), newest);
            assert_eq!(seen, wanted, "{room:?}");
        }
        for wrong in ["", "x", "0", "zz", &"é".repeat(20), &"0".repeat(31), &"0".repeat(2000)] {
            assert_eq!(Cursor::from_token(wrong), None, "{wrong}");
        }
        let (count, found) = db.newest(5).unwrap();
        assert_eq!((count, found), (30, all.iter().rev().take(5).map(|one| one.id.clone()).collect()));
        // Who is about to be removed is not listed, who is removed neither.
        let outcome = Outcome::Complete(Reason::Stopped);
        let going = Recording { state: State::Removing { outcome, object: true }, ..all[0].clone() };
        db.commit(Change { recordings: &[&going], forgotten: &[&all[3]], ..Change::default() }).unwrap();
        assert_eq!(db.page_of_room("a", 0, 100).unwrap().count, 8);
        // A store of an earlier version has no such index.
        db.store.write(|trees| trees.by_room.clear()).unwrap();
    }
    let db = Db::open(dir.path()).unwrap();
    assert_eq!(ids(&db.page_of_room("a", 0, 100).unwrap().recordings), newest("a")[..8].to_vec());
}

/// `testdata/rows` was written before there was an [`Origin`].
#[test]
fn rows_of_every_origin_are_read_and_written_as_ever() {
    use crate::recording::{EgressRequest, Origin};
    let rows = include_str!("../../testdata/rows/recordings.jsonl");
    let request = || EgressRequest {
        room_id: "RM_1".into(),
        request: vec![18, 2, 10, 0],
        manifest: true,
        location: Some("https://minio/meet/a.mp4".into()),
    };
    let mine = EgressRequest { room_id: String::new(), manifest: false, location: None, ..request() };
    let webhook = Some("https://example.org/hook".into());
    let origins = [Origin::Rest, Origin::Server(request()), Origin::Twirp { request: mine, webhook }, Origin::Rest];
    assert_eq!(rows.lines().count(), origins.len());
    for (line, origin) in rows.lines().zip(origins) {
        let bytes = [&[1], line.as_bytes()].concat();
        let recording = row::decode(&bytes).unwrap();
        assert_eq!(recording.options.origin, origin, "{line}");
        assert_eq!(String::from_utf8(row::encode(&recording).unwrap()).unwrap(), String::from_utf8(bytes).unwrap());
    }
    let line = include_str!("../../testdata/rows/jobs.jsonl").trim_end();
    let bytes = [&[1], line.as_bytes()].concat();
    let job = job::decode(&bytes).unwrap();
    let Task::Notify { about, .. } = &job.task else { panic!("{job:?}") };
    assert!(about.options.origin.notifies_server());
}
