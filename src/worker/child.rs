//! The worker's side: one recorder, what it says goes to standard output, what it is to do comes from standard input.

use std::io::{self, BufRead, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::message::{Earlier, FromWorker, Job, LONGEST, Refusal, ToWorker};
use super::sandbox;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::livekit::{Access, TokenSource, Tokens};
use crate::recorder::{self, Left, Precautions, Progress, Recorder, Resume, Take, finish_interrupted};
use crate::recording::{Container, Failure, Report};

/// How often a worker with nothing to tell says that it is alive.
const ALIVE: Duration = Duration::from_secs(1);
/// So many bytes wait for a sidecar that stands still.
const PIPE: usize = 1 << 20;
/// A recording has two tasks that work, and GStreamer has threads of its own.
const THREADS: usize = 2;

/// A worker's whole life. It ends with its job, or with the sidecar, whose process is `parent`.
pub fn run(parent: i32) -> Result<()> {
    sandbox::bind(parent)?;
    recorder::prepare()?;
    let mut orders = io::stdin().lock();
    let out = Out::open();
    out.say(&FromWorker::Ready);
    let job = loop {
        match next(&mut orders)? {
            Some(ToWorker::Record(job)) => break job,
            Some(ToWorker::Drain | ToWorker::Show(_) | ToWorker::Token(_)) => {}
            // A spare one that was not needed.
            None => return Ok(()),
        }
    };
    // Before there is another thread: it holds for those that come.
    sandbox::enter(&job);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start the runtime: {e}")))?;
    drop(orders);
    runtime.block_on(record(*job, &out));
    runtime.shutdown_background();
    Ok(())
}

/// Until the last word is said.
async fn record(job: Job, out: &Out) {
    // A signal to all processes of a terminal or a service is the sidecar's business.
    let _kept = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let (reports, mut said) = mpsc::unbounded_channel();
    let (orders_sender, mut orders) = mpsc::unbounded_channel();
    let tokens = Arc::new(Asked { out: out.clone(), waiting: Mutex::default() });
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(Some(order)) = next(&mut input) {
            if orders_sender.send(order).is_err() {
                return;
            }
        }
        // The sidecar is gone, and goes on with the file as it is.
        std::process::exit(1);
    });
    let voice = Voice::start(out.clone());
    let recorder = match start(job, &tokens, out, reports).await {
        Ok(recorder) => recorder,
        Err(last) => return voice.last(last),
    };
    let mut progress = recorder.progress();
    loop {
        tokio::select! {
            report = said.recv() => match report {
                Some((_, last @ (Report::Drained { .. } | Report::Broke { .. }))) => {
                    voice.progress(progress.borrow().clone());
                    return voice.last(last);
                }
                Some((_, report)) => {
                    // First the figures: whoever hears of it looks for them.
                    voice.progress(progress.borrow_and_update().clone());
                    voice.report(report);
                }
                None => return,
            },
            Ok(()) = progress.changed() => voice.progress(progress.borrow_and_update().clone()),
            Some(order) = orders.recv() => match order {
                ToWorker::Drain => recorder.drain(),
                ToWorker::Show(layout) => recorder.show(layout),
                ToWorker::Token(token) => tokens.answer(token.map_err(Refusal::error)),
                ToWorker::Record(_) => {}
            },
        }
    }
}

/// The recorder; the last word when there is nothing to record any more.
async fn start(
    job: Job,
    tokens: &Arc<Asked>,
    out: &Out,
    reports: mpsc::UnboundedSender<(RecordingId, Report)>,
) -> std::result::Result<Recorder, Report> {
    let Job { id, request, site, path, memory: _, earlier, excluded, cautious } = job;
    let resume = match earlier {
        None => None,
        Some(earlier) => {
            let (container, path) = (request.output.container(), path.clone());
            let reopened = tokio::task::spawn_blocking(move || reopen(container, &path, earlier)).await;
            reopened.map_err(|e| broke(format!("the file cannot be reopened: {e}"), None))??
        }
    };
    let announce = out.clone();
    let precautions = Precautions {
        excluded: excluded.into_iter().collect(),
        one_by_one: cautious,
        leave_broken: true,
        attached: Some(Arc::new(move |track| announce.say(&FromWorker::Attached(track.clone())))),
    };
    let access = Access { site, tokens: tokens.clone() };
    Ok(Recorder::start(recorder::Job { id, request, access, path, resume, precautions }, reports))
}

