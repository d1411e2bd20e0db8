//! Pure. Jobs and checkpoints as bytes, like recordings: a version, then JSON.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::packed;
use super::row::{self, Row, moment};
use crate::ids::RecordingId;
use crate::recording::{After, Checkpoint, Event, Job, Part, Recording, Stored, Target, Task};

/// The job's key: lanes together. The same job has the same key.
pub fn key(job: &Job) -> Vec<u8> {
    let queue = job.queue();
    let mut key = format!("{}\0{}\0", queue.recording, queue.name).into_bytes();
    // Rows that exist have these numbers; the order within a queue is the schedule's business.
    key.push(match &job.task {
        Task::Upload => 0,
        Task::Remove { .. } => 1,
        Task::Publish => 2,
        Task::Notify { event, .. } => event.rank(),
    });
    key
}

/// The row of this job.
pub fn encode(job: &Job) -> Result<Vec<u8>, String> {
    row::versioned(&JobRow::of(job))
}

/// The job of this row.
pub fn decode(bytes: &[u8]) -> Result<Job, String> {
    row::unversioned::<JobRow>(bytes)?.job()
}

/// The row of this checkpoint.
pub fn encode_checkpoint(checkpoint: &Checkpoint) -> Result<Vec<u8>, String> {
    row::versioned(&CheckpointRow::of(checkpoint))
}

/// The checkpoint of this row.
pub fn decode_checkpoint(bytes: &[u8]) -> Result<Checkpoint, String> {
    row::unversioned::<CheckpointRow>(bytes)?.checkpoint()
}

/// A recording and how far its upload has come, to be carried to another store.
pub fn pack(recording: &Recording, checkpoint: &Checkpoint) -> Result<Vec<u8>, String> {
    row::versioned(&CarriedRow { recording: Row::of(recording), checkpoint: CheckpointRow::of(checkpoint) })
}

/// What was carried here.
pub fn unpack(bytes: &[u8]) -> Result<(Recording, Checkpoint), String> {
    let CarriedRow { recording, checkpoint } = row::unversioned(bytes)?;
    Ok((recording.recording()?, checkpoint.checkpoint()?))
}

/// The row of what was stored.
pub fn encode_stored(stored: &Stored) -> Result<Vec<u8>, String> {
    row::versioned(&StoredRow { bytes: stored.bytes, etag: stored.etag.clone() })
}

/// What was stored, of this row.
pub fn decode_stored(bytes: &[u8]) -> Result<Stored, String> {
    let StoredRow { bytes, etag } = row::unversioned(bytes)?;
    Ok(Stored { bytes, etag })
}

