//! One recording and its workers, one after the other: passes orders and reports on, replaces a worker that dies or hangs.

use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::deaths::{Deaths, Verdict};
use super::message::{Earlier, FromWorker, Job, Refusal, ToWorker};
use super::process::{Worker, Workers};
use super::vitals::{POLL, Vitals};
use crate::control::{Launch, Running};
use crate::error::{ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recorder::Progress;
use crate::recording::{Failure, Health, HoleCause, Report};
use crate::scene::Layout;

/// What is said to be missing at the end must be longer: figures come twice a second.
const NOTABLE_NS: u64 = 100_000_000;

/// Handle of a recording that is supervised. Dropping it drains the recording; dropping it after that kills its worker.
pub(super) struct Supervised {
    orders: mpsc::UnboundedSender<Order>,
    progress: watch::Receiver<Progress>,
}

enum Order {
    Drain,
    Show(Layout),
}

impl Running for Supervised {
    fn drain(&self) {
        let _ = self.orders.send(Order::Drain);
    }

    fn show(&self, layout: Layout) {
        let _ = self.orders.send(Order::Show(layout));
    }

    fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }
}

/// Records by the workers; the last report is `Drained` or `Broke`.
pub(super) fn start(workers: Workers, launch: Launch) -> Supervised {
    let (orders_sender, orders) = mpsc::unbounded_channel();
    let (progress_sender, progress) = watch::channel(Progress::default());
    let Launch { id, request, path, resume, reports } = launch;
    let span = tracing::info_span!("recording", %id, room = request.room);
    let earlier =
        resume.map(|resume| Earlier { started_at: resume.started_at, health: resume.health, why: resume.why });
    let job = Job {
        id,
        request,
        site: workers.access().site.clone(),
        path,
        memory: workers.memory(),
        earlier: earlier.clone(),
        excluded: Vec::new(),
        cautious: false,
    };
    let supervisor = Supervisor {
        workers,
        started_at: earlier.as_ref().map(|earlier| earlier.started_at),
        health: earlier.map(|earlier| earlier.health).unwrap_or_default(),
        flowing: job.earlier.is_some(),
        job,
        reports,
        progress: progress_sender,
        orders,
        draining: false,
        abandoned: false,
        layout: None,
        deaths: Deaths::default(),
        finishing: None,
    };
    tokio::spawn(tracing::Instrument::instrument(supervisor.run(), span));
    Supervised { orders: orders_sender, progress }
}

struct Supervisor {
    workers: Workers,
    job: Job,
    reports: mpsc::UnboundedSender<(RecordingId, Report)>,
    progress: watch::Sender<Progress>,
    orders: mpsc::UnboundedReceiver<Order>,
    draining: bool,
    /// Nobody waits for it any more.
    abandoned: bool,
    /// The layout that was shown last, if it is not the job's.
    layout: Option<Layout>,
    /// The wall clock at media time zero.
    started_at: Option<Timestamp>,
    /// Something is in the file.
    flowing: bool,
    health: Health,
    deaths: Deaths,
    /// Too many have died: only the file is made whole, for this reason.
    finishing: Option<String>,
}

