//! The sidecar's side: starts workers, keeps a spare one, and talks to each.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::VERB;
use super::message::{FromWorker, LONGEST, ToWorker};
use super::supervisor;
use super::vitals::{MOST_MEMORY, resident};
use crate::control::{Launch, Running};
use crate::livekit::Access;

/// What a worker inherits of the environment: where GStreamer, fonts and certificates are, and how much is logged. Never a key.
const INHERITED: &[&str] = &[
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "GREFFIER_LOG",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
];
/// And whatever begins like this.
const PREFIXES: &[&str] = &["GST_", "XDG_", "FONTCONFIG_", "ORC_", "MALLOC_"];
/// How glibc keeps memory, unless the operator says otherwise: a recording's many threads would each keep what they have freed.
const ALLOCATOR: &[(&str, &str)] =
    &[("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
/// A recording that begins has the machine to itself for so long, before the next spare worker is started.
const SETTLED: Duration = Duration::from_secs(1);
/// Words of a worker that wait to be heard.
const WORDS: usize = 256;

/// Starts workers. Cheap to clone.
#[derive(Clone)]
pub struct Workers(Arc<Shared>);

struct Shared {
    access: Access,
    /// Bytes that each may take.
    memory: u64,
    spawner: std::sync::mpsc::Sender<oneshot::Sender<io::Result<Child>>>,
    spare: Mutex<Option<JoinHandle<Option<Worker>>>>,
}

/// A process that records, or waits to.
pub(super) struct Worker {
    child: Child,
    orders: ChildStdin,
    pub words: mpsc::Receiver<FromWorker>,
}

impl Workers {
    /// Workers of `program`, which is this one, started with [`VERB`], our process and `arguments`; they join by `access`, and may take
    /// `memory` bytes each, 2 GiB unless it is said. A first spare one is
    /// started. Must be called within a tokio runtime.
    pub fn start(program: PathBuf, arguments: Vec<OsString>, access: Access, memory: Option<u64>) -> Self {
        let (spawner, requests) = std::sync::mpsc::channel::<oneshot::Sender<io::Result<Child>>>();
        // A thread of its own, which lives as long as the process does: a worker dies with the thread that started it.
        std::thread::spawn(move || {
            for reply in requests {
                if let Err(Ok(mut unwanted)) = reply.send(spawn(&program, &arguments)) {
                    let _ = unwanted.kill();
                    let _ = unwanted.wait();
                }
            }
        });
        let workers =
            Self(Arc::new(Shared { access, memory: memory.unwrap_or(MOST_MEMORY), spawner, spare: Mutex::new(None) }));
        workers.keep_spare();
        workers
    }

    /// Records, by as many workers as it takes.
    pub fn record(&self, launch: Launch) -> Box<dyn Running> {
        Box::new(supervisor::start(self.clone(), launch))
    }

    pub(super) fn access(&self) -> &Access {
        &self.0.access
    }

    pub(super) fn memory(&self) -> u64 {
        self.0.memory
    }

    /// One that is ready for a job.
    pub(super) async fn take(&self) -> io::Result<Worker> {
        let spare = self.spare().take();
        let ready = match spare {
            Some(spare) => spare.await.ok().flatten().filter(|worker| !worker.words.is_closed()),
            None => None,
        };
        let worker = match ready {
            Some(worker) => worker,
            None => self.open().await?,
        };
        let workers = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SETTLED).await;
            workers.keep_spare();
        });
        Ok(worker)
    }

    fn keep_spare(&self) {
        let (workers, mut spare) = (self.clone(), self.spare());
        if spare.is_none() {
            *spare = Some(tokio::spawn(async move {
                let opened = workers.open().await;
                opened.inspect_err(|error| tracing::warn!(%error, "no spare recorder can be started")).ok()
            }));
        }
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<Option<Worker>>>> {
        self.0.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self) -> io::Result<Worker> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts recorders is gone");
        self.0.spawner.send(reply).map_err(|_| gone())?;
        let mut child = answer.await.map_err(|_| gone())??;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(orders), Some(said)) = pipes else { return Err(io::Error::other("a recorder without pipes")) };
        let orders = ChildStdin::from_std(orders)?;
        let (heard, words) = mpsc::channel(WORDS);
        tokio::spawn(listen(ChildStdout::from_std(said)?, heard));
        let mut worker = Worker { child, orders, words };
        match worker.words.recv().await {
            Some(FromWorker::Ready) => Ok(worker),
            Some(_) | None => {
                let why = worker.end().await;
                Err(io::Error::other(format!("a recorder does not start: {why}")))
            }
        }
    }
}

impl Worker {
    /// Tells it something. One that is dead does not hear it, and that shows soon.
    pub async fn tell(&mut self, order: &ToWorker) {
        let Ok(mut line) = serde_json::to_vec(order) else { return };
        line.push(b'\n');
        let _ = self.orders.write_all(&line).await;
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory it takes.
    pub fn memory(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).ok()?;
        resident(&statm, rustix::param::page_size() as u64)
    }

    /// Ends it, if it has not ended; tells how it did.
    pub async fn end(self) -> String {
        let Self { mut child, orders, words } = self;
        drop((orders, words));
        let waited = tokio::task::spawn_blocking(move || {
            let _ = child.kill();
            child.wait()
        });
        match waited.await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.to_string(),
        }
    }
}

/// Passes on what a worker says until it ends, or says what makes no sense.
async fn listen(said: ChildStdout, heard: mpsc::Sender<FromWorker>) {
    let mut said = BufReader::new(said);
    loop {
        let mut line = Vec::new();
        let read = (&mut said).take(LONGEST).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(word) => {
                if heard.send(word).await.is_err() {
                    return;
                }
            }
            // A library that prints.
            Err(error) => tracing::debug!(%error, line = %String::from_utf8_lossy(&line), "a recorder says"),
        }
    }
}

fn spawn(program: &PathBuf, arguments: &[OsString]) -> io::Result<Child> {
    let known = |name: &str| INHERITED.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let inherited = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(known));
    Command::new(program)
        .arg0("greffier")
        .args([VERB, &std::process::id().to_string()])
        .args(arguments)
        .env_clear()
        .envs(ALLOCATOR.iter().copied())
        .envs(inherited)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A signal of the terminal is for the sidecar.
        .process_group(0)
        .spawn()
}
