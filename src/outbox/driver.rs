//! The task that performs jobs: each when its time has come, again when it failed.

use std::collections::HashMap;

use jiff::SignedDuration;
use rand::RngExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};

use super::clock::Clock;
use super::schedule::{Schedule, Settled};
use super::writer::{Write, Writer};
use super::{Completion, Notice, OutboxCommand, Perform};
use crate::error::{Attempt, Error, ErrorKind, Undelivered};
use crate::recording::{Event, Job, Report, Task};

pub(super) struct Driver {
    /// By which the store learns what became of jobs.
    pub writer: Writer,
    pub perform: Perform,
    pub completions: mpsc::UnboundedSender<Completion>,
    pub schedule: Schedule,
    pub clock: Clock,
    /// What is being performed.
    pub running: HashMap<Id, Job>,
    pub tasks: JoinSet<Attempt>,
    /// Who wait until everybody is notified.
    pub waiting: Vec<oneshot::Sender<()>>,
    /// Who wait for one notice.
    pub awaited: Vec<(Notice, oneshot::Sender<()>)>,
}

impl Driver {
    /// Until the last handle is gone. What is not done by then is done by the next process.
    pub async fn run(mut self, mut commands: mpsc::UnboundedReceiver<OutboxCommand>) {
        loop {
            self.begin_due();
            let wait = self.schedule.next_at().map(|at| at.duration_since(self.clock.now()));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(OutboxCommand::Perform(jobs)) => {
                        let now = self.clock.now();
                        jobs.into_iter().for_each(|job| self.schedule.add(job, now));
                    }
                    Some(OutboxCommand::Done(job)) => self.write(Write::Done(job)),
                    Some(OutboxCommand::Notified(reply)) => self.waiting.push(reply),
                    Some(OutboxCommand::Delivered(notice, reply)) => self.awaited.push((notice, reply)),
                    None => break,
                },
                Some(done) = self.tasks.join_next_with_id() => {
                    let (id, attempt) = match done {
                        Ok((id, attempt)) => (id, attempt),
                        Err(e) => (e.id(), Err(Error::new(ErrorKind::Internal, "it panicked").into())),
                    };
                    if let Some(job) = self.running.remove(&id) {
                        self.settle(&job, attempt);
                    }
                }
                Some(written) = self.writer.next() => self.written(&written),
                () = sleep(wait) => {}
            }
            if !self.schedule.is_telling() && !self.schedule.is_writing() {
                for waiting in self.waiting.drain(..) {
                    let _ = waiting.send(());
                }
            }
            self.answer_delivered();
        }
        self.writer.close();
        while let Some(written) = self.writer.next().await {
            self.written(&written);
        }
    }

    /// Those whose notice does not wait any more, or who do not wait for it any more themselves, go.
    fn answer_delivered(&mut self) {
        let waits = |notice: &Notice| self.schedule.has(&notice.recording, notice.event, &notice.to);
        for (_, reply) in self.awaited.extract_if(.., |(notice, reply)| reply.is_closed() || !waits(notice)) {
            let _ = reply.send(());
        }
    }

    fn begin_due(&mut self) {
        for job in self.schedule.due(self.clock.now()) {
            let handle = self.tasks.spawn((self.perform)(job.clone()));
            self.running.insert(handle.id(), job);
        }
    }

    fn settle(&mut self, job: &Job, attempt: Attempt) {
        let jitter = rand::rng().random_range(0.0..1.0);
        let again = matches!(attempt, Err(Undelivered::Retry(_)));
        let settled = self.schedule.settle(job, again, self.clock.now(), jitter);
        let (recording, queue) = (&job.recording, job.shown());
        match (settled, attempt.map_err(Undelivered::into_error)) {
            (Some(Settled::Postponed(job)), Err(error)) => {
                let job = match error.retry_after {
                    Some(wait) => self.schedule.hold(job, wait, self.clock.now()),
                    None => job,
                };
                tracing::warn!(%recording, queue, attempts = job.attempts, %error, "a job failed; it will be retried");
                self.write(Write::Postpone(job));
            }
            (Some(Settled::Gone(job)), Err(error)) => {
                tracing::error!(%recording, queue, attempts = job.attempts, %error, "a job is given up");
                self.gone(job, Some(error));
            }
            (Some(Settled::Gone(job) | Settled::Postponed(job)), Ok(())) => {
                tracing::debug!(%recording, queue, "done");
                self.gone(job, None);
            }
            (None, _) => {}
        }
    }

    /// A job that will not be tried again: whoever changes recordings hears of it, and takes it out together with that change.
    fn gone(&mut self, job: Job, error: Option<Error>) {
        let id = job.recording.clone();
        let report = match (&job.task, error) {
            (Task::Publish, None) => Report::Stored,
            (Task::Publish, Some(error)) => Report::StoreLost(error.into()),
            // What becomes of the file is said by whoever publishes it.
            (Task::Upload, None) => return self.write(Write::Done(job)),
            (Task::Upload, Some(_)) => return self.write(Write::GivenUp(job)),
            // What cannot be removed is left behind, and has been said above.
            (Task::Remove { .. }, _) => Report::Removed,
            // With the last email goes that they have all gone: a crash in between would leave that unsaid for ever.
            (Task::Notify { event: Event::Ended, to, .. }, None)
                if to.is_notification() && !self.schedule.has_notifications(&id) =>
            {
                Report::Notified
            }
            (Task::Notify { .. }, None) => return self.write(Write::Done(job)),
            (Task::Notify { to, .. }, Some(error)) => {
                let report = Report::GaveUp(format!("{}: {}", to.kind(), error.message));
                let _ = self.completions.send(Completion { recording: id, report, done: None });
                return self.write(Write::GivenUp(job));
            }
        };
        let _ = self.completions.send(Completion { recording: id, report, done: Some(job) });
    }

    /// The next job of its lane waits until the store knows what became of this one: after a crash they are done in order.
    fn write(&mut self, write: Write) {
        self.schedule.write(write.job());
        self.writer.write(write);
    }

    fn written(&mut self, write: &Write) {
        self.schedule.written(write.job(), self.clock.now());
    }
}

/// For ever, when it is not said how long.
async fn sleep(wait: Option<SignedDuration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait.try_into().unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}