/// How a worker ended.
enum End {
    /// With its last word.
    Last(Report),
    /// Without, for this reason.
    Died(String),
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let end = match self.workers.take().await {
                Ok(worker) => self.supervise(worker).await,
                Err(e) => End::Died(e.to_string()),
            };
            let (died, broke) = match end {
                End::Last(Report::Broke { failure, salvaged: None }) if self.flowing && self.finishing.is_none() => {
                    (failure.words, true)
                }
                End::Last(last) => return self.last(last),
                End::Died(why) => (why, false),
            };
            if self.abandoned {
                return;
            }
            if self.finishing.is_some() {
                let lost = lost(&died);
                return self.last(lost);
            }
            self.goes_on(died, broke).await;
        }
    }

    /// What the next worker is given. `broke`: the one before said itself that it could not go on.
    async fn goes_on(&mut self, died: String, broke: bool) {
        tracing::error!(why = died, "a recorder died; another one goes on");
        let verdict = if broke { self.deaths.broke(Instant::now()) } else { self.deaths.died(Instant::now()) };
        let pause = match verdict {
            Verdict::GoOn { pause, cautious, exclude } => {
                self.job.cautious = cautious;
                if let Some(track) = exclude {
                    tracing::error!(%track, "this track is not recorded any more: it ended several recorders");
                    self.job.excluded.push(track);
                }
                pause
            }
            Verdict::Finish => {
                tracing::error!("too many recorders died; the file is finished as it is");
                self.finishing = Some(died.clone());
                std::time::Duration::ZERO
            }
        };
        let earlier =
            |started_at| Earlier { started_at, health: self.health.clone(), why: format!("a recorder died: {died}") };
        self.job.earlier = self.started_at.filter(|_| self.flowing).map(earlier);
        tokio::time::sleep(pause).await;
    }

    /// From the job to its end.
    async fn supervise(&mut self, mut worker: Worker) -> End {
        let (mut vitals, pid) = (Vitals::default(), worker.pid());
        let drains = self.draining || self.finishing.is_some();
        tracing::debug!(pid, "a recorder is given its job");
        worker.tell(&ToWorker::Record(Box::new(self.job.clone()))).await;
        if let Some(layout) = self.layout {
            worker.tell(&ToWorker::Show(layout)).await;
        }
        if drains {
            vitals.draining();
            worker.tell(&ToWorker::Drain).await;
        }
        let (tokens, mut given) = mpsc::unbounded_channel();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // First what it says: a sidecar that stood still has not heard it yet.
                biased;
                word = worker.words.recv() => match word {
                    None => {
                        let how = worker.end().await;
                        return End::Died(how);
                    }
                    Some(word) => {
                        vitals.spoke();
                        if let Some(last) = self.word(word, &mut vitals, &tokens) {
                            worker.end().await;
                            return End::Last(last);
                        }
                    }
                },
                Some(token) = given.recv() => worker.tell(&ToWorker::Token(token)).await,
                order = self.orders.recv(), if !self.abandoned => match order {
                    Some(Order::Show(layout)) => {
                        self.layout = Some(layout);
                        worker.tell(&ToWorker::Show(layout)).await;
                    }
                    // Nobody waits for a file that was given up.
                    None if self.draining => {
                        self.abandoned = true;
                        let how = worker.end().await;
                        return End::Died(how);
                    }
                    Some(Order::Drain) | None => {
                        self.draining = true;
                        vitals.draining();
                        worker.tell(&ToWorker::Drain).await;
                    }
                },
                _ = poll.tick() => if let Some(why) = vitals.poll(worker.memory(), self.job.memory) {
                    worker.end().await;
                    return End::Died(why);
                },
            }
        }
    }

    /// What a worker says; its last report, if it is that.
    fn word(
        &mut self,
        word: FromWorker,
        vitals: &mut Vitals,
        tokens: &mpsc::UnboundedSender<std::result::Result<String, Refusal>>,
    ) -> Option<Report> {
        match word {
            FromWorker::Ready | FromWorker::Alive => {}
            FromWorker::Token => {
                let (access, tokens) = (self.workers.access().clone(), tokens.clone());
                let (room, id) = (self.job.request.room.clone(), self.job.id.clone());
                tokio::spawn(async move {
                    let token: Result<String> = access.tokens.token(&room, id.as_str()).await;
                    let _ = tokens.send(token.map_err(Into::into));
                });
            }
            FromWorker::Progress(progress) => {
                vitals.progressed(self.draining);
                // A file that nothing is in yet begins with the worker that writes to it.
                self.started_at = self.started_at.filter(|_| self.flowing).or(progress.started_at);
                let _ = self.progress.send(progress);
            }
            FromWorker::Attached(track) => {
                tracing::debug!(%track, "a recorder is given a track");
                self.deaths.attached(track, Instant::now());
            }
            FromWorker::Report(last @ (Report::Drained { .. } | Report::Broke { .. })) => return Some(last),
            FromWorker::Report(report) => {
                match &report {
                    Report::MediaFlowing => self.flowing = true,
                    Report::Health(health) => self.health.clone_from(health),
                    Report::LayoutChanged(layout) => self.layout = Some(*layout),
                    // It ends by itself: the next one would only finish the file.
                    Report::RoomClosed(_) | Report::ConnectionLost(_) | Report::LimitHit(_) => self.draining = true,
                    Report::Joined
                    | Report::LimitNear(_)
                    | Report::GaveUp(_)
                    | Report::DiskLow(_)
                    | Report::Drained { .. }
                    | Report::Broke { .. }
                    | Report::Stored
                    | Report::TakenOver(_)
                    | Report::StoreLost(_)
                    | Report::Notified
                    | Report::Expired
                    | Report::Removed => {}
                }
                self.report(report);
            }
        }
        None
    }

    /// The last word of them all. A file that ends earlier than its recorder had come says so.
    fn last(mut self, last: Report) {
        let reached = self.progress.borrow().duration_ns;
        let (length, last) = match (last, &self.finishing) {
            (Report::Drained { bytes, duration_ns }, Some(why)) => {
                let failure = Failure::new(ErrorKind::DataLoss, format!("too many recorders died: {why}"));
                (Some(duration_ns), Report::Broke { failure, salvaged: Some((bytes, duration_ns)) })
            }
            (last @ Report::Drained { duration_ns, .. }, None) => (Some(duration_ns), last),
            (last, _) => (None, last),
        };
        if let Some(length) = length.filter(|length| length.saturating_add(NOTABLE_NS) < reached) {
            let why = "the recorder died before it had written this";
            self.health.hole(length, reached, HoleCause::Interrupted, why);
            self.report(Report::Health(Box::new(self.health.clone())));
        }
        self.report(last);
    }

    fn report(&self, report: Report) {
        let _ = self.reports.send((self.job.id.clone(), report));
    }
}

fn lost(why: &str) -> Report {
    let words = format!("too many recorders died, and the file cannot be finished: {why}");
    Report::Broke { failure: Failure::new(ErrorKind::DataLoss, words), salvaged: None }
}
