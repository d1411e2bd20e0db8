//! The life of a recorder's task: join, record, report the last word.

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};

use super::Progress;
use super::driver::Driver;
use crate::ids::RecordingId;
use crate::livekit::Server;
use crate::recording::{Failure, Report, Request};
use crate::room::Room;
use crate::scene::Layout;

/// What to record, and where to.
pub(super) struct Job {
    pub id: RecordingId,
    pub request: Request,
    pub server: Server,
    pub path: PathBuf,
}

pub(super) type Reports = mpsc::UnboundedSender<(RecordingId, Report)>;

/// The pipeline's last word.
pub(super) enum Last {
    Drained { bytes: u64, duration_ns: u64 },
    Broke(String),
}

impl Last {
    /// It ended without one.
    pub fn silence() -> Option<Self> {
        Some(Self::Broke("the pipeline ended without a word".into()))
    }
}

/// Joins, records until told to drain or until the room ends, and reports.
pub(super) async fn run(
    job: Job,
    mut drain: watch::Receiver<bool>,
    layouts: mpsc::UnboundedReceiver<Layout>,
    progress: watch::Sender<Progress>,
    reports: Reports,
) {
    let id = job.id.clone();
    let last = match join(&job, &mut drain).await {
        // There is no file yet.
        Ok(None) => Report::Drained { bytes: 0, duration_ns: 0 },
        Ok(Some(room)) => match Driver::start(job, room, progress, reports.clone()) {
            Ok(driver) => driver.run(drain, layouts).await,
            Err(failure) => Report::Broke { failure, salvaged: None },
        },
        Err(failure) => Report::Broke { failure, salvaged: None },
    };
    tracing::debug!(?last, "recorder done");
    let _ = reports.send((id, last));
}

/// The room; none when it was told to drain before.
async fn join(job: &Job, drain: &mut watch::Receiver<bool>) -> Result<Option<Room>, Failure> {
    tokio::select! {
        room = Room::join(&job.server, &job.request.room, job.id.as_str()) => room.map(Some).map_err(Failure::from),
        _ = drain.wait_for(|drain| *drain) => Ok(None),
    }
}
