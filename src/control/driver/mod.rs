//! The one task that changes recordings: a command or a report comes in, the lifecycle decides, the change is committed, and
//! only then its effects are performed. It never waits: what takes time comes back as a fact.

mod boot;
mod close;
mod commands;
#[cfg(test)]
mod crashes;
mod disk;
mod left;
mod recovery;
mod stall;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::effects::Effects;
use super::fact::Fact;
use super::pending_writes::{PendingWrite, PendingWrites, Written};
use crate::capacity::Slot;
use crate::control::{Admission, ControlCommand, ControlParts, Running, Timeouts};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::outbox::{Completion, Outbox};
use crate::recorder::Resume;
use crate::recording::{
    Command, Effect, Failure, Health, Job, Outcome, Policy, Recording, Refused, Report, State, Step, Task,
};
use crate::scene::Layout;
use close::Closing;
use disk::Watch;

/// How soon a change is written again when the store did not take it.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Owns everything that has not ended.
pub struct Driver {
    db: Db,
    effects: Effects,
    outbox: Outbox,
    policy: Policy,
    admission: Admission,
    timeouts: Timeouts,
    live: HashMap<RecordingId, Live>,
    /// What was done about the disk.
    disk: Watch,
    /// Changes on their way to the store.
    writes: PendingWrites,
    inbox: mpsc::UnboundedReceiver<Fact>,
    /// Facts from jobs.
    completions: mpsc::UnboundedReceiver<Completion>,
    /// Who waits for the end of everything; once somebody does, nothing starts any more.
    closing: Option<Closing>,
}

/// A recording that has not ended.
struct Live {
    recording: Recording,
    running: Option<Box<dyn Running>>,
    /// Its place on this machine, until its recorder runs.
    slot: Option<Slot>,
    /// Who wait for media to flow.
    starters: Vec<oneshot::Sender<Result<Recording>>>,
    /// No recorder is believed to finish it: what it left is being made whole.
    salvaging: bool,
    /// What its recorder said at last, while that was under way.
    late: Option<Report>,
}

impl Live {
    fn new(recording: Recording) -> Self {
        Self { recording, running: None, slot: None, starters: vec![], salvaging: false, late: None }
    }

    /// True while a second recording of this room must wait.
    fn holds(&self, room: &str) -> bool {
        self.recording.request.room == room && self.recording.state.holds_room() && !self.salvaging
    }
}

impl Driver {
    /// A driver of nothing yet.
    pub fn new(parts: ControlParts) -> Self {
        let (facts, inbox) = mpsc::unbounded_channel();
        let ControlParts { db, spool, launcher, outbox, completions, policy, admission, timeouts } = parts;
        let effects = Effects::new(spool, launcher, admission.capacity.clone(), facts);
        let (live, disk) = (HashMap::new(), Watch::default());
        let (writes, closing) = (PendingWrites::default(), None);
        Self { db, effects, outbox, policy, admission, timeouts, live, disk, writes, inbox, completions, closing }
    }

