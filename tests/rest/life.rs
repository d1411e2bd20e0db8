//! What a client sees of a recording's life, and of its own mistakes.

use std::fs;
use std::path::PathBuf;

use greffier::control::{AtClose, Timeouts};
use greffier::error::ErrorKind;
use greffier::recording::{Failure, Report};
use greffier::sidecar::Sidecar;
use serde_json::{Value, json};

use crate::support::stage::{Cast, Stage, broke, config, id, launcher};

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_lives_from_start_to_file() {
    let stage = Stage::new().await;
    let (status, started) = stage.start("daily", "screen_recording").await;
    assert_eq!(status, 201, "{started}");
    assert_eq!(started["message"], "Recording successfully started for room daily");
    let running = stage.item(id(&started)).await;
    assert_eq!((&running["status"], &running["egress_status"]), (&json!("active"), &json!("EGRESS_ACTIVE")));
    assert_eq!(running["progress"]["speaker"], "Ada");
    assert_eq!(running["path"], Value::Null);

    let (status, stopped) = stage.stop("daily").await;
    assert_eq!((status, &stopped["message"]), (200, &json!("Recording stopped for room daily.")));
    let saved = stage.until(id(&started), "saved").await;
    let path = PathBuf::from(saved["path"].as_str().unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"some media");
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{}.mp4", id(&started)));
    assert_eq!((&saved["size"], &saved["duration"]), (&json!(10), &json!(2.5)));
    assert_eq!((&saved["egress_status"], &saved["error"]), (&json!("EGRESS_COMPLETE"), &Value::Null));
    assert_eq!((&saved["room"]["name"], &saved["progress"]), (&json!("daily"), &Value::Null));
    stage.freed().await;

    let (status, answer) = stage.stop("daily").await;
    assert_eq!((status, &answer["detail"]), (404, &json!("No active recording found for this room.")));
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_may_have_a_storage_of_its_own() {
    let own = tempfile::tempdir().unwrap();
    let yaml = format!(
        "worker_classes: {{transcript: {{class: audio_composite, storage: {{local: {{path: '{}'}}, prefix: minutes}}}}}}",
        own.path().display()
    );
    let stage = Stage::configured(tempfile::tempdir().unwrap(), None, &yaml).await;
    let mut paths = Vec::new();
    for mode in ["screen_recording", "transcript"] {
        let (_, started) = stage.start("daily", mode).await;
        stage.stop("daily").await;
        let saved = stage.until(id(&started), "saved").await;
        paths.push(PathBuf::from(saved["path"].as_str().unwrap()));
        assert_eq!(fs::read(paths.last().unwrap()).unwrap(), b"some media");
    }
    assert!(paths[0].starts_with(stage.folder.path()), "{paths:?}");
    assert!(paths[1].starts_with(own.path().join("minutes/recordings")), "{paths:?}");
    // Repeated with its name it is the same start, wherever it is stored.
    let named = json!({"mode": "transcript", "options": {"idempotency_key": "once"}});
    let path = "/api/v1.0/rooms/weekly/start-recording/";
    let (status, first) = stage.call("POST", path, Some(named.clone())).await;
    let stage = stage.restart().await;
    let again = stage.call("POST", path, Some(named)).await;
    assert_eq!((status, again.0, id(&again.1)), (201, 201, id(&first)));
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_at_once_and_exactly_one_wins() {
    let stage = Stage::new().await;
    let calls = (0..10).map(|_| stage.start("daily", "transcript"));
    let answers = futures_util::future::join_all(calls).await;
    let of = |wanted| answers.iter().filter(|(status, _)| *status == wanted).count();
    assert_eq!((of(201), of(409)), (1, 9), "{answers:?}");
    let (_, refused) = answers.iter().find(|(status, _)| *status == 409).unwrap();
    assert_eq!(refused["error"], "A recording is already in progress for room daily");
    assert_eq!(stage.start("another", "transcript").await.0, 201, "other rooms are free");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_says_why_and_frees_the_room() {
    let stage = Stage::new().await;
    for (room, reason) in [
        ("wrong-key", "api_key: the server does not accept this key"),
        ("deaf", "did not join the room within 400ms"),
        ("dies", "the recorder died"),
    ] {
        for _ in 0..2 {
            let (status, answer) = stage.start(room, "screen_recording").await;
            assert_eq!(status, 502, "{answer}");
            assert_eq!(answer["error"], format!("Recording failed to start for room {room}: {reason}"));
        }
    }
    let (status, answer) = stage.start("nowhere", "screen_recording").await;
    assert_eq!(status, 404, "{answer}");
    assert_eq!(answer["error"], "room: \"nowhere\" does not exist");
    let (_, list) = stage.call("GET", "/api/v1.0/recordings/", None).await;
    assert_eq!(list["count"], 7);
    for item in list["results"].as_array().unwrap() {
        assert_eq!((&item["status"], &item["egress_status"]), (&json!("failed_to_start"), &json!("EGRESS_FAILED")));
        assert!(item["ended_at"].is_string() && item["error"].is_string() && item["path"].is_null());
    }
    stage.freed().await;
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_by_itself_ends_well() {
    let stage = Stage::new().await;
    let (_, closed) = stage.start("closes", "screen_recording").await;
    stage.happens("closes", Report::RoomClosed("the room was closed".into()));
    let closed = stage.until(id(&closed), "saved").await;
    assert_eq!(closed["details"], "the room was closed");

    let (_, broken) = stage.start("breaks", "screen_recording").await;
    stage.happens(
        "breaks",
        Report::Broke { failure: Failure::new(ErrorKind::Internal, "the disk is full"), salvaged: Some((10, 7)) },
    );
    let broken = stage.until(id(&broken), "saved").await;
    assert_eq!((&broken["error"], &broken["egress_status"]), (&json!("the disk is full"), &json!("EGRESS_COMPLETE")));

    let (_, lost) = stage.start("loses", "screen_recording").await;
    stage.happens("loses", broke("the encoder failed"));
    let lost = stage.until(id(&lost), "failed_to_stop").await;
    assert_eq!(lost["error"], "the encoder failed");

    let (_, hung) = stage.start("hangs", "screen_recording").await;
    assert_eq!(stage.stop("hangs").await.0, 200);
    assert_eq!(stage.stop("hangs").await.0, 200, "stopping twice does no harm");
    let hung = stage.until(id(&hung), "saved").await;
    assert_eq!(hung["error"], "the recorder did not get on with its file for 400ms");
    assert_eq!(hung["duration"], 1.5, "as far as was known");

    let (_, empty) = stage.start("instant", "transcript").await;
    assert_eq!(stage.stop("instant").await.0, 200);
    let empty = stage.until(id(&empty), "aborted").await;
    assert_eq!(empty["egress_status"], "EGRESS_ABORTED");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_while_starting_is_answered_on_both_sides() {
    let stage = Stage::new().await;
    let (start, stop) = tokio::join!(stage.start("deaf", "transcript"), async {
        while stage.cast.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        stage.stop("deaf").await
    });
    assert_eq!(stop.0, 200);
    assert!(start.0 >= 400, "nothing was recorded: {start:?}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_names_its_field() {
    let stage = Stage::new().await;
    let start = "/api/v1.0/rooms/daily/start-recording/";
    for (body, field) in [
        ("", "body"),
        ("{", "body"),
        ("[]", "body"),
        ("{}", "mode"),
        (r#"{"mode": "video"}"#, "mode"),
        (r#"{"mode": 7}"#, "mode"),
        (r#"{"mode": "transcript", "x": 1}"#, "x"),
        (r#"{"mode": "transcript", "options": {"layout": "grid"}}"#, "options.layout"),
        (r#"{"mode": "screen_recording", "options": {"layout": "mosaic"}}"#, "options.layout"),
        (r#"{"mode": "screen_recording", "options": {"width": 1281}}"#, "options.width"),
        (r#"{"mode": "screen_recording", "options": {"height": 10}}"#, "options.height"),
        (r#"{"mode": "screen_recording", "options": {"framerate": 1000}}"#, "options.framerate"),
        (r#"{"mode": "screen_recording", "options": {"video_bitrate": 4000000000}}"#, "options.video_bitrate"),
        (&format!("{{\"mode\": \"{}\"}}", "x".repeat(20_000)), "body"),
    ] {
        let (status, answer) = stage.call_raw("POST", start, Some(body.to_owned())).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{body:.60}: {answer}");
        assert!(answer["error"].as_str().unwrap().starts_with(field), "{answer}");
        assert_eq!(answer["detail"], "Invalid request.");
    }
    for (method, path, wanted) in [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1.0/recordings/EG_none/", 404),
        ("GET", "/api/v1.0/recordings/..%2F..%2Fetc/", 404),
        ("GET", "/api/v1.0/recordings/?page=9", 404),
        ("GET", "/api/v1.0/recordings/?page=0", 400),
        ("GET", "/api/v1.0/recordings/?page=18446744073709551615&page_size=100", 404),
        ("GET", start, 405),
        ("POST", "/api/v1.0/recordings/", 405),
        ("POST", "/api/v1.0/rooms/%00/stop-recording/", 400),
        ("POST", "/api/v1.0/rooms/daily/stop-recording/", 404),
    ] {
        let (status, answer) = stage.call(method, path, None).await;
        assert_eq!(status, wanted, "{method} {path}: {answer}");
        assert!(answer["error"].is_string() && answer["detail"].is_string(), "{method} {path}: {answer}");
    }
    let (_, list) = stage.call("GET", "/api/v1.0/recordings/", None).await;
    assert_eq!(list["count"], 0, "nothing of it left a trace");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_newest_first() {
    let stage = Stage::new().await;
    for n in 0..5 {
        assert_eq!(stage.start(&format!("room%20{n}"), "transcript").await.0, 201);
    }
    // Without the trailing slash too.
    let (_, first) = stage.call("GET", "/api/v1.0/recordings?page_size=2", None).await;
    let names = |list: &Value| {
        let results = list["results"].as_array().unwrap();
        results.iter().map(|item| item["room"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&first), &first["count"]), (vec!["room 4".to_owned(), "room 3".into()], &json!(5)));
    assert_eq!(first["previous"], Value::Null);
    let next = first["next"].as_str().unwrap();
    let (_, second) = stage.call("GET", next.split_once(&stage.sidecar.address().to_string()).unwrap().1, None).await;
    assert_eq!(names(&second), ["room 2", "room 1"]);
    let (_, third) = stage.call("GET", "/api/v1.0/recordings/?page=3&page_size=2", None).await;
    assert_eq!((names(&third), &third["next"]), (vec!["room 0".to_owned()], &Value::Null));
    assert!(third["previous"].as_str().unwrap().ends_with("?page=2&page_size=2"));
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_saves_everything_and_a_restart_remembers() {
    let stage = Stage::new().await;
    let (_, one) = stage.start("one", "screen_recording").await;
    let (_, two) = stage.start("two", "transcript").await;
    let stage = stage.restart().await;
    for (answer, extension) in [(one, "mp4"), (two, "ogg")] {
        let item = stage.item(id(&answer)).await;
        assert_eq!((&item["status"], &item["details"]), (&json!("saved"), &json!("stopped on request")));
        assert!(item["path"].as_str().unwrap().ends_with(extension));
    }
    assert_eq!(stage.start("one", "screen_recording").await.0, 201, "the room is free again");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_behind_is_finished_honestly() {
    use greffier::db::{Change, Db};
    use greffier::recording::{Limits, Media, Options, Outcome, Output, Policy, Reason, Recording, Request, State};
    use greffier::spool::Spool;

    let folder = tempfile::tempdir().unwrap();
    {
        let (db, spool) = (Db::open(folder.path()).unwrap(), Spool::open(folder.path()).unwrap());
        let saving = |bytes| State::Saving {
            then: Outcome::Complete(Reason::Stopped),
            media: Media { bytes, duration_ns: 4_000_000_000 },
        };
        let rows = [
            ("EG_cut000000000", State::Active, Some(&b"half a file"[..])),
            ("EG_empty0000000", State::Active, Some(&b""[..])),
            ("EG_never0000000", State::Starting, None),
            ("EG_saving000000", saving(5), Some(&b"whole"[..])),
            ("EG_sealed000000", saving(5), Some(&b"whole"[..])),
        ];
        for (name, state, part) in rows {
            let request = Request { room: name.into(), output: Output::ogg(), limits: Limits::default() };
            let name = greffier::ids::RecordingId::new(name);
            let now = jiff::Timestamp::now();
            let (mut recording, _) = Recording::begin(
                name.clone(),
                "transcript".into(),
                request,
                Options::default(),
                &Policy::default(),
                now,
            );
            recording.started_at = (state != State::Starting).then_some(now);
            if let State::Saving { media, .. } = state {
                recording.media = Some(media);
            }
            recording.state = state;
            db.commit(Change { recordings: &[&recording], ..Change::default() }).unwrap();
            if let Some(part) = part {
                fs::write(spool.create(&name, "ogg").unwrap(), part).unwrap();
            }
            if name.as_str().starts_with("EG_sealed") {
                // The crash came between the rename and the commit.
                spool.seal(&name, "ogg").unwrap();
            }
        }
    }
    let stage = Stage::with(folder, None).await;
    let cut = stage.until("EG_cut000000000", "saved").await;
    assert!(cut["error"].as_str().unwrap().starts_with("interrupted"), "{cut}");
    assert_eq!(fs::read(cut["path"].as_str().unwrap()).unwrap(), b"half a file");
    assert_eq!((&cut["size"], &cut["duration"]), (&json!(11), &Value::Null));
    stage.until("EG_empty0000000", "failed_to_stop").await;
    stage.until("EG_never0000000", "failed_to_start").await;
    for name in ["EG_saving000000", "EG_sealed000000"] {
        let whole = stage.until(name, "saved").await;
        assert_eq!(fs::read(whole["path"].as_str().unwrap()).unwrap(), b"whole");
        assert_eq!((&whole["error"], &whole["duration"]), (&Value::Null, &json!(4.0)));
    }
    stage.freed().await;
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sidecars_cannot_share_a_folder() {
    let stage = Stage::new().await;
    let config = config(stage.folder.path(), None, "");
    let error = Sidecar::start(&config, launcher(Cast::default()), Timeouts::default()).await.unwrap_err();
    assert!(error.message.starts_with("data_dir: ") && error.message.contains("in use by another greffier"), "{error}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_when_there_is_one() {
    let mut stage = Stage::with(tempfile::tempdir().unwrap(), Some("0123456789abcdef")).await;
    assert_eq!(stage.start("daily", "transcript").await.0, 201);
    stage.token = Some("0123456789abcdeX".into());
    assert_eq!(stage.stop("daily").await.0, 401);
    stage.token = None;
    assert_eq!(stage.call("GET", "/api/v1.0/recordings/", None).await.0, 401);
    assert_eq!(stage.start("daily", "transcript").await.0, 401);
    assert_eq!(stage.call("GET", "/health", None).await.0, 200, "health is open");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_machine_refuses_a_start_says_why_and_keeps_no_trace_of_it() {
    let folder = tempfile::tempdir().unwrap();
    // Of such a machine one recording uses everything; the first is taken all the same.
    let stage = Stage::configured(folder, None, "max_cpu_utilization: 0.01").await;
    let body = json!({"mode": "screen_recording", "options": {"idempotency_key": "once"}});
    let path = |room: &str| format!("/api/v1.0/rooms/{room}/start-recording/");
    let (status, first) = stage.call("POST", &path("daily"), Some(body.clone())).await;
    assert_eq!(status, 201, "{first}");
    let start = Some(json!({"mode": "transcript"}).to_string());
    let (status, headers, refused) = stage.send("POST", &path("weekly"), &[], start.clone()).await;
    assert_eq!(status, 503, "{refused}");
    assert!(refused["error"].as_str().unwrap().starts_with("not enough CPU: 0.00 cores are free, "), "{refused}");
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait} s");
    // The same start again is no second recording, however full the machine is.
    let (status, again) = stage.call("POST", &path("daily"), Some(body)).await;
    assert_eq!((status, &again["id"]), (201, &first["id"]));
    let (_, list) = stage.call("GET", "/api/v1.0/recordings/", None).await;
    assert_eq!(list["count"], 1, "what was refused leaves nothing behind: {list}");
    // Its place is free once its recorder has ended.
    stage.stop("daily").await;
    stage.until(id(&first), "saved").await;
    assert_eq!(stage.send("POST", &path("weekly"), &[], start).await.0, 201);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_what_control_says() {
    let stage = Stage::new().await;
    let health = || stage.call("GET", "/health", None);
    assert_eq!(health().await.0, 200);
    assert_eq!(stage.start("stuck", "transcript").await.0, 201);
    // Whoever asks this recorder for its figures waits, and control with it.
    let ((hangs, hung), (let_go, until)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let cast = stage.cast.clone();
    let holder = std::thread::spawn(move || {
        let held = cast.lock().unwrap();
        hangs.send(()).unwrap();
        let _ = until.recv();
        drop(held);
    });
    hung.recv().unwrap();
    let (status, answer) = health().await;
    assert_eq!((status, &answer["status"]), (503, &json!("control does not answer")));
    drop(let_go);
    holder.join().unwrap();
    assert_eq!(health().await.0, 200);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