#[derive(Serialize, Deserialize)]
struct StoredRow {
    bytes: u64,
    etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JobRow {
    recording: String,
    task: TaskRow,
    #[serde(with = "moment")]
    created_at: Timestamp,
    attempts: u32,
    #[serde(with = "moment")]
    not_before: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<AfterRow>,
    #[serde(default)]
    held_s: i64,
}

#[derive(Serialize, Deserialize)]
struct AfterRow {
    event: String,
    to: TargetRow,
    settled_ms: i64,
    at_most_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskRow {
    Upload,
    #[serde(rename = "tell")]
    Notify {
        event: String,
        to: TargetRow,
        about: Box<Row>,
    },
    Remove {
        object: bool,
    },
    Publish,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TargetRow {
    Mail,
    Webhook(String),
    Room,
    StorageHook(String),
    Transcription,
    #[serde(rename = "livekit")]
    LiveKit,
}

#[derive(Serialize, Deserialize)]
struct CheckpointRow {
    upload: String,
    /// As versions before wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartRow>,
    #[serde(default)]
    packed: String,
    #[serde(default)]
    part: u64,
    #[serde(default)]
    unanswered: u32,
    #[serde(default)]
    stuck: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct CarriedRow {
    recording: Row,
    checkpoint: CheckpointRow,
}

#[derive(Serialize, Deserialize)]
struct PartRow {
    index: u32,
    bytes: u64,
    crc32: u32,
    id: String,
}

impl CheckpointRow {
    fn of(checkpoint: &Checkpoint) -> Self {
        let packed = packed::pack(&checkpoint.parts, checkpoint.part);
        let Checkpoint { upload, parts: _, part, unanswered, stuck } = checkpoint;
        let (upload, parts) = (upload.clone(), Vec::new());
        Self { upload, parts, packed, part: *part, unanswered: *unanswered, stuck: *stuck }
    }

    fn checkpoint(self) -> Result<Checkpoint, String> {
        let Self { upload, parts, packed, part, unanswered, stuck } = self;
        let read = |PartRow { index, bytes, crc32, id }| Part { index, bytes, crc32, id };
        let mut parts: Vec<_> = parts.into_iter().map(read).collect();
        parts.extend(packed::unpack(&packed, part)?);
        Ok(Checkpoint { upload, parts, part, unanswered, stuck })
    }
}

impl JobRow {
    fn of(job: &Job) -> Self {
        let task = match &job.task {
            Task::Upload => TaskRow::Upload,
            Task::Publish => TaskRow::Publish,
            Task::Notify { event, to, about } => TaskRow::Notify {
                event: event.name().to_owned(),
                to: TargetRow::of(to),
                about: Box::new(Row::of(about)),
            },
            Task::Remove { object } => TaskRow::Remove { object: *object },
        };
        let (created_at, attempts, not_before) = (job.created_at, job.attempts, job.not_before);
        let after = job.after.as_ref().map(AfterRow::of);
        let held_s = job.held.as_secs();
        Self { recording: job.recording.to_string(), task, created_at, attempts, not_before, after, held_s }
    }

    fn job(self) -> Result<Job, String> {
        let task = match self.task {
            TaskRow::Upload => Task::Upload,
            TaskRow::Publish => Task::Publish,
            TaskRow::Notify { event, to, about } => {
                Task::Notify { event: named(&event)?, to: to.target(), about: Box::new(about.recording()?) }
            }
            TaskRow::Remove { object } => Task::Remove { object },
        };
        let after = self.after.map(AfterRow::after).transpose()?;
        let (recording, held) = (RecordingId::new(self.recording), SignedDuration::from_secs(self.held_s));
        let (created_at, attempts, not_before) = (self.created_at, self.attempts, self.not_before);
        Ok(Job { recording, task, created_at, attempts, not_before, after, held })
    }
}

impl AfterRow {
    fn of(after: &After) -> Self {
        let milliseconds = |of: SignedDuration| i64::try_from(of.as_millis()).unwrap_or(i64::MAX);
        Self {
            event: after.event.name().to_owned(),
            to: TargetRow::of(&after.to),
            settled_ms: milliseconds(after.settled),
            at_most_ms: milliseconds(after.at_most),
        }
    }

    fn after(self) -> Result<After, String> {
        Ok(After {
            event: named(&self.event)?,
            to: self.to.target(),
            settled: SignedDuration::from_millis(self.settled_ms),
            at_most: SignedDuration::from_millis(self.at_most_ms),
        })
    }
}

fn named(event: &str) -> Result<Event, String> {
    Event::named(event).ok_or_else(|| format!("there is no event {event:?}"))
}

impl TargetRow {
    fn of(target: &Target) -> Self {
        match target {
            Target::Mail => Self::Mail,
            Target::Webhook(url) => Self::Webhook(url.clone()),
            Target::Room => Self::Room,
            Target::StorageHook(url) => Self::StorageHook(url.clone()),
            Target::Transcription => Self::Transcription,
            Target::LiveKit => Self::LiveKit,
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Mail => Target::Mail,
            Self::Webhook(url) => Target::Webhook(url),
            Self::Room => Target::Room,
            Self::StorageHook(url) => Target::StorageHook(url),
            Self::Transcription => Target::Transcription,
            Self::LiveKit => Target::LiveKit,
        }
    }
}
