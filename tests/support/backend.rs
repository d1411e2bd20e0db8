//! A backend such as La Suite Meet: LiveKit's own Python SDK, and an API for the server's webhooks.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::receiver::{HttpReceiver, Sent};
use super::server::LiveKit;

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The message, or the Twirp error.
    pub result: Result<Value, Refusal>,
    /// How long it took, as the SDK's user sees it.
    pub ms: u64,
    /// When it was there.
    pub at: Instant,
}

/// A Twirp error.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// `invalid_argument`.
    pub code: String,
    /// What the server says.
    pub message: String,
    /// HTTP status, where the SDK tells it.
    pub status: Option<u64>,
}

impl Answer {
    /// The message of a call that must succeed.
    pub fn ok(self) -> Value {
        self.result.unwrap_or_else(|error| panic!("after {} ms: {error:?}", self.ms))
    }

    /// The error of a call that must fail.
    pub fn refusal(self) -> Refusal {
        match self.result {
            Ok(value) => panic!("this was accepted: {value}"),
            Err(refusal) => refusal,
        }
    }
}

/// The SDK in a process of its own. Killed when dropped; what it complained of is printed when the test panics.
pub struct Backend {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<(String, Instant)>,
    folder: TempDir,
    last: u64,
}

impl Backend {
    /// Against this server.
    pub fn start(server: &LiveKit) -> Self {
        Self::at(&format!("http://127.0.0.1:{}", server.port), &server.api_key, &server.api_secret)
    }

    /// Against whoever speaks Twirp at `http://…`.
    pub fn at(url: &str, key: &str, secret: &str) -> Self {
        let python = super::tool("venv/bin/python").expect("LiveKit's Python SDK is missing: run `make tools`");
        let folder = TempDir::new().expect("a temporary folder");
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/backend.py"))
            .args([url, key, secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log")).expect("a log file"))
            .spawn()
            .expect("the backend starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send((line, Instant::now())).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, lines, folder, last: 0 }
    }

    /// One call: `start`, `start_web`, `stop`, `list`, `update_layout`, or `verify` of a webhook.
    pub fn call(&mut self, what: &str, with: Value) -> Answer {
        self.calls(what, vec![with]).remove(0)
    }

    /// Many at the same time; the answers in the order of the calls.
    pub fn calls(&mut self, what: &str, with: Vec<Value>) -> Vec<Answer> {
        let first = self.last;
        for with in with {
            let line = json!({ "id": self.last, "do": what, "with": with }).to_string();
            writeln!(self.stdin, "{line}").expect("the backend reads");
            self.last += 1;
        }
        let mut answers = vec![None; usize::try_from(self.last - first).expect("few")];
        while answers.iter().any(Option::is_none) {
            let (line, at) = self.lines.recv_timeout(Duration::from_secs(90)).expect("the backend answers");
            let answer: Value = serde_json::from_str(&line).expect("JSON");
            let text = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
            let result = match answer.get("ok") {
                Some(message) => Ok(message.clone()),
                None => Err(Refusal {
                    code: text("code"),
                    message: text("message"),
                    status: answer["error"]["status"].as_u64(),
                }),
            };
            let place = answer["id"].as_u64().expect("an id") - first;
            let ms = answer["ms"].as_u64().expect("a length");
            answers[usize::try_from(place).expect("few")] = Some(Answer { result, ms, at });
        }
        answers.into_iter().flatten().collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("--- backend ---\n{log}");
        }
    }
}

/// One webhook about an egress.
#[derive(Clone, Debug)]
pub struct Hook {
    /// When it came.
    pub at: Instant,
    /// `egress_started` and the status.
    pub name: String,
    /// `EgressInfo` as JSON.
    pub info: Value,
    /// As it came.
    pub body: String,
    /// Its header.
    pub authorization: String,
}

/// Where the server sends its webhooks; keeps those about egresses.
pub struct Hooks {
    /// To be configured.
    pub url: String,
    kept: Arc<Mutex<Vec<Hook>>>,
    _receiver: HttpReceiver,
}

impl Hooks {
    /// Answers 200 to everything.
    pub fn start() -> Self {
        let kept: Arc<Mutex<Vec<Hook>>> = Arc::default();
        let keeper = kept.clone();
        let receiver = HttpReceiver::start(move |sent| {
            keeper.lock().expect("no one panics with it").extend(hook(sent));
            (200, Vec::new())
        });
        Self { url: format!("{}/hooks", receiver.url), kept, _receiver: receiver }
    }

    /// Of this egress, in the order of their coming.
    pub fn of(&self, egress_id: &str) -> Vec<Hook> {
        let kept = self.kept.lock().expect("no one panics with it");
        kept.iter().filter(|hook| hook.info["egressId"] == egress_id).cloned().collect()
    }

    /// What they are called.
    pub fn names(&self, egress_id: &str) -> Vec<String> {
        self.of(egress_id).into_iter().map(|hook| hook.name).collect()
    }

    /// Every one, about whatever egress.
    pub fn all(&self) -> Vec<Hook> {
        self.kept.lock().expect("no one panics with it").clone()
    }

    /// The hook of this name, once it is there.
    pub fn until(&self, egress_id: &str, name: &str) -> Hook {
        let began = Instant::now();
        loop {
            if let Some(hook) = self.of(egress_id).into_iter().find(|hook| hook.name == name) {
                return hook;
            }
            let so_far = self.names(egress_id);
            assert!(began.elapsed() < Duration::from_secs(40), "{egress_id}: no {name:?} after {so_far:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn hook(sent: &Sent) -> Option<Hook> {
    let body = sent.text().to_owned();
    let event: Value = serde_json::from_str(&body).ok()?;
    let name = event["event"].as_str().filter(|name| name.starts_with("egress_"))?;
    let info = event["egressInfo"].clone();
    // protojson leaves out what is zero.
    let status = info["status"].as_str().unwrap_or("EGRESS_STARTING").trim_start_matches("EGRESS_").to_owned();
    let authorization = sent.headers.get("authorization").cloned().unwrap_or_default();
    Some(Hook { at: Instant::now(), name: format!("{name} {status}"), info, body, authorization })
}