/// How a file goes on; nothing when there is none yet. The last word when it cannot be appended to.
fn reopen(container: Container, path: &Path, earlier: Earlier) -> std::result::Result<Option<Resume>, Report> {
    let Earlier { started_at, health, why } = earlier;
    if let Ok(Some(take)) = Take::reopen(container, path, &AtomicU64::new(0)) {
        return Ok(Some(Resume { take, started_at, health, why }));
    }
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(None);
    }
    Err(match finish_interrupted(container, path, &AtomicU64::new(0)) {
        Ok(Left { media, finished: true }) => Report::Drained { bytes: media.bytes, duration_ns: media.duration_ns },
        Ok(Left { media, finished: false }) => broke(why, Some((media.bytes, media.duration_ns))),
        Err(e) => broke(format!("{why}; the file cannot be finished: {e}"), None),
    })
}

fn broke(why: String, salvaged: Option<(u64, u64)>) -> Report {
    Report::Broke { failure: Failure::new(ErrorKind::DataLoss, why), salvaged }
}

/// Standard output, a line at a time.
#[derive(Clone)]
struct Out(Arc<Mutex<io::Stdout>>);

impl Out {
    fn open() -> Self {
        let out = io::stdout();
        // A sidecar that stands still does not hold up the recording.
        let _ = rustix::pipe::fcntl_setpipe_size(&out, PIPE);
        Self(Arc::new(Mutex::new(out)))
    }

    /// What cannot be said is heard by nobody.
    fn say(&self, message: &FromWorker) {
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        let mut out = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// What is said in order, on a thread that may wait for the sidecar.
struct Voice {
    words: std::sync::mpsc::Sender<FromWorker>,
    thread: std::thread::JoinHandle<()>,
}

impl Voice {
    fn start(out: Out) -> Self {
        let (words, said) = channel();
        let thread = std::thread::spawn(move || {
            loop {
                match said.recv_timeout(ALIVE) {
                    Ok(message) => out.say(&message),
                    Err(RecvTimeoutError::Timeout) => out.say(&FromWorker::Alive),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self { words, thread }
    }

    fn report(&self, report: Report) {
        let _ = self.words.send(FromWorker::Report(report));
    }

    fn progress(&self, progress: Progress) {
        let _ = self.words.send(FromWorker::Progress(progress));
    }

    /// Returns when it has been said.
    fn last(self, report: Report) {
        self.report(report);
        drop(self.words);
        let _ = self.thread.join();
    }
}

/// Tokens are the sidecar's to give. One is asked for at a time.
struct Asked {
    out: Out,
    waiting: Mutex<Vec<oneshot::Sender<Result<String>>>>,
}

impl Asked {
    fn answer(&self, token: Result<String>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for asker in waiting.drain(..) {
            let _ = asker.send(token.clone());
        }
    }
}

impl TokenSource for Asked {
    /// It is for the room of the job, whatever is asked.
    fn token<'a>(&'a self, _: &'a str, _: &'a str) -> Tokens<'a> {
        let (asker, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(asker);
        self.out.say(&FromWorker::Token);
        Box::pin(async move {
            let gone = || Error::new(ErrorKind::Unavailable, "the sidecar gives no token");
            answer.await.unwrap_or_else(|_| Err(gone()))
        })
    }
}

/// The next order; none when the sidecar is gone.
fn next(orders: &mut impl BufRead) -> Result<Option<ToWorker>> {
    let mut line = Vec::new();
    let read = orders.by_ref().take(LONGEST).read_until(b'\n', &mut line);
    match read {
        Ok(0) | Err(_) => Ok(None),
        Ok(_) => serde_json::from_slice(&line)
            .map(Some)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("what the sidecar says makes no sense: {e}"))),
    }
}
