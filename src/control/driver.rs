//! The one task that changes recordings: an order or a report comes in, the lifecycle decides, the change is committed, and
//! only then its effects are performed. It never waits: what takes time comes back as a fact.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::close::Closing;
use super::disk::Watch;
use super::ledger::{Ledger, Owed, Written};
use super::stall::{File, Signs};
use crate::control::{Launcher, Order, Parts, Patience, Running};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::outbox::{News, Outbox};
use crate::recording::{
    Command, Effect, Failure, Health, Job, Outcome, Policy, Recording, Refused, Report, State, Step,
};
use crate::spool::{Room, Spool};

/// Owns everything that has not ended.
pub struct Driver {
    pub(super) db: Db,
    pub(super) spool: Spool,
    pub(super) launcher: Launcher,
    pub(super) outbox: Outbox,
    pub(super) policy: Policy,
    pub(super) patience: Patience,
    pub(super) live: HashMap<RecordingId, Live>,
    /// What was done about the disk.
    pub(super) disk: Watch,
    /// Changes on their way to the store.
    pub(super) ledger: Ledger,
    /// Facts, from recorders and from clocks.
    pub(super) facts: mpsc::UnboundedSender<Fact>,
    inbox: mpsc::UnboundedReceiver<Fact>,
    /// Facts from jobs.
    news: mpsc::UnboundedReceiver<News>,
    /// Who waits for the end of everything; once somebody does, nothing starts any more.
    pub(super) closing: Option<Closing>,
}

/// A recording that has not ended.
pub(super) struct Live {
    pub recording: Recording,
    pub running: Option<Box<dyn Running>>,
    /// Who wait for media to flow.
    pub starters: Vec<oneshot::Sender<Result<Recording>>>,
    /// No recorder is believed to finish it: what it left is being made whole.
    pub salvaging: bool,
    /// What its recorder said at last, while that was under way.
    pub late: Option<Report>,
}

impl Live {
    pub fn new(recording: Recording) -> Self {
        Self { recording, running: None, starters: vec![], salvaging: false, late: None }
    }

    /// True while a second recording of this room must wait.
    pub fn holds(&self, room: &str) -> bool {
        self.recording.request.room == room && self.recording.state.holds_room() && !self.salvaging
    }
}

/// Something that happened.
pub(super) enum Fact {
    Report(RecordingId, Report),
    /// It has had its time to join.
    JoinOverdue(RecordingId),
    /// It has had its time to get on with its file since it looked like that; now the file is like this.
    Stalled {
        id: RecordingId,
        before: Option<Signs>,
        file: File,
    },
    /// Its recorder is gone; if it had not said its last word, it never will.
    Silence(RecordingId),
    /// What it left is as whole as it can be: this is to be reported.
    Salvaged(RecordingId, Report),
    /// What became of the first change that was owed.
    Written(Result<()>),
    /// The store did not take a change a while ago.
    WriteAgain,
    /// So much room the disk has.
    Disk(std::io::Result<Room>),
    /// Nobody is to be told anything any more, as far as that can be.
    AllTold,
    /// What is to be done before leaving has had its time.
    GraceOver,
}

impl Driver {
    /// A driver of nothing yet.
    pub fn new(parts: Parts) -> Self {
        let (facts, inbox) = mpsc::unbounded_channel();
        let Parts { db, spool, launcher, outbox, news, policy, patience } = parts;
        let (live, disk, ledger, closing) = (HashMap::new(), Watch::default(), Ledger::default(), None);
        Self { db, spool, launcher, outbox, policy, patience, live, disk, ledger, facts, inbox, news, closing }
    }