    /// Until the last handle is gone.
    pub async fn run(mut self, mut commands: mpsc::Receiver<ControlCommand>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.requested(command),
                    None => break,
                },
                Some(fact) = self.inbox.recv() => self.fact(fact),
                Some(completions) = self.completions.recv() => drop(self.report(&completions.recording, completions.report, completions.done)),
            }
            self.close_when_done();
        }
        // What was decided is kept, as long as the store takes it.
        while self.writes.is_writing() {
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
            Fact::Reopened(id, take) => self.reopened(&id, take),
            Fact::Written(written) => self.written(written),
            Fact::WriteAgain => self.write_next(),
            Fact::Disk(room) => self.disk(room),
            Fact::AllNotified => self.all_notified(),
            Fact::GraceOver => self.grace_over(),
        }
    }

    /// The recording as it is now, whether it has ended or not, and whether the store knows that or not.
    fn load(&self, id: &RecordingId) -> Result<Option<Recording>> {
        match (self.live.get(id), self.writes.newest(id)) {
            (Some(live), _) => Ok(Some(live.recording.clone())),
            (None, Some(change)) => Ok((!change.forgotten).then(|| change.recording.clone())),
            (None, None) => self.db.get(id),
        }
    }

    fn command(&mut self, id: &RecordingId, command: Command) -> std::result::Result<Written, Unable> {
        let recording = self.load(id).map_err(Unable::Store)?.ok_or_else(|| Unable::Unknown(id.clone()))?;
        let step = recording.state.command(command).map_err(Unable::Refused)?;
        Ok(self.take(recording, step, None))
    }

    fn report(&mut self, id: &RecordingId, report: Report, done: Option<Job>) -> Written {
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
                if let Report::LayoutChanged(layout) = &report {
                    return self.lay_out(recording, *layout);
                }
                let step = recording.state.report(report);
                self.take(recording, step, done)
            }
            Ok(None) => {
                tracing::debug!(recording = %id, "a report about a recording that is no longer known");
                done.into_iter().for_each(|job| self.outbox.done(job));
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
        self.write(PendingWrite::of(recording))
    }

    /// The recorder shows another layout: the row says so too. Audio alone has none.
    fn lay_out(&mut self, mut recording: Recording, layout: Layout) -> Written {
        let Some(output) = recording.request.output.with_layout(layout) else { return Written::already() };
        recording.request.output = output;
        if let Some(live) = self.live.get_mut(&recording.id) {
            live.recording.request.output = recording.request.output;
        }
        self.write(PendingWrite::of(recording))
    }

    /// Commits the step with its jobs, performs its effects once that is done, answers who waited for it. A stop means its
    /// moment: the recorder hears of it before the store does.
    fn take(&mut self, mut recording: Recording, step: Step, done: Option<Job>) -> Written {
        let (id, before) = (recording.id.clone(), recording.state.clone());
        if step.effects.contains(&Effect::Drain) {
            self.drain(&id);
        }
        // Media begins when the recorder has joined; that it flows is learnt later.
        let begun = step.state == State::Active || recording.options.origin.begins_on_joining();
        if before == State::Starting && begun {
            let running = self.live.get(&id).and_then(|live| live.running.as_ref());
            // The first recorder may have ended before anything was in the file: it begins with the one that wrote it.
            recording.started_at = running.and_then(|running| running.progress().started_at).or(recording.started_at);
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
            let mut write = PendingWrite::of(recording.clone()).with(jobs, effects);
            (write.change.forgotten, write.change.done) = (forgotten, done);
            written = self.write(write);
        }
        match &recording.state {
            State::Starting if !recording.options.origin.begins_on_joining() || recording.started_at.is_none() => {
                self.still_waiting(&id, starters);
            }
            State::Ending { .. } => self.still_waiting(&id, starters),
            State::Starting | State::Active | State::Saving { .. } => {
                for starter in starters {
                    written = written.then(starter, Ok(recording.clone()));
                }
            }
            State::Ended(outcome) | State::Notified(outcome) | State::Removing { outcome, .. } => {
                for starter in starters {
                    written = written.then(starter, Err(not_started(outcome)));
                }
                self.live.remove(&id);
            }
        }
        written
    }

    /// The jobs among these effects.
    fn jobs(&self, recording: &Recording, effects: &[Effect]) -> Vec<Job> {
        let now = Timestamp::now();
        let job = |task| vec![Job::new(recording.id.clone(), task, now)];
        let jobs = |effect: &Effect| match effect {
            Effect::Upload => self.policy.store(recording, now),
            Effect::Remove { object } => job(Task::Remove { object: *object }),
            Effect::Notify(event) => self.policy.notify(*event, recording, now),
            Effect::Record | Effect::Drain | Effect::Seal(_) | Effect::Free | Effect::Discard | Effect::Forget => {
                vec![]
            }
        };
        effects.iter().flat_map(jobs).collect()
    }

    /// Writes a change; one that the store does not take is written again until it does. The recorder goes on meanwhile: a
    /// file is worth more than its row. What a change destroys or renames waits for it.
    fn write(&mut self, write: PendingWrite) -> Written {
        let written = self.writes.push(write);
        self.write_next();
        written
    }

    fn write_next(&mut self) {
        let Some(change) = self.writes.next() else { return };
        let (db, facts) = (self.db.clone(), self.effects.facts.clone());
        let work = tokio::task::spawn_blocking(move || change.commit(&db));
        tokio::spawn(async move {
            let died = |e| Err(Error::new(ErrorKind::Internal, format!("the store's task died: {e}")));
            let _ = facts.send(Fact::Written(work.await.unwrap_or_else(died)));
        });
    }

    /// What became of the change that was being written.
    fn written(&mut self, written: Result<()>) {
        if let Err(error) = written {
            return self.refused(&error);
        }
        if let Some(mut write) = self.writes.written() {
            let jobs = std::mem::take(&mut write.change.jobs);
            if !jobs.is_empty() {
                self.outbox.wake(jobs);
            }
            self.perform(&write.change.recording, &write.effects);
            // Only now: who is answered asks the outbox for what became of the jobs, and it must know them.
            write.answer();
        }
        self.write_next();
    }

    fn refused(&mut self, error: &Error) {
        tracing::error!(%error, "a database write failed; retrying");
        for id in self.writes.failed(error) {
            for starter in self.live.remove(&id).into_iter().flat_map(|live| live.starters) {
                let _ = starter.send(Err(error.clone()));
            }
            self.effects.discard(&id);
        }
        self.effects.remind(WRITE_AGAIN, Fact::WriteAgain);
    }

    /// Performs what is no job, once the change that brought it about is written.
    fn perform(&mut self, recording: &Recording, effects: &[Effect]) {
        let id = &recording.id;
        for effect in effects {
            match effect {
                // Those are jobs.
                Effect::Upload | Effect::Remove { .. } | Effect::Notify(_) => {}
                // That was done with the change, or before it.
                Effect::Forget | Effect::Drain => {}
                Effect::Record => self.record(recording, None),
                Effect::Seal(_) => {
                    if let Some(live) = self.live.get_mut(id) {
                        live.running = None;
                    }
                    self.effects.seal(recording);
                }
                Effect::Free => self.effects.free(recording),
                Effect::Discard => self.effects.discard(id),
            }
        }
    }

    /// Starts its recorder, unless it was stopped while the store hung.
    fn record(&mut self, recording: &Recording, resume: Option<Resume>) {
        let id = &recording.id;
        let Some(live) = self.live.get_mut(id) else { return };
        let Some(running) = self.effects.record(recording, resume) else { return };
        if !live.recording.state.holds_room() {
            running.drain();
        }
        (live.running, live.slot) = (Some(running), None);
        self.effects.remind(self.timeouts.join, Fact::JoinOverdue(id.clone()));
        self.watch_disk();
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
            let words = format!("did not join the room within {:?}", self.timeouts.join);
            let failure = Failure::new(ErrorKind::DeadlineExceeded, words);
            self.report(id, Report::Broke { failure, salvaged: None }, None);
        }
    }

    /// Performs what an earlier process had not performed.
    fn resume(&mut self, recording: &Recording) {
        let effects = recording.state.pending();
        if !effects.is_empty() {
            let jobs = self.jobs(recording, &effects);
            self.write(PendingWrite::of(recording.clone()).with(jobs, effects));
        }
    }
}

/// Why a command was not taken.
#[derive(Debug)]
enum Unable {
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

/// What became of it, as loud as it is: a loss is worth a warning.
fn log_change(id: &RecordingId, state: &State) {
    match state.outcome().and_then(Outcome::failure) {
        Some(_) => tracing::warn!(recording = %id, "recording {state}"),
        None => tracing::info!(recording = %id, "recording {state}"),
    }
}
