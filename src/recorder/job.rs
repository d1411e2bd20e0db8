//! What a recorder's task is given, and what it hears last of its pipeline.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::resume::Resume;
use crate::ids::RecordingId;
use crate::livekit::Server;
use crate::recording::{Report, Request};

/// What to record, and where to.
pub(super) struct Job {
    pub id: RecordingId,
    pub request: Request,
    pub server: Server,
    pub path: PathBuf,
    pub resume: Option<Resume>,
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
