//! A sidecar as its clients see it: real API, control, store and spool; the recorder is a fake that does as it is told.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::HashMap;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use greffier::config::{Config, Overrides};
use greffier::control::{AtClose, Launch, Launcher, Progress, Running, Timeouts};
use greffier::error::ErrorKind;
use greffier::recording::{Failure, Quality, Report};
use greffier::scene::Layout;
use greffier::secret::Secret;
use greffier::sidecar::Sidecar;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A fake that runs: its launch, and what it says of its progress.
pub struct Fake {
    launch: Launch,
    /// To be changed by the test at any time.
    pub progress: Mutex<Progress>,
    /// It ends when the test says so, and not when it is told to.
    waits: bool,
}

impl Deref for Fake {
    type Target = Launch;

    fn deref(&self) -> &Launch {
        &self.launch
    }
}

impl Fake {
    /// The file is whole, as it lies there.
    pub fn drained(&self, duration_ns: u64) {
        let bytes = fs::metadata(&self.path).unwrap().len();
        tell(self, Report::Drained { bytes, duration_ns });
    }
}

/// Every fake that runs, by room, so that a test can let something happen to it.
pub type Cast = Arc<Mutex<HashMap<String, Arc<Fake>>>>;

/// Starts fakes; what each does depends on the room's name.
pub fn launcher(cast: Cast) -> Launcher {
    Box::new(move |launch: Launch| {
        // The machine does not keep up with this one.
        let quality = if launch.request.room == "heavy" { Quality::HalfRate } else { Quality::Full };
        let speaker = Some("Ada".into());
        let progress =
            Progress { duration_ns: 1_500_000_000, participants: 3, speaker, quality, ..Progress::default() };
        match launch.request.room.as_str() {
            "wrong-key" => tell(&launch, broke("api_key: the server does not accept this key")),
            "nowhere" => {
                let failure = Failure::new(ErrorKind::NotFound, "room: \"nowhere\" does not exist");
                tell(&launch, Report::Broke { failure, salvaged: None });
            }
            "deaf" => {}
            "dies" => return Box::new(Nobody),
            _ => {
                fs::write(&launch.path, b"some media").unwrap();
                tell(&launch, Report::Joined);
                tell(&launch, Report::MediaFlowing);
            }
        }
        enter(&cast, Fake { launch, progress: Mutex::new(progress), waits: false })
    })
}

/// Starts fakes whose file is whole from the beginning, and that end when the test says so.
pub fn waiting_launcher(cast: Cast, file: fn() -> &'static Path, progress: fn() -> Progress) -> Launcher {
    Box::new(move |launch: Launch| {
        fs::copy(file(), &launch.path).unwrap();
        tell(&launch, Report::Joined);
        tell(&launch, Report::MediaFlowing);
        enter(&cast, Fake { launch, progress: Mutex::new(progress()), waits: true })
    })
}

fn enter(cast: &Cast, fake: Fake) -> Box<dyn Running> {
    let fake = Arc::new(fake);
    cast.lock().unwrap().insert(fake.request.room.clone(), fake.clone());
    Box::new(Handle { fake, cast: cast.clone() })
}

/// A recorder whose task is gone: it holds no channel and says nothing.
struct Nobody;

impl Running for Nobody {
    fn drain(&self) {}
    fn show(&self, _: Layout) {}
    fn progress(&self) -> Progress {
        Progress::default()
    }
}

/// What control has of a fake.
struct Handle {
    fake: Arc<Fake>,
    cast: Cast,
}

impl Running for Handle {
    fn drain(&self) {
        match self.fake.request.room.as_str() {
            _ if self.fake.waits => {}
            "hangs" | "deaf" => {}
            "instant" => tell(&self.fake, Report::Drained { bytes: 0, duration_ns: 0 }),
            _ => tell(&self.fake, Report::Drained { bytes: 10, duration_ns: 2_500_000_000 }),
        }
    }

    fn show(&self, _: Layout) {}

    fn progress(&self) -> Progress {
        if self.fake.request.room == "stuck" {
            // Until nobody holds it.
            tokio::task::block_in_place(|| drop(self.cast.lock().unwrap()));
        }
        let mut progress = self.fake.progress.lock().unwrap().clone();
        if self.fake.request.room == "heavy" {
            // The machine does not keep up with this one.
            progress.quality = Quality::HalfRate;
        }
        progress
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.cast.lock().unwrap().remove(&self.fake.request.room);
    }
}

/// A fake reports.
pub fn tell(launch: &Launch, report: Report) {
    let _ = launch.reports.send((launch.id.clone(), report));
}

/// Nothing is left of it.
pub fn broke(why: &str) -> Report {
    Report::Broke { failure: Failure::new(ErrorKind::Unavailable, why), salvaged: None }
}

