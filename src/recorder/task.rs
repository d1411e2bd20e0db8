//! The life of a recorder's task: join, record, report the last word.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::driver::Driver;
use super::job::{Job, Reports};
use super::resume::{Resume, again};
use super::{Progress, finish_interrupted};
use crate::error::ErrorKind;
use crate::pipeline::Left;
use crate::recording::{Container, Failure, Health, Report};
use crate::room::Room;
use crate::scene::Layout;

/// Joins, records until told to drain or until the room ends, and reports.
pub(super) async fn run(
    job: Job,
    mut drain: watch::Receiver<bool>,
    layouts: mpsc::UnboundedReceiver<Layout>,
    progress: watch::Sender<Progress>,
    reports: Reports,
) {
    let id = job.id.clone();
    let mut file = job.resume.as_ref().map(|_| (job.request.output.container(), job.path.clone()));
    let (leave_broken, resume) = (job.precautions.leave_broken, job.resume.clone());
    let last = match join(&job, &mut drain).await {
        // There is no file yet, but for what an earlier take left.
        Ok(None) => {
            // Nobody recorded what was said until the end was requested.
            let missed = resume.map(|resume| Report::Health(Box::new(missed(&resume))));
            missed.into_iter().for_each(|missed| drop(reports.send((id.clone(), missed))));
            Report::Drained { bytes: 0, duration_ns: 0 }
        }
        Ok(Some(room)) => match Driver::start(job, room, progress, reports.clone()) {
            Ok(driver) => {
                file = file.filter(|_| !leave_broken);
                driver.run(drain, layouts).await
            }
            Err(failure) => Report::Broke { failure, salvaged: None },
        },
        Err(failure) => Report::Broke { failure, salvaged: None },
    };
    let last = match (last, file) {
        (last @ Report::Broke { salvaged: None, .. } | last @ Report::Drained { bytes: 0, .. }, Some(file)) => {
            finish(last, file).await
        }
        (last, _) => last,
    };
    tracing::debug!(?last, "recorder done");
    let _ = reports.send((id, last));
}

/// What a recording lacks that is to go on and is over now.
fn missed(resume: &Resume) -> Health {
    let (now, instant) = (Timestamp::now(), Instant::now());
    let elapsed = instant.saturating_duration_since(resume.start(now, instant));
    resume.health(now, u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

/// The room; none when it was told to drain before. To go on, a server that does not answer is asked again for a while.
async fn join(job: &Job, drain: &mut watch::Receiver<bool>) -> Result<Option<Room>, Failure> {
    let since = Instant::now();
    let attempts = async {
        loop {
            let room = Room::join(&job.access, &job.request.room, job.id.as_str()).await.map_err(Failure::from);
            let pause = match (&room, &job.resume) {
                (Err(failure), Some(_)) => again(failure, since, Instant::now()),
                (Ok(_), _) | (Err(_), None) => None,
            };
            let Some(pause) = pause else { return room };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        room = attempts => room.map(Some),
        _ = drain.wait_for(|drain| *drain) => Ok(None),
    }
}

/// It does not go on: what the takes before have left is made whole.
async fn finish(last: Report, (container, path): (Container, PathBuf)) -> Report {
    let work = move || finish_interrupted(container, &path, &AtomicU64::new(0));
    let Ok(Ok(Left { media, .. })) = tokio::task::spawn_blocking(work).await else { return last };
    let Report::Broke { failure, .. } = last else {
        return Report::Drained { bytes: media.bytes, duration_ns: media.duration_ns };
    };
    tracing::warn!(why = failure.words, "an interrupted recording does not go on; its file is finished");
    let why = "interrupted: greffier was stopped while recording, and the room did not go on".to_owned();
    Report::Broke { failure: Failure::new(ErrorKind::DataLoss, why), salvaged: Some((media.bytes, media.duration_ns)) }
}
