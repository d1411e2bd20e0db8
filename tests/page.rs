//! The pages as people see them: a real sidecar whose recorder is a fake, and a real browser that looks at it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/stage.rs"]
#[allow(dead_code, reason = "only its recorder and its configuration are used")]
mod stage;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use browser::Browser;
use greffier::api::Sharer;
use greffier::control::{AtClose, Progress, Timeouts};
use greffier::db::{Change, Db};
use greffier::error::ErrorKind;
use greffier::ids::RecordingId;
use greffier::recording::{
    Encoding, Failure, Limit, Limits, Media, Options, Outcome, Output, Policy, Reason, Recording, Request, State,
    WorkerClasses,
};
use greffier::secret::Secret;
use greffier::sidecar::Sidecar;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stage::{Cast, Fake};
use tempfile::TempDir;

const TOKEN: &str = "0123456789abcdef";
const SECRET: &str = "secret";
const AGENT: &str = "tests of greffier";
/// The name of a room as a path has it.
const LONG: &str = "A%20room%20with%20a%20rather%20long%20name%20that%20somebody%20typed%20at%20length";

/// A minute of H.264 and AAC, some 40 MB, with the index at the end as our recorder writes it.
fn video() -> &'static Path {
    static VIDEO: OnceLock<PathBuf> = OnceLock::new();
    VIDEO.get_or_init(|| {
        let arguments = "-f lavfi -i testsrc2=size=640x360:rate=15,noise=alls=20:allf=t -f lavfi -i sine=frequency=440 -t 60 \
                         -c:v libx264 -preset ultrafast -profile:v main -coder 1 -pix_fmt yuv420p -g 15 -b:v 5M -c:a aac";
        made("page-video.mp4", arguments)
    })
}

/// Ten seconds of Opus.
fn audio() -> &'static Path {
    static SOUND: OnceLock<PathBuf> = OnceLock::new();
    SOUND.get_or_init(|| made("page-sound.ogg", "-f lavfi -i sine=frequency=440 -t 10 -c:a libopus"))
}

fn made(name: &str, arguments: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !path.exists() {
        let part = path.with_file_name(format!("part-{name}"));
        let made =
            Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments.split_whitespace()).arg(&part).status();
        assert!(made.expect("ffmpeg is missing: apt-get install ffmpeg").success());
        fs::rename(&part, &path).unwrap();
    }
    path
}

/// What a fake recorder says of itself.
fn progress() -> Progress {
    Progress {
        duration_ns: 754_000_000_000,
        participants: 3,
        speaker: Some("Ada Lovelace".into()),
        bytes: 123_456_789,
        ..Progress::default()
    }
}

/// A sidecar with a token, on a free port, in a folder of its own.
struct Stage {
    sidecar: Sidecar,
    cast: Cast,
    #[allow(dead_code, reason = "the folder lives as long as the stage")]
    folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap()).await
    }

    async fn with(folder: TempDir) -> Self {
        let config = stage::config(folder.path(), Some(TOKEN), "");
        let cast = Cast::default();
        let launcher = stage::waiting_launcher(cast.clone(), video, progress);
        let sidecar = Sidecar::start(&config, launcher, Timeouts::default()).await.unwrap();
        Self { sidecar, cast, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sidecar.address())
    }

    fn fake(&self, room: &str) -> Arc<Fake> {
        self.cast.lock().unwrap()[room].clone()
    }

    /// As whoever has the token.
    fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let bearer = format!("Bearer {TOKEN}");
        let answer = self.fetch(method, path, &[("authorization", &bearer)], body.map(|body| body.to_string()));
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    fn start(&self, room: &str) -> String {
        let path = format!("/api/v1.0/rooms/{room}/start-recording/");
        let (status, answer) = self.api("POST", &path, Some(json!({"mode": "screen_recording"})));
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    fn stop(&self, room: &str) {
        assert_eq!(self.api("POST", &format!("/api/v1.0/rooms/{room}/stop-recording/"), None).0, 200);
    }

    /// The path of a link made by the API.
    fn share(&self, id: &str) -> String {
        let path = format!("/api/v1.0/recordings/{id}/share/");
        let (status, answer) = self.api("POST", &path, Some(json!({"expires_in_days": 7})));
        assert_eq!(status, 201, "{answer}");
        let url = answer["url"].as_str().unwrap();
        url.strip_prefix(&self.url("")).unwrap_or_else(|| panic!("{url}")).to_owned()
    }

    /// As nobody in particular.
    fn fetch(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent: ureq::Agent = config.user_agent(AGENT).timeout_global(Some(Duration::from_secs(20))).build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = match body {
            Some(body) => agent.run(request.body(body).unwrap()).unwrap(),
            None => agent.run(request.body(()).unwrap()).unwrap(),
        };
        let headers =
            answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let headers = headers.collect();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer { status: answer.status().as_u16(), headers, body }
    }

    fn get(&self, path: &str) -> Answer {
        self.fetch("GET", path, &[], None)
    }
}

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A row as an earlier process may have left it, with its file if it has one.
fn row(folder: &Path, db: &Db, id: &str, room: &str, state: State, change: impl FnOnce(&mut Recording)) {
    let output = WorkerClasses::default().of("screen_recording").unwrap().output(&Encoding::default(), "").unwrap();
    let request = Request { room: room.into(), output, limits: Limits::default() };
    let made_at: Timestamp = "2026-11-20T13:05:00Z".parse().unwrap();
    let (id, mode) = (RecordingId::new(id), "screen_recording".to_owned());
    let mut recording = Recording::begin(id, mode, request, Options::default(), &Policy::default(), made_at).0;
    recording.started_at = Some(made_at);
    recording.ended_at = Some(made_at);
    recording.state = state;
    change(&mut recording);
    if recording.state.outcome().is_some_and(Outcome::has_file) {
        let (file, duration_ns) =
            if recording.class_is_video() { (video(), 60_000_000_000) } else { (audio(), 10_000_000_000) };
        let place = folder.join(&recording.key);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file, &place).unwrap();
        recording.media = Some(Media { bytes: fs::metadata(&place).unwrap().len(), duration_ns });
    }
    db.commit(Change { recordings: &[&recording], ..Change::default() }).unwrap();
}

fn stopped() -> State {
    State::Ended(Outcome::Complete(Reason::Stopped))
}

/// Everything came from the sidecar, and nothing was complained about.
fn is_clean(browser: &Browser, stage: &Stage) {
    let foreign = |url: &String| !url.starts_with(&stage.url("/")) && !url.starts_with("data:") && url != "about:blank";
    let foreign: Vec<_> = browser.requests().into_iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "asked elsewhere: {foreign:?}");
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

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
