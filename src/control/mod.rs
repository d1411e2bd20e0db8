//! The single writer: asks the lifecycle, commits, then acts. A cheap handle in front of the one task that owns it all.

mod admission;
mod adopt;
mod calendar;
mod driver;
mod effects;
mod fact;
mod lists;
mod metered;
mod pending_writes;
mod targets;

pub use crate::db::{Cursor, Page};
pub use crate::recorder::Progress;
pub use admission::Admission;
pub use adopt::{Adopter, FoundMark};
pub use calendar::Calendar;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::outbox::{Completion, Outbox};
use crate::recorder::{Recorder, Resume};
use crate::recording::{Event, Policy, Recording, Report, Request, Start, State, Target};
use crate::scene::Layout;
use crate::spool::Spool;

/// Commands that may wait; a later one waits for its turn.
const COMMANDS: usize = 64;

/// What a recorder needs to know.
#[derive(Debug)]
pub struct Launch {
    /// Under which name to join and to report.
    pub id: RecordingId,
    /// What to make.
    pub request: Request,
    /// The file that grows.
    pub path: PathBuf,
    /// How to go on in the file that is there.
    pub resume: Option<Resume>,
    /// Where to report; the last report is `Drained` or `Broke`.
    pub reports: mpsc::UnboundedSender<(RecordingId, Report)>,
}

/// Starts recorders: the real one, or a test's. Called within a tokio runtime; must not block.
pub type Launcher = Box<dyn Fn(Launch) -> Box<dyn Running> + Send + Sync>;

/// A recorder that was started.
pub trait Running: Send + Sync {
    /// Finish the file. More than once does no harm.
    fn drain(&self);
    /// Another layout from now on.
    fn show(&self, layout: Layout);
    /// Figures right now.
    fn progress(&self) -> Progress;
}

impl Running for Recorder {
    fn drain(&self) {
        Self::drain(self);
    }

    fn show(&self, layout: Layout) {
        Self::show(self, layout);
    }

    fn progress(&self) -> Progress {
        Self::progress(self).borrow().clone()
    }
}

/// How long things may take before they count as failed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the recorder has joined.
    pub join: Duration,
    /// How long a recorder that is to end may show no progress, while it finishes its file and the disk hangs or the machine
    /// is slow.
    pub drain: Duration,
    /// When leaving: for files to be stored and people to be notified, once every recorder has ended.
    pub grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { join: Duration::from_secs(5), drain: Duration::from_secs(120), grace: Duration::from_secs(30) }
    }
}

/// The handle.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<ControlCommand>,
    db: Db,
    admission: Admission,
    outbox: Outbox,
}

/// What control is made of.
pub struct ControlParts {
    /// Where recordings are kept.
    pub db: Db,
    /// Where they grow.
    pub spool: Spool,
    /// Starts recorders.
    pub launcher: Launcher,
    /// Performs jobs.
    pub outbox: Outbox,
    /// What jobs have to tell.
    pub completions: mpsc::UnboundedReceiver<Completion>,
    /// What holds for every recording.
    pub policy: Policy,
    /// Who may start one.
    pub admission: Admission,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// What becomes of recordings that run when everything is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtClose {
    /// They are stopped now.
    Stop,
    /// They go on until they end by themselves.
    Drain,
    /// They are left as they are: the next start goes on with them.
    Suspend,
}

impl AtClose {
    /// What `on_sigterm` says; without it, as LiveKit Egress does, which lets recordings come to their end when another node
    /// takes its place (`redis`).
    pub fn named(name: &str, redis: bool) -> Result<Self> {
        match name {
            "" if redis => Ok(Self::Drain),
            "" | "stop" => Ok(Self::Stop),
            "drain" => Ok(Self::Drain),
            "suspend" => Ok(Self::Suspend),
            _ => Err(Error::invalid("on_sigterm", format!("{name:?} is unknown; use drain, suspend or stop"))),
        }
    }
}

/// What the driver is asked.
#[derive(Debug)]
enum ControlCommand {
    Start {
        // Boxed, because it is much larger than the rest.
        start: Box<Start>,
        reply: oneshot::Sender<Result<Recording>>,
    },
    Stop {
        room: String,
        reply: oneshot::Sender<Result<Recording>>,
    },
    Finish {
        id: RecordingId,
        reply: oneshot::Sender<Result<Recording>>,
    },
    Delete {
        id: RecordingId,
        object: bool,
        reply: oneshot::Sender<Result<()>>,
    },
    Layout {
        id: RecordingId,
        layout: Layout,
        reply: oneshot::Sender<Result<Recording>>,
    },
    RevokeShares {
        id: RecordingId,
        reply: oneshot::Sender<Result<()>>,
    },
    RoomClosed {
        room: String,
        why: String,
    },
    TakeUp {
        recording: Box<Recording>,
        reply: oneshot::Sender<Result<()>>,
    },
    Expire {
        now: Timestamp,
        reply: oneshot::Sender<usize>,
    },
    Progress {
        reply: oneshot::Sender<HashMap<RecordingId, Progress>>,
    },
    Close {
        running: AtClose,
        reply: oneshot::Sender<Result<()>>,
    },
}

impl Control {
    /// Takes up what an earlier process left behind, and waits for commands meanwhile. The task ends once every handle is
    /// dropped. Must be called within a tokio runtime.
    pub fn open(parts: ControlParts) -> Result<(Self, JoinHandle<()>)> {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (db, admission, outbox) = (parts.db.clone(), parts.admission.clone(), parts.outbox.clone());
        let mut driver = driver::Driver::new(parts);
        driver.recover()?;
        let task = tokio::spawn(driver.run(inbox));
        Ok((Self { commands, db, admission, outbox }, task))
    }

