//! `greffier serve`, driven over HTTP, and killed when a test says so.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::LiveKit;

/// A running sidecar on a free port, with a data directory of its own. Killed when dropped; its log is printed when the
/// test panics.
pub struct Sidecar {
    child: Child,
    url: String,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Sidecar {
    /// Starts it and waits until it listens.
    pub fn start(server: &LiveKit) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let data = folder.path().join("data").display().to_string();
        let livekit = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
        let own = ["--listen", "127.0.0.1:0", "--data-dir", &data];
        let arguments = livekit.into_iter().chain(own).map(str::to_owned).collect();
        let (child, url) = launch(&arguments, &folder);
        Self { child, url, arguments, folder }
    }

    /// Ends it without notice and starts it again with the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        (self.child, self.url) = launch(&self.arguments, &self.folder);
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
        let began = Instant::now();
        loop {
            let item = ureq::get(format!("{}/api/v1.0/recordings/{id}/", self.url))
                .call()
                .and_then(|mut answer| answer.body_mut().read_json::<Value>())
                .unwrap_or_else(|error| panic!("recording {id}: {error}"));
            if item["status"] == status {
                return item;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "never became {status}: {item}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("sidecar.log")).unwrap_or_default();
            eprintln!("--- greffier serve ---\n{log}");
        }
    }
}

/// The process, and where it says that it listens.
fn launch(arguments: &Vec<String>, folder: &TempDir) -> (Child, String) {
    let log = File::options().append(true).create(true).open(folder.path().join("sidecar.log")).expect("a log file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_greffier"))
        .arg("serve")
        .args(arguments)
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
