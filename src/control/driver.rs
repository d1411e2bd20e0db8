//! The one task that changes recordings: an order or a report comes in, the lifecycle decides, the change is committed, and
//! only then its effects are performed.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::ledger::Owed;
use crate::control::{AtClose, Launcher, Order, Parts, Patience, Running, new_id};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::outbox::{News, Outbox};
use crate::recorder::Progress;
use crate::recording::{
    Command, Effect, Failure, Job, Options, Outcome, Policy, Recording, Refused, Report, Request, State, Step,
};
use crate::scene::Layout;
use crate::spool::Spool;

/// So many expired recordings are removed in one go.
const EXPIRED: usize = 100;

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
    closing: Option<Vec<oneshot::Sender<()>>>,
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

    async fn order(&mut self, order: Order) {
        match order {
            Order::Start { id, mode, request, options, reply } => match self.begin(id, mode, request, *options).await {
                Ok(Begun::Joining(id)) => {
                    if let Some(live) = self.live.get_mut(&id) {
                        live.starters.push(reply);
                    }
                }
                Ok(Begun::Known(recording)) => {
                    let _ = reply.send(Ok(*recording));
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            },
            Order::Stop { room, reply } => {
                let _ = reply.send(self.stop(&room).await);
            }
            Order::Finish { id, reply } => {
                let _ = reply.send(self.finish(&id).await);
            }
            Order::Delete { id, object, reply } => {
                let _ = reply.send(self.command(&id, Command::Delete { object }).await.map_err(refused_delete));
            }
            Order::Layout { id, layout, reply } => {
                let _ = reply.send(self.show(&id, layout).await);
            }
            Order::RevokeShares { id, reply } => {
                let _ = reply.send(self.revoke_shares(&id).await);
            }
            Order::RoomClosed { room, why } => {
                let of_room = |live: &&Live| live.recording.request.room == room && live.recording.state.holds_room();
                let ids: Vec<_> = self.live.values().filter(of_room).map(|live| live.recording.id.clone()).collect();
                for id in ids {
                    self.report(&id, Report::RoomClosed(why.clone()), None).await;
                }
            }
            Order::Expire { now, reply } => {
                let expired = self.db.expired(now, EXPIRED).unwrap_or_default();
                for recording in expired.iter().filter(|recording| recording.state.is_final()) {
                    self.report(&recording.id, Report::Expired, None).await;
                }
                let _ = reply.send(expired.len());
            }
            Order::Progress { reply } => {
                let figures =
                    self.live.iter().filter_map(|(id, live)| Some((id.clone(), live.running.as_ref()?.progress())));
                let _ = reply.send(figures.collect::<HashMap<RecordingId, Progress>>());
            }
            Order::Close { running, reply } => {
                self.closing.get_or_insert_default().push(reply);
                let ids: Vec<_> = match running {
                    AtClose::Stop => self.live.keys().cloned().collect(),
                    AtClose::Await => vec![],
                };
                for id in ids {
                    if let Err(error) = self.command(&id, Command::Stop).await {
                        tracing::debug!(recording = %id, ?error, "not stopped");
                    }
                }
            }
        }
    }

    async fn begin(
        &mut self,
        id: Option<RecordingId>,
        mode: String,
        request: Request,
        options: Options,
    ) -> Result<Begun> {
        if let Some(id) = &id
            && let Some(known) = self.load(id)?
        {
            return Ok(Begun::again(known));
        }
        if let Some(key) = &options.idempotency_key
            && let Some(known) = self.db.started_with(&request.room, key)?
        {
            return Ok(Begun::again(known));
        }
        if self.closing.is_some() {
            return Err(Error::new(ErrorKind::Unavailable, "greffier is shutting down"));
        }
        let holds = |live: &&Live| live.recording.request.room == request.room && live.recording.state.holds_room();
        // LiveKit's API knows no such rule: a backend may want a picture and a transcript of the same room.
        if options.asked.is_none()
            && let Some(other) = self.live.values().find(holds)
        {
            let message = format!("A recording is already in progress for room {}", request.room);
            tracing::debug!(room = request.room, recording = %other.recording.id, "refused a second recording");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        // LiveKit's clients may write over their own objects, as LiveKit Egress lets them.
        if let Some(key) = options.key.as_ref().filter(|_| options.asked.is_none() && options.store.is_none())
            && self.db.with_key(key)?.is_some()
        {
            let message = format!("options.output_key: {key:?} is the key of another recording");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let id = id.unwrap_or_else(new_id);
        let now = Timestamp::now();
        let (recording, effects) = Recording::begin(id.clone(), mode, request, options, &self.policy, now);
        self.spool.create(&id, recording.extension()).map_err(|e| spool_error("make a directory in the spool", &e))?;
        let jobs = self.jobs(&recording, &effects);
        let owed = Owed { recording: recording.clone(), forgotten: false, jobs, done: None };
        if let Err(error) = self.write(owed.clone()).await {
            let _ = self.spool.discard(&id);
            return Err(error);
        }
        tracing::info!(recording = %id, room = recording.request.room, mode = recording.mode, "starting");
        self.live.insert(id.clone(), Live { recording, running: None, starters: vec![] });
        self.perform(&id, &effects);
        Ok(Begun::Joining(id))
    }

    async fn stop(&mut self, room: &str) -> Result<Recording> {
        // The one that holds the room; else the one that is on its way to its end, so that stopping twice does no harm.
        let of_room = |live: &&Live| live.recording.request.room == room;
        let newest = self.live.values().filter(of_room).max_by_key(|live| live.recording.created_at);
        let id = newest.map(|live| live.recording.id.clone()).ok_or_else(no_recording)?;
        self.command(&id, Command::Stop).await.map_err(|_| no_recording())?;
        self.live.get(&id).map(|live| live.recording.clone()).ok_or_else(no_recording)
    }

    async fn finish(&mut self, id: &RecordingId) -> Result<Recording> {
        match self.command(id, Command::Stop).await {
            Ok(()) | Err(Unable::Refused(_)) => self.load(id)?.ok_or_else(|| no_such(id)),
            Err(Unable::Store(error)) => Err(error),
            Err(Unable::Unknown(id)) => Err(no_such(&id)),
        }
    }

    /// Another layout from now on.
    async fn show(&mut self, id: &RecordingId, layout: Layout) -> Result<Recording> {
        let live = self.live.get_mut(id).filter(|live| live.recording.state.holds_room());
        let not_running = || Error::new(ErrorKind::FailedPrecondition, "the recording is not running");
        let Some(live) = live else {
            return Err(self.db.get(id)?.map_or_else(|| no_such(id), |_| not_running()));
        };
        let Some(output) = live.recording.request.output.with_layout(layout) else {
            return Err(Error::invalid("layout", "this mode records sound alone"));
        };
        live.recording.request.output = output;
        if let Some(running) = &live.running {
            running.show(layout);
        }
        let recording = live.recording.clone();
        self.owe(Owed { recording: recording.clone(), forgotten: false, jobs: vec![], done: None }).await;
        Ok(recording)
    }

    async fn revoke_shares(&mut self, id: &RecordingId) -> Result<()> {
        let mut recording = self.load(id)?.ok_or_else(|| no_such(id))?;
        recording.share_generation += 1;
        if let Some(live) = self.live.get_mut(id) {
            live.recording = recording.clone();
        }
        self.write(Owed { recording, forgotten: false, jobs: vec![], done: None }).await
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
    fn load(&self, id: &RecordingId) -> Result<Option<Recording>> {
        match self.live.get(id) {
            Some(live) => Ok(Some(live.recording.clone())),
            None => self.db.get(id),
        }
    }

    async fn command(&mut self, id: &RecordingId, command: Command) -> std::result::Result<(), Unable> {
        let recording = self.load(id).map_err(Unable::Store)?.ok_or_else(|| Unable::Unknown(id.clone()))?;
        let step = recording.state.command(command).map_err(Unable::Refused)?;
        self.take(recording, step, None).await;
        Ok(())
    }

    pub(super) async fn report(&mut self, id: &RecordingId, report: Report, done: Option<Job>) {
        tracing::debug!(recording = %id, ?report, "report");
        match self.load(id) {
            Ok(Some(recording)) => {
                let step = recording.state.report(report);
                self.take(recording, step, done).await;
            }
            Ok(None) => tracing::debug!(recording = %id, "a report about what is forgotten"),
            Err(error) => tracing::error!(recording = %id, %error, "a report could not be taken"),
        }
    }

    /// Commits the step with its jobs, performs its effects, answers who waited for it.
    async fn take(&mut self, mut recording: Recording, step: Step, done: Option<Job>) {
        let (id, before) = (recording.id.clone(), recording.state.clone());
        if before == State::Starting && step.state == State::Active {
            // Media began when the recorder had joined; that it flows is learnt later.
            let running = self.live.get(&id).and_then(|live| live.running.as_ref());
            recording.started_at = running.and_then(|running| running.progress().started_at);
        }
        let effects = recording.take(step, Timestamp::now());
        if recording.state != before {
            tracing::info!(recording = %id, state = ?recording.state, "changed");
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
            State::Starting | State::Ending { .. } => {}
            State::Active | State::Saving { .. } => {
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

/// What a start led to.
enum Begun {
    /// It is on its way: now, or since an earlier start with the same name.
    Joining(RecordingId),
    /// It was started before, with the same name.
    Known(Box<Recording>),
}

impl Begun {
    fn again(known: Recording) -> Self {
        if known.state == State::Starting { Self::Joining(known.id) } else { Self::Known(Box::new(known)) }
    }
}

/// Why a command was not taken.
#[derive(Debug)]
enum Unable {
    Store(Error),
    Unknown(RecordingId),
    Refused(Refused),
}

fn refused_delete(unable: Unable) -> Error {
    match unable {
        Unable::Store(error) => error,
        Unable::Unknown(id) => no_such(&id),
        Unable::Refused(refused) => Error::new(ErrorKind::PermissionDenied, refused.to_string()),
    }
}

fn no_such(id: &RecordingId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no recording {id}"))
}

fn no_recording() -> Error {
    Error::new(ErrorKind::NotFound, "No active recording found for this room.")
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
