//! Publishers: processes that flash and beep into a room, and obey one line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::server::LiveKit;

/// Which publisher: two WebRTC stacks that know nothing of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// libwebrtc, through PyPI `livekit`.
    Python,
    /// `examples/sample_room.rs`.
    SampleRoom,
}

/// A running publisher. Killed when dropped; what it complained of is printed when the test panics.
pub struct Publisher {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// What it has told so far.
    events: Vec<Value>,
    folder: TempDir,
}

impl Publisher {
    /// Starts `participants` people in `room` and waits until all of them publish.
    pub fn start(kind: Kind, server: &LiveKit, room: &str, participants: usize, options: &[&str]) -> Self {
        let mut command = match kind {
            Kind::Python => python(),
            Kind::SampleRoom => sample_room(),
        };
        let folder = TempDir::new().expect("a temporary folder");
        command
            .args(["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret])
            .args(["--room", room, "--participants", &participants.to_string()])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log")).expect("a log file"));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut publisher = Self { child, stdin, lines, events: Vec::new(), folder };
        publisher.wait_for("ready");
        publisher
    }

    /// Sends one command, waits until it has been obeyed, and returns that moment on the wall clock.
    pub fn tell(&mut self, command: &str) -> f64 {
        writeln!(self.stdin, "{command}")
            .unwrap_or_else(|error| panic!("publisher has gone before {command}: {error}"));
        self.wait_for(&format!("ok {command}"));
        super::wall()
    }

    /// It has not ended: the server has neither closed the room nor sent it away.
    pub fn is_here(&mut self) -> bool {
        self.child.try_wait().expect("the publisher's state").is_none()
    }

    /// What it has told of its own accord until now (`sample_room --hostile`): beeps, and how it misbehaved.
    pub fn events(&mut self) -> Vec<Value> {
        self.events.extend(self.lines.try_iter().filter_map(|line| serde_json::from_str(&line).ok()));
        std::mem::take(&mut self.events)
    }

    fn wait_for(&mut self, wanted: &str) {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line == wanted => return,
                Ok(line) if line.starts_with("error") => panic!("publisher: {line}"),
                Ok(line) => self.events.extend(serde_json::from_str::<Value>(&line)),
                Err(error) => panic!("publisher does not say {wanted:?}: {error}"),
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("--- publisher ---\n{log}");
        }
    }
}

fn python() -> Command {
    let interpreter = super::tool("venv/bin/python").expect("the Python publisher is missing: run `make tools`");
    let mut command = Command::new(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/publisher.py"));
    command
}

/// Cargo puts examples beside the folder of the test binaries.
fn sample_room() -> Command {
    let test = std::env::current_exe().expect("the test knows its own path");
    let path = test.ancestors().nth(2).expect("target/debug/deps/test").join("examples/sample_room");
    assert!(path.exists(), "{} is missing: run `cargo build --example sample_room`", path.display());
    let mut command = Command::new(path);
    command.args(["--content", "beep", "--no-share", "--media"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media"));
    command
}
