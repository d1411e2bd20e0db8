//! The single writer: asks the lifecycle, commits, then acts. A cheap handle in front of the one task that owns it all.

mod driver;
mod recovery;

pub use crate::recorder::Progress;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::db::{Db, Page};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recorder::Recorder;
use crate::recording::{Options, Recording, Report, Request};
use crate::spool::Spool;

/// Orders that may wait; whoever comes later waits for a place.
const ORDERS: usize = 64;

/// What a recorder needs to know.
#[derive(Debug)]
pub struct Launch {
    /// Under which name to join and to report.
    pub id: RecordingId,
    /// What to make.
    pub request: Request,
    /// The file that grows.
    pub path: PathBuf,
    /// Where to report; the last report is `Drained` or `Broke`.
    pub reports: mpsc::UnboundedSender<(RecordingId, Report)>,
}

/// Starts recorders: the real one, or a test's. Called within a tokio runtime; must not block.
pub type Launcher = Box<dyn Fn(Launch) -> Box<dyn Running> + Send + Sync>;

/// A recorder that was started.
pub trait Running: Send + Sync {
    /// Finish the file. More than once does no harm.
    fn drain(&self);
    /// Figures right now.
    fn progress(&self) -> Progress;
}

impl Running for Recorder {
    fn drain(&self) {
        Self::drain(self);
    }

    fn progress(&self) -> Progress {
        Self::progress(self).borrow().clone()
    }
}

/// How long things may take before they count as failed.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until the recorder has joined.
    pub join: Duration,
    /// From the wish to end until the file is whole.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { join: Duration::from_secs(5), drain: Duration::from_secs(30) }
    }
}

/// The handle.
#[derive(Clone, Debug)]
pub struct Control {
    orders: mpsc::Sender<Order>,
    db: Db,
    spool: Spool,
}

/// What the driver is asked.
#[derive(Debug)]
enum Order {
    Start { mode: String, request: Request, options: Options, reply: oneshot::Sender<Result<Recording>> },
    Stop { room: String, reply: oneshot::Sender<Result<Recording>> },
    Progress { reply: oneshot::Sender<HashMap<RecordingId, Progress>> },
    Close { reply: oneshot::Sender<()> },
}

impl Control {
    /// Finishes honestly what an earlier process left behind, then waits for orders. The task ends once every handle is
    /// dropped. Must be called within a tokio runtime.
    pub async fn start(db: Db, spool: Spool, launcher: Launcher, patience: Patience) -> Result<(Self, JoinHandle<()>)> {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let mut driver = driver::Driver::new(db.clone(), spool.clone(), launcher, patience);
        driver.recover().await?;
        let task = tokio::spawn(driver.run(inbox));
        Ok((Self { orders, db, spool }, task))
    }

    /// Starts a recording and waits until media flows. Errors: `AlreadyExists` when the room is being recorded,
    /// `Unavailable` with the reason when the recorder could not join, `FailedPrecondition` when it was stopped before.
    pub async fn record(&self, mode: String, request: Request, options: Options) -> Result<Recording> {
        self.ask(|reply| Order::Start { mode, request, options, reply }).await?
    }

    /// Asks the room's recording to end; does not wait for the file. `NotFound` when there is none.
    pub async fn stop(&self, room: &str) -> Result<Recording> {
        let room = room.to_owned();
        self.ask(|reply| Order::Stop { room, reply }).await?
    }

    /// The recording of this id.
    pub fn get(&self, id: &RecordingId) -> Result<Recording> {
        self.db.get(id)?.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no recording {id}")))
    }

    /// `limit` recordings after the first `skip`, newest first.
    pub fn list(&self, skip: usize, limit: usize) -> Result<Page> {
        self.db.page(skip, limit)
    }

    /// Figures of the recordings that run.
    pub async fn progress(&self) -> Result<HashMap<RecordingId, Progress>> {
        self.ask(|reply| Order::Progress { reply }).await
    }

    /// Where the finished file is or will be.
    pub fn file(&self, recording: &Recording) -> PathBuf {
        self.spool.file(&recording.id, recording.extension())
    }

    /// Refuses new recordings, ends the others, returns when every file is whole.
    pub async fn close(&self) -> Result<()> {
        self.ask(|reply| Order::Close { reply }).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let gone = || Error::new(ErrorKind::Unavailable, "greffier is shutting down");
        self.orders.send(order(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

/// A new recording's name: `EG_` and twelve of `[0-9A-Za-z]`.
pub fn new_id() -> RecordingId {
    let random: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(12).map(char::from).collect();
    RecordingId::new(format!("EG_{random}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_look_like_livekits() {
        let id = super::new_id();
        let tail = id.as_str().strip_prefix("EG_").unwrap();
        assert!(tail.len() == 12 && tail.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert_ne!(id, super::new_id());
    }
}
