//! The one task that changes recordings: an order or a report comes in, the lifecycle decides, the change is committed, and
//! only then its effects are performed.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::control::{Launch, Launcher, Order, Patience, Running, new_id, recovery};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recorder::{Progress, finish_interrupted};
use crate::recording::{
    Command, Effect, Failure, Media, Options, Outcome, Recording, Refused, Report, Request, State, Step,
};
use crate::spool::Spool;

/// Owns everything that has not ended.
pub struct Driver {
    db: Db,
    spool: Spool,
    launcher: Launcher,
    patience: Patience,
    live: HashMap<RecordingId, Live>,
    /// Facts, from recorders, from whoever moves files, and from clocks.
    facts: mpsc::UnboundedSender<Fact>,
    inbox: mpsc::UnboundedReceiver<Fact>,
    /// Who waits for the end of everything; once somebody does, nothing starts any more.
    closing: Option<Vec<oneshot::Sender<()>>>,
}

/// A recording that has not ended.
struct Live {
    recording: Recording,
    running: Option<Box<dyn Running>>,
    /// Who waits for media to flow.
    starter: Option<oneshot::Sender<Result<Recording>>>,
}

/// Something that happened.
enum Fact {
    Report(RecordingId, Report),
    /// It has had its time to join.
    JoinOverdue(RecordingId),
    /// It has had its time to finish its file.
    DrainOverdue(RecordingId),
    /// Its recorder is gone; if it had not said its last word, it never will.
    Silence(RecordingId),
}

impl Driver {
    /// A driver of nothing yet.
    pub fn new(db: Db, spool: Spool, launcher: Launcher, patience: Patience) -> Self {
        let (facts, inbox) = mpsc::unbounded_channel();
        Self { db, spool, launcher, patience, live: HashMap::new(), facts, inbox, closing: None }
    }

    /// Takes up what an earlier process left behind: the reports of `recovery`, then the ordinary path.
    pub async fn recover(&mut self) -> Result<()> {
        let unended = self.db.unended()?;
        let found = self.spool.list().map_err(|e| spool_error("look into the spool", &e))?;
        let reports = recovery::recover(&unended, &self.finish_interrupted(&unended));
        let ids: Vec<_> = unended.iter().map(|recording| recording.id.clone()).collect();
        for mut recording in unended {
            // It ended when it was last written to, not now.
            let written_at = found.iter().find(|found| found.id == recording.id).and_then(|found| found.written_at);
            let written_at = written_at.and_then(|at| Timestamp::try_from(at).ok());
            // A file that was opened and never written to is older than its recording.
            recording.ended_at = recording.ended_at.or(written_at.max(recording.started_at));
            let (id, pending) = (recording.id.clone(), recording.state.pending());
            self.live.insert(id.clone(), Live { recording, running: None, starter: None });
            self.perform(&id, pending);
        }
        for (id, report) in reports {
            tracing::warn!(recording = %id, "was not ended by the last run; finishing it");
            self.report(&id, report).await;
        }
        for stray in self.spool.sweep(&ids).map_err(|e| spool_error("sweep the spool", &e))? {
            tracing::warn!(recording = %stray.id, bytes = stray.bytes, "the spool holds a file that no recording claims");
        }
        Ok(())
    }

