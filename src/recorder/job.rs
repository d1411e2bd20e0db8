//! What a recorder's task is given, and what it hears last of its pipeline.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::precautions::Precautions;
use super::resume::Resume;
use crate::ids::RecordingId;
use crate::livekit::Access;
use crate::recording::{Report, Request};

/// What to record, and where to.
#[derive(Debug)]
pub struct Job {
    /// Under which name to join and to report.
    pub id: RecordingId,
    /// What to make.
    pub request: Request,
    /// How to join.
    pub access: Access,
    /// The file that grows: a name of its own; the caller seals it after `Drained`.
    pub path: PathBuf,
    /// How to go on in the file that is there. When the room is gone, the file is finished.
    pub resume: Option<Resume>,
    /// What is known of earlier recorders.
    pub precautions: Precautions,
}

impl Job {
    /// Of a recording that begins.
    pub fn new(id: RecordingId, request: Request, access: Access, path: PathBuf) -> Self {
        Self { id, request, access, path, resume: None, precautions: Precautions::default() }
    }
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
