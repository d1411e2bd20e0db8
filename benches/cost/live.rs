//! The real program on a real LiveKit server, beside the sample publisher.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::meter::{self, Reading};
use super::server::LiveKit;
use super::{folder, release};

/// Longer than anything here should take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A room with three people and a shared screen.
pub struct Room {
    // Ends before the server does.
    publisher: Process,
    server: LiveKit,
}

/// How long things took, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the start of the program until it has joined: recording time zero.
    joined: f64,
    /// Until the first sample is on its way to the muxer.
    flowing: f64,
    /// From Ctrl-C to the end of the program, the file finished.
    finished: f64,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { joined, flowing, finished } = self;
        write!(f, "request → joined {joined:.2} s, → media written {flowing:.2} s; stop → file {finished:.2} s")
    }
}

impl Room {
    /// Waits until everybody publishes.
    pub fn open() -> Self {
        let server = LiveKit::start();
        let program = release().join("examples/sample_room");
        let mut command = Command::new(&program);
        command
            .args(["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret])
            .args(["--room", "bench", "--participants", "3", "--share", "--no-stdin", "--media"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut publisher = Process::start(command, "cargo build --release --example sample_room");
        let said = publisher.child.stdout.take().expect("stdout is piped");
        lines(said).recv_timeout(TIMEOUT).expect("the sample room is ready");
        Self { publisher, server }
    }

    /// Records it with the real binary.
    pub fn record(&mut self, audio_only: bool, threads: bool) -> (Reading, Times) {
        let (file, options) = if audio_only { ("audio.ogg", &["--audio-only"][..]) } else { ("record.mp4", &[][..]) };
        let recording = self.start(file, options);
        let (joined, flowing) = (recording.joined, recording.flowing);
        let reading = recording.reading(threads);
        let whole = recording.keeps_up();
        let finished = recording.stop();
        (Reading { whole, ..reading }, Times { joined, flowing, finished })
    }

    /// Starts to record into a file of this name, with these options, and returns once media flows.
    pub fn start(&mut self, name: &str, options: &[&str]) -> Recording {
        let gone = self.publisher.child.try_wait().expect("the publisher's state");
        assert!(gone.is_none(), "the sample room has ended: {gone:?}");
        let file = folder().join(name);
        let _ = std::fs::remove_file(&file);
        let server = &self.server;
        let mut command = Command::new(env!("CARGO_BIN_EXE_greffier"));
        command
            .args(["record", "--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret])
            .args(["--room", "bench", "--output"])
            .arg(&file)
            .args(options)
            .env("GREFFIER_LOG", "info")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let mut recorder = Process::start(command, "cargo build --release");
        let said = lines(recorder.child.stderr.take().expect("stderr is piped"));
        let joined = until(&said, "output opened", began);
        let flowing = until(&said, "recording room", began);
        Recording { process: recorder, said, file, joined, flowing }
    }
}

/// A recording that runs.
pub struct Recording {
    process: Process,
    said: Receiver<String>,
    file: PathBuf,
    joined: f64,
    flowing: f64,
}

impl Recording {
    /// What it costs from now on.
    pub fn reading(&self, threads: bool) -> Reading {
        meter::over(&self.pid(), Instant::now(), threads)
    }

    /// Has it not complained since it was last asked?
    pub fn keeps_up(&self) -> bool {
        !self.said.try_iter().any(|line| line.contains("does not keep up"))
    }

    /// Ends it; seconds until the file is finished.
    pub fn stop(mut self) -> f64 {
        let stopped = Instant::now();
        let sent = Command::new("kill").args(["-INT", &self.pid()]).status().expect("kill is installed");
        assert!(sent.success(), "the recorder could not be stopped");
        let status = self.process.child.wait().expect("the recorder's end");
        assert!(status.success() && self.file.exists(), "the recorder ended with {status}");
        stopped.elapsed().as_secs_f64()
    }

    /// The process.
    pub fn pid(&self) -> String {
        self.process.child.id().to_string()
    }
}

/// Killed when dropped.
struct Process {
    child: Child,
}

impl Process {
    fn start(mut command: Command, made_by: &str) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|e| panic!("{:?}: {e}; it is made by `{made_by}`", command.get_program()));
        Self { child }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, read to the end so that nobody is stopped by a full pipe.
fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// When a line with this in it came, in seconds after `began`.
fn until(said: &Receiver<String>, what: &str, began: Instant) -> f64 {
    let mut all = String::new();
    while let Ok(line) = said.recv_timeout(TIMEOUT) {
        if line.contains(what) {
            return began.elapsed().as_secs_f64();
        }
        all = all + &line + "\n";
    }
    panic!("the recorder does not say {what:?}:\n{all}");
}
