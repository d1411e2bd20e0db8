//! The one task that changes recordings: an order or a report comes in, the lifecycle decides, the change is committed, and
//! only then its effects are performed.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::ledger::Owed;
use crate::control::{Launcher, Order, Parts, Patience, Running};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::outbox::{News, Outbox};
use crate::recording::{
    Command, Effect, Failure, Health, Job, Outcome, Policy, Recording, Refused, Report, State, Step,
};
use crate::spool::Spool;

/// Owns everything that has not ended.
pub struct Driver {
    pub(super) db: Db,
    pub(super) spool: Spool,
    pub(super) launcher: Launcher,
    pub(super) outbox: Outbox,
    pub(super) policy: Policy,
    pub(super) patience: Patience,
    pub(super) live: HashMap<RecordingId, Live>,
    /// Changes the store did not take yet.
    pub(super) owed: VecDeque<Owed>,
    /// Facts, from recorders and from clocks.
    pub(super) facts: mpsc::UnboundedSender<Fact>,
    inbox: mpsc::UnboundedReceiver<Fact>,
    /// Facts from jobs.
    news: mpsc::UnboundedReceiver<News>,
    /// Who waits for the end of everything; once somebody does, nothing starts any more.
    pub(super) closing: Option<Vec<oneshot::Sender<()>>>,
}

/// A recording that has not ended.
pub(super) struct Live {
    pub recording: Recording,
    pub running: Option<Box<dyn Running>>,
    /// Who wait for media to flow.
    pub starters: Vec<oneshot::Sender<Result<Recording>>>,
}

/// Something that happened.
pub(super) enum Fact {
    Report(RecordingId, Report),
    /// It has had its time to join.
    JoinOverdue(RecordingId),
    /// It has had its time to finish its file.
    DrainOverdue(RecordingId),
    /// Its recorder is gone; if it had not said its last word, it never will.
    Silence(RecordingId),
    /// The store did not take a change a while ago.
    WriteAgain,
}

impl Driver {
    /// A driver of nothing yet.
    pub fn new(parts: Parts) -> Self {
        let (facts, inbox) = mpsc::unbounded_channel();
        let Parts { db, spool, launcher, outbox, news, policy, patience } = parts;
        let (live, owed, closing) = (HashMap::new(), VecDeque::new(), None);
        Self { db, spool, launcher, outbox, policy, patience, live, owed, facts, inbox, news, closing }
    }

