//! `greffier serve`, driven over HTTP, and killed when a test says so.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::redis::Redis;
use super::server::LiveKit;

/// A running sidecar on a free port, with a data directory of its own. Killed when dropped; its log is printed when the
/// test panics.
pub struct Sidecar {
    child: Child,
    url: String,
    arguments: Vec<String>,
    config: Option<String>,
    variables: Vec<(&'static str, &'static str)>,
    folder: TempDir,
}

impl Sidecar {
    /// Starts it and waits until it listens.
    pub fn start(server: &LiveKit) -> Self {
        Self::start_with(server, &[])
    }

    /// The same, with these variables.
    pub fn start_with(server: &LiveKit, variables: &[(&'static str, &'static str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let data = folder.path().join("data").display().to_string();
        let livekit = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
        let own = ["--listen", "127.0.0.1:0", "--data-dir", &data];
        let arguments = livekit.into_iter().chain(own).map(str::to_owned).collect();
        let variables = variables.to_vec();
        let (child, url) = launch(&arguments, None, &variables, &folder);
        Self { child, url, arguments, config: None, variables, folder }
    }

    /// Starts it where LiveKit's own egress stood: with that one's configuration, in its variable, and with nothing else.
    pub fn in_place_of_egress(server: &LiveKit, redis: &Redis) -> Self {
        Self::in_place_of_egress_with(server, redis, "")
    }

    /// The same, with more YAML at the end of its configuration.
    pub fn in_place_of_egress_with(server: &LiveKit, redis: &Redis, more: &str) -> Self {
        Self::configured(&server.url, server, redis, &format!("log_level: debug\nlisten: 127.0.0.1:0\n{more}"))
    }

    /// The same by way of `url`, with this YAML.
    pub fn configured(url: &str, server: &LiveKit, redis: &Redis, more: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let config = format!(
            "api_key: {}\napi_secret: {:?}\nws_url: {url}\ninsecure: true\n\
             redis: {{ address: {} }}\ndata_dir: {:?}\n{more}",
            server.api_key,
            server.api_secret,
            redis.address(),
            folder.path().join("data"),
        );
        let (child, url) = launch(&Vec::new(), Some(&config), &[], &folder);
        Self { child, url, arguments: Vec::new(), config: Some(config), variables: Vec::new(), folder }
    }

    /// Everything it has written to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("sidecar.log")).unwrap_or_default()
    }

    /// Waits until its log is like this.
    pub fn until_logged(&self, is: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !is(&self.log()) {
            assert!(began.elapsed() < Duration::from_secs(60), "the log is not like that: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processes of it that record, or wait to.
    pub fn workers(&self) -> Vec<u32> {
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &self.pid().to_string()]).output();
        let children = String::from_utf8(children.expect("ps is installed").stdout).expect("numbers");
        let is_worker = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("worker"))
        };
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(is_worker).collect()
    }

    /// The one of them that has this recording's file open.
    pub fn worker_of(&self, id: &str) -> Option<u32> {
        let has_open = |pid: &u32| {
            let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
            links.into_iter().any(|to| to.to_string_lossy().contains(id))
        };
        self.workers().into_iter().find(has_open)
    }

    /// It has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the sidecar's state").is_some()
    }

    /// Sends this signal to it and to all who record for it.
    pub fn signal_all(&self, name: &str) {
        self.signal(name);
        for pid in self.workers() {
            let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
            assert!(sent.expect("kill is installed").success(), "{name} could not be sent to {pid}");
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Log and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it without notice and starts it again with the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Starts it with the same data, after [`Sidecar::kill`].
    pub fn start_again(&mut self) {
        (self.child, self.url) = launch(&self.arguments, self.config.as_deref(), &self.variables, &self.folder);
    }

    /// Starts a recording; its id, once media flows.
    pub fn record(&self, room: &str, mode: &str) -> String {
        let answer = ureq::post(format!("{}/api/v1.0/rooms/{room}/start-recording/", self.url))
            .send_json(json!({ "mode": mode }))
            .and_then(|mut answer| answer.body_mut().read_json::<Value>())
            .unwrap_or_else(|error| panic!("start-recording: {error}"));
        answer["id"].as_str().unwrap_or_else(|| panic!("no id in {answer}")).to_owned()
    }

    /// The recording, once it has this status.
    pub fn until(&self, id: &str, status: &str) -> Value {
        self.until_it(id, &format!("status {status}"), |item| item["status"] == status)
    }

    /// The running recording, once this much has been written, in seconds of media.
    pub fn until_recorded(&self, id: &str, seconds: f64) -> Value {
        let enough = |item: &Value| item["progress"]["duration"].as_f64().is_some_and(|written| written >= seconds);
        self.until_it(id, &format!("{seconds} s recorded"), enough)
    }

    fn until_it(&self, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let item = ureq::get(format!("{}/api/v1.0/recordings/{id}/", self.url))
                .call()
                .and_then(|mut answer| answer.body_mut().read_json::<Value>())
                .unwrap_or_else(|error| panic!("recording {id}: {error}"));
            if is(&item) {
                return item;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "never {what}: {item}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks the room's recording to end.
    pub fn stop(&self, room: &str) {
        ureq::post(format!("{}/api/v1.0/rooms/{room}/stop-recording/", self.url))
            .send_empty()
            .unwrap_or_else(|error| panic!("stop-recording: {error}"));
    }

    /// Sends this signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is installed").success(), "{name} could not be sent");
    }

    /// Waits until it ends by itself, at most so long.
    pub fn wait(&mut self, most: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the sidecar's state") {
                return status;
            }
            assert!(began.elapsed() < most, "the sidecar did not end within {most:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it without notice.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- greffier serve ---\n{}", self.log());
        }
    }
}

/// The process, and where it says that it listens.
fn launch(
    arguments: &Vec<String>,
    config: Option<&str>,
    variables: &[(&'static str, &'static str)],
    folder: &TempDir,
) -> (Child, String) {
    let log = File::options().append(true).create(true).open(folder.path().join("sidecar.log")).expect("a log file");
    // What is beyond a limit on the size of files cannot be written, as on a full disk, and does not end it.
    let mut child = Command::new("env")
        .args(["--ignore-signal=XFSZ", env!("CARGO_BIN_EXE_greffier"), "serve"])
        .args(arguments)
        .envs(config.map(|config| ("EGRESS_CONFIG_BODY", config)))
        .envs(variables.iter().copied())
        // Other work on this machine is no reason to refuse a test.
        .env("LIVEKIT_CPU_REQUEST", "64")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("the binary under test");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut line).expect("the first line of the sidecar");
    let url = line.trim().strip_prefix("greffier is listening on ").unwrap_or_else(|| panic!("it says {line:?}"));
    (child, url.to_owned())
}
