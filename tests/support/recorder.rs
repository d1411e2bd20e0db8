//! The recorder's binary, driven as a person would: started, watched, stopped with Ctrl-C.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::attempts::note;
use super::publisher::Publisher;
use super::server::LiveKit;

/// A running `greffier record`. Killed when dropped; its log is printed when the test panics.
pub struct Recorder {
    child: Child,
    began: Instant,
    folder: TempDir,
    output: PathBuf,
}

/// When a command was given to a publisher and when it answered, on the wall clock. What it causes lies after the first;
/// on a busy machine the answer may come later than the effect.
#[derive(Clone, Copy, Debug)]
pub struct Notified {
    /// Given.
    pub sent: f64,
    /// Answered.
    pub obeyed: f64,
}

/// What a finished recorder leaves, and when things were done.
pub struct Take {
    /// The finished file; its folder lives as long as this.
    pub file: PathBuf,
    /// Wall time of each command of the script, in order: when it had been obeyed.
    pub told: Vec<Notified>,
    /// Wall time of the stop.
    pub stopped: f64,
    /// From the stop to the end of the process, seconds.
    pub ending: f64,
    /// Everything it logged.
    pub log: String,
    _folder: TempDir,
}

impl Recorder {
    /// Starts recording `room` into a file of this name in a folder of its own.
    pub fn start(server: &LiveKit, room: &str, name: &str, options: &[&str]) -> Self {
        Self::start_at(&server.url, server, room, name, options)
    }

    /// The same by another way to the server.
    pub fn start_at(url: &str, server: &LiveKit, room: &str, name: &str, options: &[&str]) -> Self {
        Self::start_in(&[], url, server, room, name, options)
    }

    /// The same with these variables set.
    pub fn start_in(
        environment: &[(&str, &Path)],
        url: &str,
        server: &LiveKit,
        room: &str,
        name: &str,
        options: &[&str],
    ) -> Self {
        note("played", "");
        let folder = TempDir::new().expect("a temporary folder");
        let output = folder.path().join(name);
        let log = File::create(folder.path().join("recorder.log")).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_greffier"))
            .arg("record")
            .args(["--url", url, "--api-key", &server.api_key, "--api-secret", &server.api_secret])
            .args(["--room", room, "--output"])
            .arg(&output)
            .args(options)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("the binary under test");
        Self { child, began: Instant::now(), folder, output }
    }

    /// The finished or future file.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Tells the publisher each command at its moment (seconds after the start), stops at `end`, expects success. A
    /// command is told in the middle of a second of the wall clock, far from flash and beep: who vanishes while white
    /// could not be told from who flashes too long.
    pub fn play(mut self, publisher: &mut Publisher, script: &[(f64, &str)], end: f64) -> Take {
        let mut told = Vec::new();
        for (at, command) in script {
            self.wait_until_middle(*at);
            let sent = super::wall();
            told.push(Notified { sent, obeyed: publisher.tell(command) });
        }
        self.wait_until(end);
        self.stop(told)
    }

    /// Records for `seconds`, then stops it.
    pub fn run_for(mut self, seconds: f64) -> Take {
        self.wait_until(seconds);
        self.stop(Vec::new())
    }

    /// Waits until it ends by itself, at most `seconds`.
    pub fn wait(&mut self, seconds: f64) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the recorder's state") {
                return status;
            }
            assert!(began.elapsed().as_secs_f64() < seconds, "the recorder did not end within {seconds} s");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it without notice, as a power cut does.
    pub fn kill(&mut self) {
        self.child.kill().expect("the recorder can be killed");
        self.child.wait().expect("the recorder's state");
    }

    /// Ctrl-C, then the file it leaves.
    pub fn stop(mut self, told: Vec<Notified>) -> Take {
        let stopped = super::wall();
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().expect("kill is installed");
        assert!(sent.success(), "the recorder could not be stopped");
        let status = self.wait(30.0);
        assert!(status.success(), "the recorder ended with {status}");
        self.take(told, stopped)
    }

    /// After it has ended by itself: what it left.
    pub fn take(mut self, told: Vec<Notified>, stopped: f64) -> Take {
        let ending = super::wall() - stopped;
        let log = self.log();
        let output = self.output.clone();
        assert!(output.exists(), "no file at {}", output.display());
        // An empty folder is left to this value, so that only the take speaks when the test fails later.
        let folder = std::mem::replace(&mut self.folder, TempDir::new().expect("a temporary folder"));
        keep_when_asked(&output);
        Take { file: output, told, stopped, ending, log, _folder: folder }
    }

    /// Waits until this second after the start; it must go on so long.
    pub fn wait_until(&mut self, second: f64) {
        let left = second - self.began.elapsed().as_secs_f64();
        if left > 0.0 {
            std::thread::sleep(Duration::from_secs_f64(left));
        }
        if let Some(status) = self.child.try_wait().expect("the recorder's state") {
            panic!("the recorder ended before its time, with {status}");
        }
    }

    /// Memory it holds now, and the most it ever held, MiB.
    pub fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let of = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).expect("Linux tells it");
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// The same, and then until the middle of a second of the wall clock.
    pub fn wait_until_middle(&mut self, second: f64) {
        let now = self.began.elapsed().as_secs_f64();
        let left = (second - now).max(0.0);
        self.wait_until(now + until_middle(super::wall() + left) + left);
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("recorder.log")).unwrap_or_default()
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- greffier record ---\n{}", self.log);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            if !log.is_empty() {
                eprintln!("--- greffier record ---\n{log}");
            }
        }
    }
}

/// Seconds from this moment of the wall clock to the next half second past a whole one.
fn until_middle(wall: f64) -> f64 {
    (0.5 - wall).rem_euclid(1.0)
}

/// Copies the file to `GREFFIER_KEEP`, if set, so that a person can look at it.
fn keep_when_asked(file: &Path) {
    if let (Some(folder), Some(name)) = (std::env::var_os("GREFFIER_KEEP"), file.file_name()) {
        let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let copy = PathBuf::from(folder).join(format!("{test}-{}", name.to_string_lossy()));
        std::fs::copy(file, copy).expect("GREFFIER_KEEP is a folder that can be written");
    }
}
