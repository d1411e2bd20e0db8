//! Pure. What the sidecar and a worker say to each other: one JSON document a line, on the worker's standard input and output. Both are
//! the same program, so that nothing here is kept for another version.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::ids::{RecordingId, TrackId};
use crate::livekit::Site;
use crate::recorder::Progress;
use crate::recording::{Health, Report, Request};
use crate::scene::Layout;

/// A line may be as long as this, bytes: what a worker says is not trusted.
pub(super) const LONGEST: u64 = 4 << 20;

/// One recording, and nothing else that this process knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub id: RecordingId,
    pub request: Request,
    pub site: Site,
    /// The file that grows.
    pub path: PathBuf,
    /// The file is there already, and goes on.
    pub earlier: Option<Earlier>,
    /// Bytes that the worker may take.
    pub memory: u64,
    /// Tracks that are not recorded: those who did ended with them.
    pub excluded: Vec<TrackId>,
    /// One track is attached after the other, so that it is known which of them ends a worker.
    pub cautious: bool,
}

/// What is known of a recording whose worker ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Earlier {
    /// The wall clock at media time zero.
    pub started_at: Timestamp,
    /// What it lacks so far.
    pub health: Health,
    /// Why it was interrupted.
    pub why: String,
}

/// The sidecar's words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    // Boxed, because it is much larger than the rest.
    Record(Box<Job>),
    /// Finish the file.
    Drain,
    /// Another layout from now on.
    Show(Layout),
    /// What was asked for by [`FromWorker::Token`].
    Token(Result<String, Refusal>),
}

/// A worker's words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// It can be given a job.
    Ready,
    /// It is alive; whatever it says else says so, too.
    Alive,
    /// A token for the room of its job is wanted.
    Token,
    /// The recorder's report.
    Report(Report),
    /// Figures, when they have changed.
    Progress(Progress),
    /// The first packet of this track is about to come to a decoder.
    Attached(TrackId),
}

/// An error on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    kind: ErrorKind,
    field: Option<String>,
    message: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let field = error.field().map(str::to_owned);
        Self { kind: error.kind, field, message: error.message }
    }
}

impl Refusal {
    /// The error as it was.
    pub fn error(self) -> Error {
        let Self { kind, field, message } = self;
        let why = field.as_ref().and_then(|field| message.strip_prefix(field.as_str())?.strip_prefix(": "));
        match (&field, why) {
            (Some(field), Some(why)) => Error::of_field(kind, field, why),
            (Some(_) | None, _) => Error::new(kind, message),
        }
    }
}
