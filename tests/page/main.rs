//! The pages as people see them: a real sidecar whose recorder is a fake, and a real browser that looks at it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../support/browser.rs"]
mod browser;
mod site;
#[path = "../support/stage.rs"]
#[allow(dead_code, reason = "only its recorder and its configuration are used")]
mod stage;

use std::fs;

use browser::Browser;
use greffier::api::Sharer;
use greffier::control::AtClose;
use greffier::db::Db;
use greffier::error::ErrorKind;
use greffier::ids::RecordingId;
use greffier::recording::{Failure, Limit, Outcome, Output, Reason, State};
use greffier::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use site::{LONG, SECRET, Stage, TOKEN, is_clean, row, stopped, video};

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_followed_from_its_room_to_the_screen() {
    let stage = Stage::new().await;
    let id = stage.start("r%C3%A9union%20d%E2%80%99%C3%A9quipe");
    let fake = stage.fake("réunion d’équipe");
    let link = stage.share(&id);
    let mut browser = Browser::launch();
    browser.language("en-GB");
    browser.open(&stage.url(&link));
    assert_eq!(browser.eval("document.documentElement.lang"), "en");
    assert_eq!(browser.eval("document.querySelector('h1').textContent"), "réunion d’équipe");
    assert!(browser.text().contains("Recording now"));
    assert!(browser.text().contains("12:3"), "12 minutes and 34 seconds: {}", browser.text());
    browser.screenshot("recording");
    // A page that is loaded anew would forget this.
    browser.eval("window.stayed = true");
    fake.progress.lock().unwrap().duration_ns += 600_000_000_000;
    browser.until("document.querySelector('[data-elapsed]').textContent.startsWith('22:')");

    stage.stop("r%C3%A9union%20d%E2%80%99%C3%A9quipe");
    browser.until("document.querySelector('.headline').textContent === 'The recording is being saved'");
    assert_eq!(browser.eval("document.getElementById('news').textContent"), "The recording is being saved");
    browser.screenshot("saving");
    fake.drained(60_000_000_000);
    browser.until("document.querySelector('video')?.readyState >= 1");
    assert_eq!(browser.eval("window.stayed"), true, "the page changed by itself, without loading");
    let text = browser.text();
    for words in ["1 min 0 s", "MB", "Download"] {
        assert!(text.replace('\u{a0}', " ").contains(words), "{words}: {text}");
    }
    assert!(browser.eval("Math.abs(document.querySelector('video').duration - 60) < 0.5") == true);

    // From the keyboard alone: to the player, play, and on to the download.
    browser.eval("document.activeElement.blur(); document.getElementById('main').focus()");
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.tagName"), "VIDEO");
    browser.press("Space");
    browser.until("document.querySelector('video').currentTime > 0.5");
    assert_eq!(browser.eval("document.querySelector('video').paused"), false);
    let seek = "new Promise(done => { const v = document.querySelector('video'); v.pause(); \
                v.onseeked = () => done(v.currentTime); v.currentTime = v.duration - 3; })";
    assert!(browser.eval(seek).as_f64().unwrap() > 56.0);
    browser.until("document.querySelector('video').readyState >= 2");
    let size = fs::metadata(video()).unwrap().len();
    let (received, ranges) = (browser.received(), browser.ranges());
    assert!(received < size / 2, "{received} of {size} bytes were fetched to show the end");
    let started = |range: &&String| range.strip_prefix("bytes=").is_some_and(|rest| !rest.starts_with("0-"));
    assert!(ranges.iter().filter(started).count() >= 1, "asked for parts: {ranges:?}");
    for _ in 0..20 {
        if browser.eval("document.activeElement.id") == "download" {
            break;
        }
        browser.press("Tab");
    }
    assert_eq!(browser.eval("document.activeElement.id"), "download");
    browser.screenshot("ready-focus");
    is_clean(&browser, &stage);

    let download = browser.eval("document.getElementById('download').getAttribute('href')");
    let head = stage.fetch("HEAD", download.as_str().unwrap(), &[], None);
    let named = head.header("content-disposition");
    assert!(named.starts_with("attachment; filename=\"r_union d__quipe-20"), "{named}");
    assert!(named.contains("filename*=UTF-8''r%C3%A9union%20d%E2%80%99%C3%A9quipe-20"), "{named}");
    assert_eq!(head.header("content-length"), size.to_string());

    // Withdrawn: the page that is open sees it with its next question, the file at once.
    assert_eq!(stage.api("DELETE", &format!("/api/v1.0/recordings/{id}/share/"), None).0, 204);
    assert_eq!(stage.get(download.as_str().unwrap()).status, 401);
    let refused = stage.get(&link);
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("This link is no longer valid"));
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_well_on_every_screen() {
    let folder = tempfile::tempdir().unwrap();
    {
        let db = Db::open(folder.path()).unwrap();
        row(folder.path(), &db, "EG_ready0000000", "Weekly planning", stopped(), |recording| {
            recording.expires_at = Some("2099-12-24T18:00:00Z".parse().unwrap());
        });
        let limit = State::Notified(Outcome::LimitReached(Limit::Duration));
        row(folder.path(), &db, "EG_limit0000000", "A town hall that went on and on", limit, |_| {});
        row(folder.path(), &db, "EG_sound0000000", "Stand-up", stopped(), |recording| {
            recording.request.output = Output::ogg();
            recording.key = "recordings/EG_sound0000000.ogg".into();
        });
        let failed = State::Ended(Outcome::Failed(Failure::new(
            ErrorKind::Internal,
            "the encoder failed: no space left on device",
        )));
        row(folder.path(), &db, "EG_failed000000", "Retrospective", failed, |_| {});
    }
    let stage = Stage::with(folder).await;
    let mut browser = Browser::launch();
    let ready = stage.share("EG_ready0000000");
    for (name, language, scheme, (width, height), link) in [
        ("ready-light", "en", "light", (1280, 800), &ready),
        ("ready-dark", "en", "dark", (1280, 800), &ready),
        ("ready-phone", "en", "light", (390, 844), &ready),
        ("ready-phone-french-dark", "fr", "dark", (390, 844), &ready),
        ("ready-german", "de", "light", (1280, 800), &ready),
        ("limit-phone-dutch", "nl", "light", (390, 844), &stage.share("EG_limit0000000")),
        ("sound-phone", "en", "light", (390, 844), &stage.share("EG_sound0000000")),
        ("failed-phone-french", "fr", "light", (390, 844), &stage.share("EG_failed000000")),
    ] {
        browser.language(language);
        browser.scheme(scheme);
        browser.size(width, height, width < 600);
        browser.open(&stage.url(link));
        assert_eq!(browser.eval("document.documentElement.lang"), language);
        if !name.starts_with("failed") {
            browser.until(
                "(p => p && p.readyState >= (p.tagName === 'VIDEO' ? 2 : 1))(document.querySelector('video, audio'))",
            );
        }
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{name} scrolls sideways");
        let small = "[...document.querySelectorAll('main a, main button')].filter(e => e.offsetHeight < 44).length";
        assert_eq!(browser.eval(small), 0, "{name}: fingers need 44 pixels");
        browser.screenshot(name);
    }
    // It plays on the phone too.
    browser.open(&stage.url(&ready));
    browser.eval("(v => { v.muted = true; return v.play(); })(document.querySelector('video'))");
    browser.until("document.querySelector('video').currentTime > 0.5");
    is_clean(&browser, &stage);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_said_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let gone;
    {
        let db = Db::open(folder.path()).unwrap();
        let why = || Failure::new(ErrorKind::Internal, "<b>the disk</b> is full");
        let cut = State::Ended(Outcome::CutShort(why()));
        row(folder.path(), &db, "EG_cut000000000", "<script>alert(1)</script>", cut, |_| {});
        row(folder.path(), &db, "EG_size00000000", "r", State::Notified(Outcome::LimitReached(Limit::Size)), |_| {});
        row(folder.path(), &db, "EG_failed000000", "r", State::Ended(Outcome::Failed(why())), |_| {});
        row(folder.path(), &db, "EG_aborted00000", "r", State::Ended(Outcome::Aborted(Reason::Stopped)), |_| {});
        row(folder.path(), &db, "EG_old000000000", "r", stopped(), |recording| {
            recording.expires_at = Some(Timestamp::now() - SignedDuration::from_hours(1));
        });
        let old = db.get(&RecordingId::new("EG_old000000000")).unwrap().unwrap();
        let sharer = Sharer::new(&Secret::new(SECRET), "");
        gone = sharer.url(&old, Timestamp::now(), SignedDuration::from_hours(1));
    }
    let stage = Stage::with(folder).await;
    for (id, language, words) in [
        ("EG_cut000000000", "en", "The recording broke off before its end."),
        ("EG_cut000000000", "de", "Die Aufzeichnung brach vor dem Ende ab."),
        ("EG_size00000000", "fr", "parce qu’il avait atteint sa taille maximale"),
        ("EG_failed000000", "en", "The recording failed"),
        ("EG_failed000000", "nl", "De opname is mislukt"),
        ("EG_aborted00000", "fr", "Rien n’a été enregistré"),
    ] {
        let page = stage.fetch("GET", &stage.share(id), &[("accept-language", language)], None);
        let text = page.text();
        assert_eq!(page.status, 200, "{id}: {text}");
        assert!(text.contains(words), "{id} {language}: {text}");
        assert!(text.contains(&format!("<html lang=\"{language}\">")));
        assert!(!text.contains("<script>alert") && !text.contains("<b>"), "nothing of a room's name is markup: {text}");
        assert!(!text.contains("the disk"), "guests do not learn of the machine's inside");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert_eq!((page.header("x-content-type-options"), page.header("referrer-policy")), ("nosniff", "no-referrer"));
        let state = stage.fetch("GET", &stage.share(id).replace("?s=", "/state?s="), &[], None);
        assert!(state.text().contains("\"final\":true"), "{}", state.text());
    }
    let bearer = format!("Bearer {TOKEN}");
    let told = stage.fetch("GET", "/recording/EG_failed000000", &[("authorization", &bearer)], None).text();
    assert!(told.contains("&lt;b&gt;the disk"), "whoever runs it reads the reason: {told}");
    let none = stage.fetch("GET", "/recording/EG_none", &[("authorization", &bearer)], None);
    assert_eq!((none.status, none.text().contains("There is no such recording")), (404, true));
    // Expired a moment ago, or gone already: the words hold for both, and the file is not given any more.
    let page = stage.get(&gone);
    assert!(page.text().contains("has expired") && !page.text().contains("This link"), "{}", page.text());
    assert_eq!(stage.get(&gone.replace("?s=", "/media?s=")).status, 404);

    // Without scripts the page comes again by itself until there is nothing more to wait for.
    let id = stage.start("daily");
    let link = stage.share(&id);
    assert!(stage.get(&link).text().contains("http-equiv=\"refresh\""));
    let mut browser = Browser::launch();
    browser.language("en");
    browser.scripts(false);
    browser.open(&stage.url(&link));
    stage.stop("daily");
    stage.fake("daily").drained(60_000_000_000);
    browser.until("document.querySelector('video') !== null");
    assert!(!stage.get(&link).text().contains("http-equiv=\"refresh\""));
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whoever_may_sees_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let mut recordings = Vec::new();
    {
        let db = Db::open(folder.path()).unwrap();
        row(folder.path(), &db, "EG_one000000000", "one", stopped(), |_| {});
        row(folder.path(), &db, "EG_two000000000", "two", stopped(), |_| {});
        recordings.extend(db.get(&RecordingId::new("EG_one000000000")).unwrap());
    }
    let stage = Stage::with(folder).await;
    let link = stage.share("EG_one000000000");
    let token = link.split_once("?s=").unwrap().1;
    let sharer = Sharer::new(&Secret::new(SECRET), "http://localhost");
    let over = sharer.sign(&recordings[0], now - SignedDuration::from_secs(1));
    let foreign = Sharer::new(&Secret::new("another"), "http://localhost");
    let forged = foreign.sign(&recordings[0], now + SignedDuration::from_hours(1));
    for (path, status, words) in [
        (link.clone(), 200, "<video"),
        ("/recording/EG_one000000000".into(), 401, "Please sign in"),
        (format!("/recording/EG_one000000000?s={over}"), 401, "This link has expired"),
        (format!("/recording/EG_one000000000?s={forged}"), 401, "This link is not valid"),
        (format!("/recording/EG_two000000000?s={token}"), 401, "This link is not valid"),
        ("/recording/EG_none?s=%22%3E%3Cscript%3E".into(), 401, "This link is not valid"),
        ("/recording/EG_none".into(), 401, "Please sign in"),
        ("/".into(), 401, "Please sign in"),
    ] {
        let page = stage.get(&path);
        assert_eq!((page.status, page.text().contains(words)), (status, true), "{path}: {}", page.text());
        for part in ["state", "media"] {
            let (base, query) =
                path.split_once('?').map_or((path.as_str(), String::new()), |(p, q)| (p, format!("?{q}")));
            if base != "/" {
                let answer = stage.fetch("HEAD", &format!("{base}/{part}{query}"), &[], None).status;
                assert_eq!(answer, status, "{part} of {path}");
            }
        }
    }
    assert_eq!(stage.get("/dashboard").status, 401);
    for (method, path) in [
        ("POST", "/api/v1.0/recordings/EG_one000000000/share/"),
        ("DELETE", "/api/v1.0/recordings/EG_one000000000/share/"),
    ] {
        assert_eq!(stage.fetch(method, path, &[], Some("{}".into())).status, 401, "{method}");
    }
    for (body, field) in [(json!({"expires_in_days": 0}), "expires_in_days"), (json!({"days": 1}), "days")] {
        let (status, answer) = stage.api("POST", "/api/v1.0/recordings/EG_one000000000/share/", Some(body));
        assert_eq!((status, &answer["field"]), (400, &json!(field)));
    }
    assert_eq!(stage.api("POST", "/api/v1.0/recordings/EG_none/share/", Some(json!({}))).0, 404);

    // The login: a wrong token, the right one, and out again.
    let mut browser = Browser::launch();
    browser.language("en");
    browser.open(&stage.url("/recording/EG_two000000000"));
    browser.screenshot("sign-in");
    browser.eval("document.getElementById('token').focus()");
    browser.type_text("not the token");
    browser.press("Enter");
    browser.until("document.body.innerText.includes('This token is not accepted.')");
    browser.screenshot("sign-in-wrong");
    browser.eval("document.getElementById('token').focus()");
    browser.type_text(TOKEN);
    browser.press("Enter");
    browser.until("document.querySelector('video')?.readyState >= 1");
    assert_eq!(browser.eval("location.pathname"), "/recording/EG_two000000000", "back to where it was wanted");
    assert_eq!(browser.eval("document.cookie"), "", "scripts cannot read it");
    browser.eval("document.querySelector('a.brand').click()");
    browser.until("document.querySelector('table') !== null");
    browser.eval("document.querySelector('.top button').click()");
    browser.until("document.getElementById('token') !== null");
    let cookie = ("cookie", format!("greffier_token={TOKEN}"));
    assert_eq!(stage.fetch("GET", "/", &[(cookie.0, &cookie.1)], None).status, 200);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let away = stage.fetch("POST", "/login", &[form], Some(format!("token={TOKEN}&next=//evil.example")));
    assert_eq!((away.status, away.header("location")), (303, "/"));
    let set = away.header("set-cookie");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    row(folder.path(), &Db::open(folder.path()).unwrap(), "EG_one000000000", "one", stopped(), |_| {});
    let stage = Stage::with(folder).await;
    let whole = fs::read(video()).unwrap();
    let path = stage.share("EG_one000000000").replace("?s=", "/media?s=");
    let all = stage.get(&path);
    assert_eq!((all.status, all.header("content-type"), all.header("accept-ranges")), (200, "video/mp4", "bytes"));
    assert!(all.body == whole);
    let etag = all.header("etag").to_owned();
    let length = whole.len();
    for (range, wanted) in
        [("bytes=0-0", 0..1), ("bytes=70000-200000", 70_000..200_001), ("bytes=-100", length - 100..length)]
    {
        let part = stage.fetch("GET", &path, &[("range", range), ("if-range", &etag)], None);
        assert_eq!(part.status, 206);
        assert_eq!(part.header("content-range"), format!("bytes {}-{}/{length}", wanted.start, wanted.end - 1));
        assert_eq!(part.header("content-length"), wanted.len().to_string());
        assert!(part.body == whole[wanted], "{range}");
    }
    let beyond = stage.fetch("GET", &path, &[("range", &format!("bytes={length}-"))], None);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, format!("bytes */{length}").as_str()));
    let other = stage.fetch("GET", &path, &[("range", "bytes=0-0"), ("if-range", "\"another\"")], None);
    assert_eq!((other.status, other.body.len()), (200, length));
    let known = stage.fetch("GET", &path, &[("if-none-match", &etag)], None);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = stage.fetch("HEAD", &path, &[("range", "bytes=0-0")], None);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, length.to_string().as_str(), 0));
    assert_eq!(head.header("content-disposition"), "inline; filename=\"one-2026-11-20.mp4\"");
    let gone = stage.folder.path().join("recordings/EG_one000000000.mp4");
    fs::remove_file(gone).unwrap();
    assert_eq!(stage.get(&path).status, 404);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_follows_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    {
        let db = Db::open(folder.path()).unwrap();
        for n in 0..23 {
            let state = match n {
                3 => State::Ended(Outcome::Failed(Failure::new(ErrorKind::Internal, "the encoder failed"))),
                5 => State::Ended(Outcome::Aborted(Reason::Stopped)),
                _ => stopped(),
            };
            row(folder.path(), &db, &format!("EG_past{n:08}"), &format!("Planning {n}"), state, |recording| {
                recording.request.output = Output::ogg();
                recording.key = format!("recordings/{}.ogg", recording.id);
                recording.created_at += SignedDuration::from_hours(n);
                recording.started_at = Some(recording.created_at);
            });
        }
    }
    let stage = Stage::with(folder).await;
    let mut browser = Browser::launch();
    browser.language("en");
    let headers = json!({"headers": {"Authorization": format!("Bearer {TOKEN}")}});
    browser.call("Network.setExtraHTTPHeaders", headers);
    browser.open(&stage.url("/"));
    assert!(browser.text().contains("Nothing is being recorded."));
    assert_eq!(browser.eval("document.querySelectorAll('tbody tr').length"), 20);
    browser.eval("window.stayed = true");

    stage.start("daily");
    let long = stage.start(LONG);
    browser.until("document.querySelectorAll('.cards li').length === 2");
    browser.until("document.querySelector('.cards').innerText.includes('Ada Lovelace')");
    stage.fake("daily").progress.lock().unwrap().speaker = Some("Grace Hopper".into());
    stage.fake("daily").progress.lock().unwrap().participants = 12;
    browser.until("document.querySelector('.cards').innerText.includes('Grace Hopper')");
    for (name, scheme, width, height) in [
        ("dashboard-light", "light", 1280, 800),
        ("dashboard-dark", "dark", 1280, 800),
        ("dashboard-phone", "light", 390, 844),
    ] {
        browser.scheme(scheme);
        browser.size(width, height, width < 600);
        browser.screenshot(name);
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{name} scrolls sideways");
    }
    stage.stop("daily");
    stage.fake("daily").drained(60_000_000_000);
    browser.until("document.querySelectorAll('.cards li').length === 1");
    browser.until("document.querySelector('tbody tr').innerText.includes('Ready')");
    assert_eq!(browser.eval("window.stayed"), true, "it changed by itself");
    assert_eq!(browser.eval("document.querySelector('.cards a').getAttribute('href')"), format!("/recording/{long}"));
    browser.eval("document.querySelector('a[rel=next]').click()");
    browser.until("document.querySelectorAll('tbody tr').length === 5");
    browser.screenshot("dashboard-page-2");
    is_clean(&browser, &stage);
    // Its fake ends when it is told to; a sidecar that leaves waits for whoever records.
    stage.stop(LONG);
    stage.fake("A room with a rather long name that somebody typed at length").drained(60_000_000_000);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
