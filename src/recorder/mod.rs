//! One room and one pipeline, and the task that owns both.

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};

use crate::ids::RecordingId;
use crate::recording::{Report, Request};
use crate::room::Server;

/// What a running recording looks like right now, for status lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Nanoseconds of media written.
    pub duration_ns: u64,
    /// People in the room, without hidden ones.
    pub participants: usize,
    /// The active speaker's name.
    pub speaker: Option<String>,
    /// Video frames written.
    pub frames: u64,
    /// Video frames left out because the machine could not keep up.
    pub dropped: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Handle of a running recorder. Dropping it drains the recording too.
#[derive(Debug)]
pub struct Recorder {
    drain: watch::Sender<bool>,
    progress: watch::Receiver<Progress>,
}

impl Recorder {
    /// Starts a task that joins the room and records into `path` (a name of its own; the caller seals it after `Drained`).
    /// Everything that happens is reported with `id`; the last report is `Drained` or `Broke`. Must be called within a tokio runtime.
    pub fn start(
        _id: RecordingId,
        _request: Request,
        _server: Server,
        _path: PathBuf,
        _reports: mpsc::UnboundedSender<(RecordingId, Report)>,
    ) -> Self {
        let (drain, _) = watch::channel(false);
        let (_, progress) = watch::channel(Progress::default());
        Self { drain, progress }
    }

    /// Finish the file. More than once does no harm.
    pub fn drain(&self) {
        let _ = self.drain.send(true);
    }

    /// Figures as they change, about once a second.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}