    /// Makes what is left of these recordings whole, as far as it can be, and measures it.
    fn finish_interrupted(&self, unended: &[Recording]) -> HashMap<RecordingId, Media> {
        let mut left = HashMap::new();
        for recording in unended {
            let (id, container) = (&recording.id, recording.request.output.container());
            let bytes = self.spool.size(id, recording.extension());
            if bytes == 0 {
                continue;
            }
            let media = finish_interrupted(container, &self.spool.part(id, recording.extension()));
            // What cannot be read may still be worth something to somebody; its length is unknown.
            left.insert(
                id.clone(),
                media.unwrap_or_else(|e| {
                    tracing::warn!(recording = %id, error = %e, "the interrupted file is kept as it is");
                    Media { bytes, duration_ns: 0 }
                }),
            );
        }
        left
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
            }
            if self.live.is_empty() {
                for reply in self.closing.iter_mut().flat_map(|waiting| waiting.drain(..)) {
                    let _ = reply.send(());
                }
            }
        }
    }

    async fn order(&mut self, order: Order) {
        match order {
            Order::Start { mode, request, options, reply } => match self.begin(mode, request, options).await {
                Ok(id) => {
                    if let Some(live) = self.live.get_mut(&id) {
                        live.starter = Some(reply);
                    }
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            },
            Order::Stop { room, reply } => {
                let _ = reply.send(self.stop(&room).await);
            }
            Order::Progress { reply } => {
                let figures =
                    self.live.iter().filter_map(|(id, live)| Some((id.clone(), live.running.as_ref()?.progress())));
                let _ = reply.send(figures.collect::<HashMap<RecordingId, Progress>>());
            }
            Order::Close { reply } => {
                self.closing.get_or_insert_default().push(reply);
                let ids: Vec<_> = self.live.keys().cloned().collect();
                for id in ids {
                    if let Err(refused) = self.command(&id, Command::Stop).await {
                        tracing::debug!(recording = %id, %refused, "not stopped");
                    }
                }
            }
        }
    }

    async fn begin(&mut self, mode: String, request: Request, options: Options) -> Result<RecordingId> {
        if self.closing.is_some() {
            return Err(Error::new(ErrorKind::Unavailable, "greffier is shutting down"));
        }
        let holds = |live: &&Live| live.recording.request.room == request.room && live.recording.state.holds_room();
        if let Some(other) = self.live.values().find(holds) {
            let message = format!("A recording is already in progress for room {}", request.room);
            tracing::debug!(room = request.room, recording = %other.recording.id, "refused a second recording");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let id = new_id();
        let (recording, effects) = Recording::begin(id.clone(), mode, request, options, Timestamp::now());
        self.spool.create(&id, recording.extension()).map_err(|e| spool_error("make a directory in the spool", &e))?;
        if let Err(error) = self.commit(&recording).await {
            let _ = self.spool.discard(&id);
            return Err(error);
        }
        tracing::info!(recording = %id, room = recording.request.room, mode = recording.mode, "starting");
        self.live.insert(id.clone(), Live { recording, running: None, starter: None });
        self.perform(&id, effects);
        Ok(id)
    }

    async fn stop(&mut self, room: &str) -> Result<Recording> {
        // The one that holds the room; else the one that is on its way to its end, so that stopping twice does no harm.
        let of_room = |live: &&Live| live.recording.request.room == room;
        let newest = self.live.values().filter(of_room).max_by_key(|live| live.recording.created_at);
        let id = newest.map(|live| live.recording.id.clone()).ok_or_else(no_recording)?;
        self.command(&id, Command::Stop).await.map_err(|refused| {
            let Refused::Ended(_) = refused;
            no_recording()
        })?;
        self.live.get(&id).map(|live| live.recording.clone()).ok_or_else(no_recording)
    }

    async fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Report(id, report) => self.report(&id, report).await,
            Fact::JoinOverdue(id) => {
                if self.live.get(&id).is_some_and(|live| live.recording.state == State::Starting) {
                    let failure = Failure(format!("did not join the room within {:?}", self.patience.join));
                    self.report(&id, Report::Broke { failure, salvaged: None }).await;
                }
            }
            Fact::DrainOverdue(id) => {
                let failure = Failure(format!("the file was not finished within {:?}", self.patience.drain));
                self.give_up(&id, failure).await;
            }
            Fact::Silence(id) => self.give_up(&id, Failure("the recorder died".to_owned())).await,
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
                self.report(id, Report::Broke { failure, salvaged }).await;
            }
            State::Saving { .. } | State::Ended(_) => {}
        }
    }

    async fn command(&mut self, id: &RecordingId, command: Command) -> std::result::Result<(), Refused> {
        let Some(live) = self.live.get(id) else { return Ok(()) };
        let step = live.recording.state.command(command)?;
        self.take(id, step).await;
        Ok(())
    }

    async fn report(&mut self, id: &RecordingId, report: Report) {
        let Some(live) = self.live.get(id) else { return };
        tracing::debug!(recording = %id, ?report, "report");
        let step = live.recording.state.report(report);
        self.take(id, step).await;
    }

    /// Commits the step, performs its effects, answers who waited for it.
    async fn take(&mut self, id: &RecordingId, step: Step) {
        let Some(live) = self.live.get_mut(id) else { return };
        let before = live.recording.state.clone();
        let effects = live.recording.take(step, Timestamp::now());
        let recording = live.recording.clone();
        if recording.state != before {
            tracing::info!(recording = %id, state = ?recording.state, "changed");
            if let Err(error) = self.commit(&recording).await {
                // The recorder goes on: a file is worth more than its row, and the next change tries again.
                tracing::error!(recording = %id, %error, "the change is not in the store");
            }
        }
        self.perform(id, effects);
        let Some(live) = self.live.get_mut(id) else { return };
        match &recording.state {
            State::Starting | State::Ending { .. } => {}
            State::Active | State::Saving { .. } => {
                if let Some(starter) = live.starter.take() {
                    let _ = starter.send(Ok(recording));
                }
            }
            State::Ended(outcome) => {
                if let Some(starter) = live.starter.take() {
                    let _ = starter.send(Err(not_started(outcome)));
                }
                self.live.remove(id);
            }
        }
    }

    fn perform(&mut self, id: &RecordingId, effects: Vec<Effect>) {
        for effect in effects {
            let Some(live) = self.live.get_mut(id) else { return };
            let extension = live.recording.extension();
            match effect {
                Effect::Record => match self.spool.create(id, extension) {
                    Ok(path) => {
                        let reports = self.listen(id);
                        let request = self.live.get(id).map(|live| live.recording.request.clone());
                        let Some(request) = request else { return };
                        let running = (self.launcher)(Launch { id: id.clone(), request, path, reports });
                        if let Some(live) = self.live.get_mut(id) {
                            live.running = Some(running);
                        }
                        self.remind(self.patience.join, Fact::JoinOverdue(id.clone()));
                    }
                    Err(e) => {
                        let failure = Failure(spool_error("make a directory in the spool", &e).message);
                        let _ = self.facts.send(Fact::Report(id.clone(), Report::Broke { failure, salvaged: None }));
                    }
                },
                Effect::Drain => {
                    if let Some(running) = &live.running {
                        running.drain();
                    }
                    self.remind(self.patience.drain, Fact::DrainOverdue(id.clone()));
                }
                Effect::Seal(_) => {
                    live.running = None;
                    let (spool, facts, id) = (self.spool.clone(), self.facts.clone(), id.clone());
                    // Flushing a long file takes its time; others must not wait for it.
                    tokio::task::spawn_blocking(move || {
                        let report = match spool.seal(&id, extension) {
                            Ok(_) => Report::Stored,
                            Err(e) => Report::StoreLost(Failure(spool_error("seal the file", &e).message)),
                        };
                        let _ = facts.send(Fact::Report(id, report));
                    });
                }
                Effect::Discard => {
                    live.running = None;
                    if let Err(error) = self.spool.discard(id) {
                        tracing::warn!(recording = %id, %error, "the spool could not be freed");
                    }
                }
            }
        }
    }

    /// A channel of its own for each recorder, so that one that dies without a last word is noticed.
    fn listen(&self, id: &RecordingId) -> mpsc::UnboundedSender<(RecordingId, Report)> {
        let (reports, mut heard) = mpsc::unbounded_channel();
        let (facts, id) = (self.facts.clone(), id.clone());
        tokio::spawn(async move {
            while let Some((from, report)) = heard.recv().await {
                let _ = facts.send(Fact::Report(from, report));
            }
            let _ = facts.send(Fact::Silence(id));
        });
        reports
    }

    fn remind(&self, after: Duration, fact: Fact) {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = facts.send(fact);
        });
    }

    async fn commit(&self, recording: &Recording) -> Result<()> {
        let (db, recording) = (self.db.clone(), recording.clone());
        let done = tokio::task::spawn_blocking(move || db.commit(&[&recording])).await;
        done.unwrap_or_else(|e| Err(Error::new(ErrorKind::Internal, format!("the store's task died: {e}"))))
    }
}

fn no_recording() -> Error {
    Error::new(ErrorKind::NotFound, "No active recording found for this room.")
}

/// The answer to whoever waited for media that never came.
fn not_started(outcome: &Outcome) -> Error {
    let kind = match outcome {
        Outcome::Failed(_) | Outcome::CutShort(_) => ErrorKind::Unavailable,
        Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::Aborted(_) => ErrorKind::FailedPrecondition,
    };
    Error::new(kind, outcome.words())
}

fn spool_error(tried: &str, e: &std::io::Error) -> Error {
    let full = matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let kind = if full { ErrorKind::ResourceExhausted } else { ErrorKind::Internal };
    Error::new(kind, format!("data_dir: cannot {tried}: {e}"))
}
