//! Durable work: performs jobs at least once, in order within a lane, with growing pauses, across restarts. The only place
//! that retries.

mod clock;
mod driver;
mod marks;
mod parts;
mod schedule;
mod source;
#[cfg(test)]
mod tests;
mod upload;
mod work;
mod writer;

pub use marks::{FOLDER as MARKS, Holding, Known, Mark, Marks, Todo, Watch, todo};
pub use parts::playable;
pub use upload::{publish, upload};
pub use work::Worker;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::db::Db;
use crate::error::{Attempt, Result};
use crate::ids::RecordingId;
use crate::recording::{Event, Job, Report, Target};

/// Tries a job once.
pub type Perform = Arc<dyn Fn(Job) -> Pin<Box<dyn Future<Output = Attempt> + Send>> + Send + Sync>;

/// A fact about a recording, from the job that is done with it.
#[derive(Clone, Debug)]
pub struct Completion {
    /// About this one.
    pub recording: RecordingId,
    /// What happened.
    pub report: Report,
    /// The job to take out together with the change.
    pub done: Option<Job>,
}

/// The handle.
#[derive(Clone, Debug)]
pub struct Outbox {
    commands: mpsc::UnboundedSender<OutboxCommand>,
}

/// What the task is asked.
#[derive(Debug)]
enum OutboxCommand {
    Perform(Vec<Job>),
    /// To be taken out of the store: nobody knows its recording any more.
    Done(Job),
    /// To be answered once nobody is to be notified of anything any more.
    Notified(oneshot::Sender<()>),
    /// To be answered once this notice does not wait any more.
    Delivered(Notice, oneshot::Sender<()>),
}

/// One notice of one recording.
#[derive(Debug)]
struct Notice {
    recording: RecordingId,
    event: Event,
    to: Target,
}

impl Outbox {
    /// Takes up the jobs of the store and waits for more. Must be called within a tokio runtime. The task ends with the last
    /// handle.
    pub fn start(
        db: Db,
        perform: Perform,
        completions: mpsc::UnboundedSender<Completion>,
    ) -> Result<(Self, JoinHandle<()>)> {
        let (mut schedule, clock) = (schedule::Schedule::default(), clock::Clock::start());
        schedule.take_up(db.jobs()?, clock.now());
        if schedule.len() > 0 {
            tracing::info!(jobs = schedule.len(), "the last run left work to be done");
        }
        let (commands, inbox) = mpsc::unbounded_channel();
        let (running, tasks) = (HashMap::new(), JoinSet::new());
        let (waiting, awaited, writer) = (Vec::new(), Vec::new(), writer::Writer::start(db));
        let driver = driver::Driver { writer, perform, completions, schedule, clock, running, tasks, waiting, awaited };
        Ok((Self { commands }, tokio::spawn(driver.run(inbox))))
    }

    /// These jobs are in the store: perform them.
    pub fn wake(&self, jobs: Vec<Job>) {
        let _ = self.commands.send(OutboxCommand::Perform(jobs));
    }

    /// This job, of which a [`Completion`] told, belongs to no recording any more: takes it out of the store.
    pub fn done(&self, job: Job) {
        let _ = self.commands.send(OutboxCommand::Done(job));
    }

    /// Waits until nobody is to be notified of anything any more, but for those who did not answer several times.
    pub async fn reported(&self) {
        let (reply, reported) = oneshot::channel();
        let _ = self.commands.send(OutboxCommand::Notified(reply));
        let _ = reported.await;
    }

    /// Waits until this notice has been delivered or given up. At once when none of those that [`wake`](Self::wake) was called
    /// for is it.
    pub async fn delivered(&self, recording: &RecordingId, event: Event, to: &Target) {
        let (reply, delivered) = oneshot::channel();
        let notice = Notice { recording: recording.clone(), event, to: to.clone() };
        let _ = self.commands.send(OutboxCommand::Delivered(notice, reply));
        let _ = delivered.await;
    }
}