    /// Starts a recording, if it is admitted, and waits until it has begun. One that is known already, by its id or its
    /// idempotency key, is given back. Errors before it begins, which leave nothing behind: those of [`Admission`], such as
    /// `AlreadyExists` when the room is being recorded or the key is another recording's, `ResourceExhausted` (to the LiveKit
    /// server `Unavailable`) when the machine is full, `InvalidArgument` when the storage cannot be written. Errors of one that
    /// began: `NotFound` when there is no such room, `Unavailable` with the reason when the recorder could not join,
    /// `FailedPrecondition` when it was stopped before.
    pub async fn start(&self, start: Start) -> Result<Recording> {
        let mut start = Box::new(start);
        let known = start.id.as_ref().map(|id| self.db.get(id)).transpose()?.flatten();
        let _place;
        match known {
            Some(known) if known.state != State::Starting => return Ok(known),
            Some(_) => {}
            None => {
                // What was bid for has its place while the storage is tried; a full machine says so before that.
                let (request, origin) = (&start.request, &start.options.origin);
                _place = start.id.as_ref().map(|id| self.admission.slot(id, request, origin)).transpose()?;
                self.admission.check(&mut start, &self.db).await?;
            }
        }
        self.ask(|reply| ControlCommand::Start { start, reply }).await?
    }

    /// Asks the room's recording to end; does not wait for the file. `NotFound` when there is none.
    pub async fn stop(&self, room: &str) -> Result<Recording> {
        let room = room.to_owned();
        self.ask(|reply| ControlCommand::Stop { room, reply }).await?
    }

    /// Asks this recording to end, however far it is; one that has ended is given back as it is. `NotFound` when there is none.
    pub async fn finish(&self, id: &RecordingId) -> Result<Recording> {
        let id = id.clone();
        self.ask(|reply| ControlCommand::Finish { id, reply }).await?
    }

    /// The recording of this id.
    pub fn get(&self, id: &RecordingId) -> Result<Recording> {
        self.db.get(id)?.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no recording {id}")))
    }

    /// The recording whose object has this key in the configured storage.
    pub fn with_key(&self, key: &str) -> Result<Option<Recording>> {
        self.db.with_key(key)
    }

    /// Waits until the target has been notified of this, or the notice was given up. At once when there is no such notice.
    pub async fn notified(&self, id: &RecordingId, event: Event, to: &Target) {
        self.outbox.delivered(id, event, to).await;
    }

    /// `limit` recordings after the first `skip`, newest first.
    pub fn list(&self, skip: usize, limit: usize) -> Result<Page> {
        self.db.page(skip, limit)
    }

    /// Figures of the recordings that run.
    pub async fn progress(&self) -> Result<HashMap<RecordingId, Progress>> {
        self.ask(|reply| ControlCommand::Progress { reply }).await
    }

    /// Forgets a recording that has ended, its object too if `object`; returns before the object is gone. `NotFound` when there
    /// is none of this id, `PermissionDenied` while it has not ended.
    pub async fn delete(&self, id: &RecordingId, object: bool) -> Result<()> {
        let id = id.clone();
        self.ask(|reply| ControlCommand::Delete { id, object, reply }).await?
    }

    /// Shows the running recording in another layout. `NotFound`, `FailedPrecondition` when it does not run, `InvalidArgument`
    /// when it has no picture.
    pub async fn set_layout(&self, id: &RecordingId, layout: Layout) -> Result<Recording> {
        let id = id.clone();
        self.ask(|reply| ControlCommand::Layout { id, layout, reply }).await?
    }

    /// Makes every share link given so far worthless. `NotFound` when there is no recording of this id.
    pub async fn revoke_shares(&self, id: &RecordingId) -> Result<()> {
        let id = id.clone();
        self.ask(|reply| ControlCommand::RevokeShares { id, reply }).await?
    }

    /// The room is known to have ended, like this: finishes its recording if there is one.
    pub async fn room_closed(&self, room: &str, why: &str) {
        let command = ControlCommand::RoomClosed { room: room.to_owned(), why: why.to_owned() };
        let _ = self.commands.send(command).await;
    }

    /// Goes on with a recording of a sidecar that is lost, as it was left by [`Adopter::take_over`]; returns once it is kept.
    /// One that is known already stays as it is.
    pub async fn take_up(&self, recording: Recording) -> Result<()> {
        let recording = Box::new(recording);
        self.ask(|reply| ControlCommand::TakeUp { recording, reply }).await?
    }

    /// Removes what expired before `now`; gives how many were found.
    pub async fn expire(&self, now: Timestamp) -> Result<usize> {
        self.ask(|reply| ControlCommand::Expire { now, reply }).await
    }

    /// Refuses new recordings, ends the others or waits until they end; returns when every file is stored and everybody was
    /// told, or [`Timeouts::grace`] is over. `Unavailable` when something is left that the store does not know of.
    pub async fn close(&self, running: AtClose) -> Result<()> {
        self.ask(|reply| ControlCommand::Close { running, reply }).await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> ControlCommand) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let gone = || Error::new(ErrorKind::Unavailable, "greffier is shutting down");
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

/// A new recording's name: `EG_` and twelve of `[0-9A-Za-z]`.
pub fn new_id() -> RecordingId {
    let random: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(12).map(char::from).collect();
    RecordingId::new(format!("EG_{random}"))
}

#[cfg(test)]
mod tests;
