//! The task that performs jobs: each when its time has come, again when it failed.

use std::collections::HashMap;

use jiff::Timestamp;
use rand::RngExt as _;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};

use super::schedule::{Schedule, Settled};
use super::{News, Perform, Verdict};
use crate::db::{Change, Db};
use crate::error::{Error, ErrorKind};
use crate::recording::{Job, Report, Task};

pub(super) struct Driver {
    pub db: Db,
    pub perform: Perform,
    pub news: mpsc::UnboundedSender<News>,
    pub schedule: Schedule,
    /// What is being performed.
    pub running: HashMap<Id, Job>,
    pub tasks: JoinSet<Verdict>,
}

impl Driver {
    /// Until the last handle is gone. What is not done by then is done by the next process.
    pub async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Vec<Job>>) {
        loop {
            self.begin_due();
            let next_at = self.schedule.next_at();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(jobs) => jobs.into_iter().for_each(|job| self.schedule.add(job)),
                    None => break,
                },
                Some(done) = self.tasks.join_next_with_id() => {
                    let (id, verdict) = match done {
                        Ok((id, verdict)) => (id, verdict),
                        Err(e) => (e.id(), Verdict::Again(Error::new(ErrorKind::Internal, "it panicked"))),
                    };
                    if let Some(job) = self.running.remove(&id) {
                        self.settle(&job, verdict).await;
                    }
                }
                () = until(next_at) => {}
            }
        }
    }

    fn begin_due(&mut self) {
        for job in self.schedule.due(Timestamp::now()) {
            let handle = self.tasks.spawn((self.perform)(job.clone()));
            self.running.insert(handle.id(), job);
        }
    }

    async fn settle(&mut self, job: &Job, verdict: Verdict) {
        let jitter = rand::rng().random_range(0.0..1.0);
        let again = matches!(verdict, Verdict::Again(_));
        let settled = self.schedule.settle(job, again, Timestamp::now(), jitter);
        let (recording, lane) = (&job.recording, job.shown());
        match (settled, verdict) {
            (Some(Settled::Postponed(job)), Verdict::Again(error) | Verdict::Never(error)) => {
                tracing::warn!(%recording, lane, attempts = job.attempts, %error, "not done; it will be tried again");
                self.keep(move |db| db.postpone(&job)).await;
            }
            (Some(Settled::Gone(job)), Verdict::Again(error) | Verdict::Never(error)) => {
                tracing::error!(%recording, lane, attempts = job.attempts, %error, "given up");
                self.gone(job, Some(error)).await;
            }
            (Some(Settled::Gone(job) | Settled::Postponed(job)), Verdict::Done) => {
                tracing::debug!(%recording, lane, "done");
                self.gone(job, None).await;
            }
            (None, _) => {}
        }
    }

    /// A job that will not be tried again: whoever changes recordings hears of it, and takes it out together with that change.
    async fn gone(&mut self, job: Job, error: Option<Error>) {
        let id = job.recording.clone();
        let report = match (&job.task, error) {
            (Task::Upload, None) => Report::Stored,
            (Task::Upload, Some(error)) => Report::StoreLost(error.into()),
            // What cannot be removed is left behind, and has been said above.
            (Task::Remove { .. }, _) => Report::Removed,
            (Task::Tell { to, .. }, error) => {
                let done = job.clone();
                self.keep(move |db| db.commit(Change { done: &[&done], ..Change::default() })).await;
                let left = self.db.jobs_of(&id).unwrap_or_default();
                let waits = |job: &Job| match &job.task {
                    Task::Tell { to, .. } => to.is_notification(),
                    Task::Upload | Task::Remove { .. } => false,
                };
                if to.is_notification() && error.is_none() && !left.iter().any(waits) {
                    let _ = self.news.send(News { recording: id, report: Report::Notified, done: None });
                }
                return;
            }
        };
        let _ = self.news.send(News { recording: id, report, done: Some(job) });
    }

    async fn keep(&self, write: impl FnOnce(&Db) -> crate::error::Result<()> + Send + 'static) {
        let db = self.db.clone();
        let done = tokio::task::spawn_blocking(move || write(&db)).await;
        if let Ok(Err(error)) = done {
            // Then the next process does it once more.
            tracing::error!(%error, "the store does not take what became of a job");
        }
    }
}

/// Sleeps until then; for ever, when there is no then.
async fn until(then: Option<Timestamp>) {
    match then {
        Some(then) => {
            let wait = then.duration_since(Timestamp::now());
            tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}