    /// Until the last handle is gone and everything has ended.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => break,
                },
                Some(fact) = self.inbox.recv() => self.fact(fact).await,
                Some(news) = self.news.recv() => self.report(&news.recording, news.report, news.done).await,
            }
            if self.live.is_empty() {
                for reply in self.closing.iter_mut().flat_map(|waiting| waiting.drain(..)) {
                    let _ = reply.send(());
                }
            }
        }
    }

    async fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Report(id, report) => self.report(&id, report, None).await,
            Fact::JoinOverdue(id) => {
                if self.live.get(&id).is_some_and(|live| live.recording.state == State::Starting) {
                    let failure = Failure::new(
                        ErrorKind::DeadlineExceeded,
                        format!("did not join the room within {:?}", self.patience.join),
                    );
                    self.report(&id, Report::Broke { failure, salvaged: None }, None).await;
                }
            }
            Fact::DrainOverdue(id) => {
                let failure = Failure::new(
                    ErrorKind::DeadlineExceeded,
                    format!("the file was not finished within {:?}", self.patience.drain),
                );
                self.give_up(&id, failure).await;
            }
            Fact::Silence(id) => self.give_up(&id, Failure::new(ErrorKind::Internal, "the recorder died")).await,
            Fact::WriteAgain => self.write_owed().await,
        }
    }

    /// The recorder will say nothing more: what is on the disk is what there is.
    async fn give_up(&mut self, id: &RecordingId, failure: Failure) {
        let Some(live) = self.live.get(id) else { return };
        match live.recording.state {
            State::Starting | State::Active | State::Ending { .. } => {
                let bytes = self.spool.size(id, live.recording.extension());
                let duration_ns = live.running.as_ref().map_or(0, |running| running.progress().duration_ns);
                let salvaged = (bytes > 0).then_some((bytes, duration_ns));
                self.report(id, Report::Broke { failure, salvaged }, None).await;
            }
            State::Saving { .. } | State::Ended(_) | State::Told(_) | State::Removing { .. } => {}
        }
    }

    /// The recording as it is now, whether it has ended or not.
    pub(super) fn load(&self, id: &RecordingId) -> Result<Option<Recording>> {
        match self.live.get(id) {
            Some(live) => Ok(Some(live.recording.clone())),
            None => self.db.get(id),
        }
    }

    pub(super) async fn command(&mut self, id: &RecordingId, command: Command) -> std::result::Result<(), Unable> {
        let recording = self.load(id).map_err(Unable::Store)?.ok_or_else(|| Unable::Unknown(id.clone()))?;
        let step = recording.state.command(command).map_err(Unable::Refused)?;
        self.take(recording, step, None).await;
        Ok(())
    }

    pub(super) async fn report(&mut self, id: &RecordingId, report: Report, done: Option<Job>) {
        tracing::debug!(recording = %id, ?report, "report");
        match self.load(id) {
            Ok(Some(recording)) => {
                if let Report::Health(health) = report {
                    return self.keep_health(recording, &health).await;
                }
                let step = recording.state.report(report);
                self.take(recording, step, done).await;
            }
            Ok(None) => tracing::debug!(recording = %id, "a report about what is forgotten"),
            Err(error) => tracing::error!(recording = %id, %error, "a report could not be taken"),
        }
    }

    /// What a recording lacks is kept as soon as it is known.
    async fn keep_health(&mut self, mut recording: Recording, health: &Health) {
        recording.health.replace(health);
        if let Some(live) = self.live.get_mut(&recording.id) {
            live.recording.health.clone_from(&recording.health);
        }
        self.owe(Owed { recording, forgotten: false, jobs: vec![], done: None }).await;
    }

    /// Commits the step with its jobs, performs its effects, answers who waited for it.
    async fn take(&mut self, mut recording: Recording, step: Step, done: Option<Job>) {
        let (id, before) = (recording.id.clone(), recording.state.clone());
        // Media begins when the recorder has joined; that it flows is learnt later. LiveKit's clients are answered then;
        // for others a recording whose media never flows has not begun.
        let begun = step.state == State::Active || recording.options.asked.is_some();
        if before == State::Starting && recording.started_at.is_none() && begun {
            let running = self.live.get(&id).and_then(|live| live.running.as_ref());
            recording.started_at = running.and_then(|running| running.progress().started_at);
        }
        let effects = recording.take(step, Timestamp::now());
        if recording.state != before {
            log_change(&id, &recording.state);
        }
        let jobs = self.jobs(&recording, &effects);
        if let Some(live) = self.live.get_mut(&id) {
            live.recording = recording.clone();
        }
        if recording.state != before || !jobs.is_empty() || done.is_some() || effects.contains(&Effect::Forget) {
            let forgotten = effects.contains(&Effect::Forget);
            self.owe(Owed { recording: recording.clone(), forgotten, jobs, done }).await;
        }
        self.perform(&id, &effects);
        let Some(live) = self.live.get_mut(&id) else { return };
        match &recording.state {
            State::Starting if recording.options.asked.is_none() || recording.started_at.is_none() => {}
            State::Ending { .. } => {}
            State::Starting | State::Active | State::Saving { .. } => {
                for starter in live.starters.drain(..) {
                    let _ = starter.send(Ok(recording.clone()));
                }
            }
            State::Ended(outcome) | State::Told(outcome) | State::Removing { outcome, .. } => {
                for starter in live.starters.drain(..) {
                    let _ = starter.send(Err(not_started(outcome)));
                }
                self.live.remove(&id);
            }
        }
    }

    /// Performs what an earlier process had not performed.
    pub(super) async fn resume(&mut self, id: &RecordingId, pending: &[Effect]) {
        if let Some(recording) = self.live.get(id).map(|live| live.recording.clone()) {
            let jobs = self.jobs(&recording, pending);
            if !jobs.is_empty() {
                self.owe(Owed { recording, forgotten: false, jobs, done: None }).await;
            }
        }
        self.perform(id, pending);
    }
}

/// Why a command was not taken.
#[derive(Debug)]
pub(super) enum Unable {
    Store(Error),
    Unknown(RecordingId),
    Refused(Refused),
}

/// The answer to whoever waited for media that never came.
fn not_started(outcome: &Outcome) -> Error {
    let kind = match outcome {
        Outcome::Failed(failure) if failure.kind == ErrorKind::NotFound => ErrorKind::NotFound,
        // Meet's clients know no other failure of a start than 502; what is wrong stands in the words.
        Outcome::Failed(_) | Outcome::CutShort(_) => ErrorKind::Unavailable,
        Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::Aborted(_) => ErrorKind::FailedPrecondition,
    };
    Error::new(kind, outcome.words())
}

pub(super) fn spool_error(tried: &str, e: &std::io::Error) -> Error {
    let full = matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let kind = if full { ErrorKind::ResourceExhausted } else { ErrorKind::Internal };
    Error::new(kind, format!("data_dir: cannot {tried}: {e}"))
}

/// What became of it, as loud as it is: a loss is worth a warning.
fn log_change(id: &RecordingId, state: &State) {
    match state.outcome().and_then(Outcome::failure) {
        Some(_) => tracing::warn!(recording = %id, "{state}"),
        None => tracing::info!(recording = %id, "{state}"),
    }
}
