//! A sidecar with recordings in every state, for a browser to look at.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use greffier::control::{Progress, Timeouts};
use greffier::db::{Change, Db};
use greffier::ids::RecordingId;
use greffier::recording::{
    Encoding, Limits, Media, Options, Outcome, Policy, Reason, Recording, Request, State, WorkerClasses,
};
use greffier::sidecar::Sidecar;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::stage::{self, Cast, Fake};

pub const TOKEN: &str = "0123456789abcdef";
pub const SECRET: &str = "secret";
pub const AGENT: &str = "tests of greffier";
/// The name of a room as a path has it.
pub const LONG: &str = "A%20room%20with%20a%20rather%20long%20name%20that%20somebody%20typed%20at%20length";

/// A minute of H.264 and AAC, some 40 MB, with the index at the end as our recorder writes it.
pub fn video() -> &'static Path {
    static VIDEO: OnceLock<PathBuf> = OnceLock::new();
    VIDEO.get_or_init(|| {
        let arguments = "-f lavfi -i testsrc2=size=640x360:rate=15,noise=alls=20:allf=t -f lavfi -i sine=frequency=440 -t 60 \
                         -c:v libx264 -preset ultrafast -profile:v main -coder 1 -pix_fmt yuv420p -g 15 -b:v 5M -c:a aac";
        made("page-video.mp4", arguments)
    })
}

/// Ten seconds of Opus.
pub fn audio() -> &'static Path {
    static SOUND: OnceLock<PathBuf> = OnceLock::new();
    SOUND.get_or_init(|| made("page-sound.ogg", "-f lavfi -i sine=frequency=440 -t 10 -c:a libopus"))
}

pub fn made(name: &str, arguments: &str) -> PathBuf {
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
pub fn progress() -> Progress {
    Progress {
        duration_ns: 754_000_000_000,
        participants: 3,
        speaker: Some("Ada Lovelace".into()),
        bytes: 123_456_789,
        ..Progress::default()
    }
}

/// A sidecar with a token, on a free port, in a folder of its own.
pub struct Stage {
    pub sidecar: Sidecar,
    pub cast: Cast,
    /// Lives as long as the stage.
    pub folder: TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap()).await
    }

    pub async fn with(folder: TempDir) -> Self {
        let config = stage::config(folder.path(), Some(TOKEN), "");
        let cast = Cast::default();
        let launcher = || stage::waiting_launcher(cast.clone(), video, progress);
        let sidecar = stage::started(&config, launcher, Timeouts::default()).await;
        Self { sidecar, cast, folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sidecar.address())
    }

    pub fn fake(&self, room: &str) -> Arc<Fake> {
        self.cast.lock().unwrap()[room].clone()
    }

    /// As whoever has the token.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let bearer = format!("Bearer {TOKEN}");
        let answer = self.fetch(method, path, &[("authorization", &bearer)], body.map(|body| body.to_string()));
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub fn start(&self, room: &str) -> String {
        let path = format!("/api/v1.0/rooms/{room}/start-recording/");
        let (status, answer) = self.api("POST", &path, Some(json!({"mode": "screen_recording"})));
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    pub fn stop(&self, room: &str) {
        assert_eq!(self.api("POST", &format!("/api/v1.0/rooms/{room}/stop-recording/"), None).0, 200);
    }

    /// The path of a link made by the API.
    pub fn share(&self, id: &str) -> String {
        let path = format!("/api/v1.0/recordings/{id}/share/");
        let (status, answer) = self.api("POST", &path, Some(json!({"expires_in_days": 7})));
        assert_eq!(status, 201, "{answer}");
        let url = answer["url"].as_str().unwrap();
        url.strip_prefix(&self.url("")).unwrap_or_else(|| panic!("{url}")).to_owned()
    }

    /// As nobody in particular.
    pub fn fetch(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
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

    pub fn get(&self, path: &str) -> Answer {
        self.fetch("GET", path, &[], None)
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A row as an earlier process may have left it, with its file if it has one.
pub fn row(folder: &Path, db: &Db, id: &str, room: &str, state: State, change: impl FnOnce(&mut Recording)) {
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

pub fn stopped() -> State {
    State::Ended(Outcome::Complete(Reason::Stopped))
}

/// Everything came from the sidecar, and nothing was complained about.
pub fn is_clean(browser: &Browser, stage: &Stage) {
    let foreign = |url: &String| !url.starts_with(&stage.url("/")) && !url.starts_with("data:") && url != "about:blank";
    let foreign: Vec<_> = browser.requests().into_iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "asked elsewhere: {foreign:?}");
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}