    /// Until the last handle is gone.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                Some(fact) = self.inbox.recv() => self.fact(fact),
                Some(news) = self.news.recv() => drop(self.report(&news.recording, news.report, news.done)),
            }
            self.close_when_done();
        }
        // What was decided is kept, as long as the store takes it.
        while self.ledger.is_writing() {
            match self.inbox.recv().await {
                Some(fact) => self.fact(fact),
                None => break,
            }
        }
    }

    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Report(id, report) => self.heard(&id, report),
            Fact::JoinOverdue(id) => self.join_overdue(&id),
            Fact::Stalled { id, before, file } => self.stalled(&id, before, file),
            Fact::Silence(id) => self.silence(&id),
            Fact::Salvaged(id, report) => self.salvaged(&id, report),
            Fact::Written(written) => self.written(written),
            Fact::WriteAgain => self.write_owed(),
            Fact::Disk(room) => self.disk(room),
            Fact::AllTold => self.all_told(),
            Fact::GraceOver => self.grace_over(),
        }
    }

    /// The recording as it is now, whether it has ended or not, and whether the store knows that or not.
    pub(super) fn load(&self, id: &RecordingId) -> Result<Option<Recording>> {
        match (self.live.get(id), self.ledger.newest(id)) {
            (Some(live), _) => Ok(Some(live.recording.clone())),
            (None, Some(owed)) => Ok((!owed.forgotten).then(|| owed.recording.clone())),
            (None, None) => self.db.get(id),
        }
    }

    pub(super) fn command(&mut self, id: &RecordingId, command: Command) -> std::result::Result<Written, Unable> {
        let recording = self.load(id).map_err(Unable::Store)?.ok_or_else(|| Unable::Unknown(id.clone()))?;
        let step = recording.state.command(command).map_err(Unable::Refused)?;
        Ok(self.take(recording, step, None))
    }

    pub(super) fn report(&mut self, id: &RecordingId, report: Report, done: Option<Job>) -> Written {
        tracing::debug!(recording = %id, ?report, "report");
        match self.load(id) {
            Ok(Some(mut recording)) => {
                if let Report::Health(health) = &report {
                    recording.health.replace(health);
                    return self.keep_health(recording);
                }
                if let Report::GaveUp(what) = &report {
                    recording.health.gave_up(what);
                    return self.keep_health(recording);
                }
                let step = recording.state.report(report);
                self.take(recording, step, done)
            }
            Ok(None) => {
                tracing::debug!(recording = %id, "a report about what is forgotten");
                Written::already()
            }
            Err(error) => {
                tracing::error!(recording = %id, %error, "a report could not be taken");
                Written::already()
            }
        }
    }

    /// What a recording lacks is kept as soon as it is known.
    fn keep_health(&mut self, recording: Recording) -> Written {
        if let Some(live) = self.live.get_mut(&recording.id) {
            live.recording.health = Health::clone(&recording.health);
        }
        self.owe(Owed::change(recording))
    }

    /// Commits the step with its jobs, performs its effects once that is done, answers who waited for it. A stop means its
    /// moment: the recorder hears of it before the store does.
    fn take(&mut self, mut recording: Recording, step: Step, done: Option<Job>) -> Written {
        let (id, before) = (recording.id.clone(), recording.state.clone());
        if step.effects.contains(&Effect::Drain) {
            self.drain(&id);
        }
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
        let starters = match self.live.get_mut(&id) {
            Some(live) => {
                live.recording = recording.clone();
                std::mem::take(&mut live.starters)
            }
            None => vec![],
        };
        let changed = recording.state != before || !jobs.is_empty() || done.is_some() || !effects.is_empty();
        let mut written = Written::already();
        if changed {
            let forgotten = effects.contains(&Effect::Forget);
            written = self.owe(Owed { forgotten, jobs, done, effects, ..Owed::change(recording.clone()) });
        }
        match &recording.state {
            State::Starting if recording.options.asked.is_none() || recording.started_at.is_none() => {
                self.still_waiting(&id, starters);
            }
            State::Ending { .. } => self.still_waiting(&id, starters),
            State::Starting | State::Active | State::Saving { .. } => {
                for starter in starters {
                    written = written.then(starter, Ok(recording.clone()));
                }
            }
            State::Ended(outcome) | State::Told(outcome) | State::Removing { outcome, .. } => {
                for starter in starters {
                    written = written.then(starter, Err(not_started(outcome)));
                }
                self.live.remove(&id);
            }
        }
        written
    }

    fn still_waiting(&mut self, id: &RecordingId, starters: Vec<oneshot::Sender<Result<Recording>>>) {
        if let Some(live) = self.live.get_mut(id) {
            live.starters.extend(starters);
        }
    }

    /// It is too late to join, unless it has joined meanwhile: media may take its time.
    fn join_overdue(&mut self, id: &RecordingId) {
        let Some(live) = self.live.get(id) else { return };
        let joined = live.running.as_ref().is_some_and(|running| running.progress().started_at.is_some());
        if live.recording.state == State::Starting && live.recording.started_at.is_none() && !joined {
            let words = format!("did not join the room within {:?}", self.patience.join);
            let failure = Failure::new(ErrorKind::DeadlineExceeded, words);
            self.report(id, Report::Broke { failure, salvaged: None }, None);
        }
    }

    /// Performs what an earlier process had not performed.
    pub(super) fn resume(&mut self, recording: &Recording) {
        let effects = recording.state.pending();
        if !effects.is_empty() {
            let jobs = self.jobs(recording, &effects);
            self.owe(Owed { jobs, effects, ..Owed::change(recording.clone()) });
        }
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
        Some(_) => tracing::warn!(recording = %id, "recording {state}"),
        None => tracing::info!(recording = %id, "recording {state}"),
    }
}