/// A sidecar of its own on a free port, in a folder of its own.
pub struct Stage {
    pub sidecar: Sidecar,
    pub cast: Cast,
    pub folder: TempDir,
    pub token: Option<String>,
    yaml: String,
}

/// Starts a sidecar, as soon as one that was stopped before has let go of the store: whoever reads for it does so in a moment; a
/// process takes them with it.
pub async fn started(config: &Config, launcher: impl Fn() -> Launcher, timeouts: Timeouts) -> Sidecar {
    let started = async {
        loop {
            match Sidecar::start(config, launcher(), timeouts).await {
                Err(error) if error.why().contains("in use by another greffier") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                started => return started.unwrap(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), started).await.expect("the store is free again")
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), None).await
    }

    pub async fn with(folder: TempDir, token: Option<&str>) -> Self {
        Self::configured(folder, token, "").await
    }

    /// With more in the configuration.
    pub async fn configured(folder: TempDir, token: Option<&str>, yaml: &str) -> Self {
        let cast = Cast::default();
        let (join, drain) = (Duration::from_millis(400), Duration::from_millis(400));
        let timeouts = Timeouts { join, drain, grace: Duration::from_secs(5) };
        let config = config(folder.path(), token, yaml);
        let sidecar = started(&config, || launcher(cast.clone()), timeouts).await;
        Self { sidecar, cast, folder, token: token.map(str::to_owned), yaml: yaml.to_owned() }
    }

    /// This sidecar, and what is its own.
    pub fn of(sidecar: Sidecar, cast: Cast, folder: TempDir, yaml: String) -> Self {
        Self { sidecar, cast, folder, token: None, yaml }
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.call_raw(method, path, body.map(|body| body.to_string())).await
    }

    pub async fn call_raw(&self, method: &str, path: &str, body: Option<String>) -> (u16, Value) {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        let (status, _, answer) = self.send(method, path, &headers, body).await;
        (status, answer)
    }

    /// A request with these headers; the status, the answer's headers and its body.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> (u16, ureq::http::HeaderMap, Value) {
        let url = format!("http://{}{path}", self.sidecar.address());
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let call = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .timeout_global(Some(Duration::from_secs(20)))
                .build()
                .into();
            let mut answer = match body {
                Some(body) => {
                    agent.run(request.header("Content-Type", "application/json").body(body).unwrap()).unwrap()
                }
                None => agent.run(request.body(()).unwrap()).unwrap(),
            };
            let text = answer.body_mut().read_to_string().unwrap();
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (answer.status().as_u16(), answer.headers().clone(), body)
        };
        tokio::task::spawn_blocking(call).await.unwrap()
    }

    pub async fn start(&self, room: &str, mode: &str) -> (u16, Value) {
        self.call("POST", &format!("/api/v1.0/rooms/{room}/start-recording/"), Some(json!({"mode": mode}))).await
    }

    pub async fn stop(&self, room: &str) -> (u16, Value) {
        self.call("POST", &format!("/api/v1.0/rooms/{room}/stop-recording/"), None).await
    }

    pub async fn item(&self, id: &str) -> Value {
        let (status, item) = self.call("GET", &format!("/api/v1.0/recordings/{id}/"), None).await;
        assert_eq!(status, 200, "{item}");
        item
    }

    /// The recording, once it has this status.
    pub async fn until(&self, id: &str, status: &str) -> Value {
        let begun = Instant::now();
        loop {
            let item = self.item(id).await;
            if item["status"] == status {
                return item;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "never became {status}: {item}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn happens(&self, room: &str, report: Report) {
        tell(&self.cast.lock().unwrap()[room], report);
    }

    pub fn spooled(&self) -> usize {
        fs::read_dir(self.folder.path().join("spool")).unwrap().count()
    }

    /// Once the spool is empty: that comes after the row says that the recording has ended.
    pub async fn freed(&self) {
        let begun = Instant::now();
        while self.spooled() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the spool holds {}", self.spooled());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn restart(self) -> Self {
        let Self { sidecar, folder, token, yaml, .. } = self;
        sidecar.stop(AtClose::Stop).await.unwrap();
        Self::configured(folder, token.as_deref(), &yaml).await
    }
}

/// What the sidecar is told.
pub fn config(data_dir: &Path, token: Option<&str>, yaml: &str) -> Config {
    let overrides = Overrides {
        url: Some("ws://127.0.0.1:1".into()),
        api_key: Some("key".into()),
        api_secret: Some(Secret::new("secret")),
        listen: Some("127.0.0.1:0".into()),
        data_dir: Some(data_dir.to_owned()),
        api_token: token.map(Secret::new),
        ..Overrides::default()
    };
    let mut config = Config::parse(yaml, overrides).unwrap().0;
    if !yaml.contains("max_cpu_utilization") {
        // Other work on this machine is no reason to refuse a test.
        config.max_cpu_utilization = 100.0;
    }
    config
}

/// The id in an answer.
pub fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap()
}
