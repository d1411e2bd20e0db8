//! One room and one pipeline, and the task that owns both.

mod awaited;
mod director;
mod driver;
mod job;
mod limits;
mod losses;
mod metadata;
mod precautions;
mod resume;
mod subscription;
mod task;
mod vigil;

/// Makes what a killed recorder has left whole and measures it; see [`crate::pipeline::salvage`].
pub use crate::pipeline::{Left, Take, salvage as finish_interrupted};

pub use job::Job;
pub use precautions::{Attached, Precautions};
pub use resume::Resume;

use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::error::Result;
use crate::ids::RecordingId;
use crate::pipeline::Pipeline;
use crate::recording::{Quality, Report};
use crate::scene::Layout;

/// What a running recording looks like right now, for status lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// The wall clock at media time zero, once we are in the room.
    pub started_at: Option<Timestamp>,
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
    /// How much is done for the picture: less when the machine does not keep up.
    pub quality: Quality,
    /// Bytes written.
    pub bytes: u64,
    /// Steps of making the file whole, at the end: as long as they grow, it goes on.
    pub steps: u64,
    /// The LiveKit room's `sid`, once it has been joined.
    pub room_id: Option<String>,
    /// How the connection to the server is.
    pub connection: Connection,
}

/// How the connection to the server is, and how it came to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Connection {
    /// It has held from the beginning.
    #[default]
    Steady,
    /// It is lost, for this reason, and being tried again.
    Lost(String),
    /// It was lost, and the same session goes on.
    Resumed,
    /// It was lost, and we are in a new session.
    Rejoined,
}

/// Handle of a running recorder. Dropping it drains the recording too.
#[derive(Debug)]
pub struct Recorder {
    drain: watch::Sender<bool>,
    layout: mpsc::UnboundedSender<Layout>,
    progress: watch::Receiver<Progress>,
}

impl Recorder {
    /// Starts a task that joins the room and records. Everything that happens is reported with the job's id; the last report is
    /// `Drained` or `Broke`. Must be called within a tokio runtime.
    pub fn start(job: Job, reports: mpsc::UnboundedSender<(RecordingId, Report)>) -> Self {
        let (drain, drained) = watch::channel(false);
        let (layout, layouts) = mpsc::unbounded_channel();
        let (progress_sender, progress) = watch::channel(Progress::default());
        let span = tracing::info_span!("recording", id = %job.id, room = job.request.room);
        let task = task::run(job, drained, layouts, progress_sender, reports);
        tokio::spawn(tracing::Instrument::instrument(task, span));
        Self { drain, layout, progress }
    }

    /// Finish the file. More than once does no harm.
    pub fn drain(&self) {
        let _ = self.drain.send(true);
    }

    /// Shows the room in another layout from now on; audio alone has none.
    pub fn show(&self, layout: Layout) {
        let _ = self.layout.send(layout);
    }

    /// Figures as they change, about twice a second.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

/// What may be done before a job comes, so that it begins at once. `FailedPrecondition` when GStreamer does not start.
pub fn prepare() -> Result<()> {
    Pipeline::prepare()
}

/// Sleeps until then; for ever, when there is no then.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::livekit::Server;
    use crate::recording::{Limits, Output, Request};
    use crate::secret::Secret;

    #[tokio::test]
    async fn a_stop_before_it_has_joined_is_no_failure() {
        // Whoever connects waits for ever.
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", deaf.local_addr().unwrap());
        let (api_key, api_secret) = ("key".to_owned(), Secret::new("secret"));
        let access = Server { url, api_key, api_secret, ca_file: None, insecure: false }.access();
        let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
        let (reports, mut heard) = mpsc::unbounded_channel();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.ogg.part");
        let recorder = Recorder::start(Job::new(RecordingId::new("EG_1"), request, access, path.clone()), reports);
        recorder.drain();
        assert_eq!(heard.recv().await.map(|(_, said)| said), Some(Report::Drained { bytes: 0, duration_ns: 0 }));
        assert!(!path.exists());
    }
}
