//! Work that must outlive the process: one job per thing to do and target, in order within a lane.

use jiff::{SignedDuration, Timestamp};

use crate::ids::RecordingId;
use crate::recording::{Event, Recording};
use crate::secret::shown_url;

/// Who is notified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The owner, by mail.
    Mail,
    /// Whoever listens at this URL: a signed webhook.
    Webhook(String),
    /// The participants, by room metadata and data messages.
    Room,
    /// A backend's storage hook at this URL: a MinIO-shaped event.
    StorageHook(String),
    /// The transcription service.
    Transcription,
    /// The LiveKit server, by psrpc's IOInfo.
    LiveKit,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Bring the file to its storage, while it grows and when it is whole. Nothing appears under its key yet.
    Upload,
    /// Make the file appear at its final place.
    Publish,
    /// Tell somebody of an event; `about` is the recording as it was then.
    Notify {
        /// What happened.
        event: Event,
        /// Who is notified.
        to: Target,
        /// The recording just after it.
        about: Box<Recording>,
    },
    /// Take the file away from its final place, if `object`.
    Remove {
        /// The file goes too.
        object: bool,
    },
}

/// A durable piece of work. Performing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// For this recording.
    pub recording: RecordingId,
    /// What is to be done.
    pub task: Task,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Not to be tried before.
    pub not_before: Timestamp,
    /// Not to be tried before this notice either.
    pub after: Option<After>,
    /// For so long after the last try the receiver wants to be left alone.
    pub held: SignedDuration,
}

/// The notice of the same recording that a job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Of what.
    pub event: Event,
    /// To whom.
    pub to: Target,
    /// So long ago it must have been delivered, or given up.
    pub settled: SignedDuration,
    /// A receiver that is away holds the job up for so long at most.
    pub at_most: SignedDuration,
}

/// Where jobs wait for each other: one recording, one target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueKey {
    /// The recording.
    pub recording: RecordingId,
    /// What else is done for it does not wait.
    pub name: String,
}

impl Target {
    /// Its lane's name. It tells targets apart and may hold a secret of a URL: [`Target::shown`] is for people.
    pub fn name(&self) -> String {
        match self {
            Self::Mail => "mail".to_owned(),
            Self::Webhook(url) => format!("webhook {url}"),
            Self::Room => "room".to_owned(),
            Self::StorageHook(url) => format!("storage_hook {url}"),
            Self::Transcription => "transcription".to_owned(),
            Self::LiveKit => "livekit".to_owned(),
        }
    }

    /// How it is shown.
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook(url) => format!("webhook {}", shown_url(url)),
            Self::StorageHook(url) => format!("storage_hook {}", shown_url(url)),
            Self::Mail | Self::Room | Self::Transcription | Self::LiveKit => self.name(),
        }
    }

    /// Its kind alone, for people: an address may hold a key.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook(_) => "webhook",
            Self::Room => "room",
            Self::StorageHook(_) => "storage_hook",
            Self::Transcription => "transcription",
            Self::LiveKit => "livekit",
        }
    }

    /// True for those whose hearing of it makes a recording `notification_succeeded`.
    pub fn is_notification(&self) -> bool {
        match self {
            Self::Mail | Self::Transcription => true,
            Self::Webhook(_) | Self::Room | Self::StorageHook(_) | Self::LiveKit => false,
        }
    }

    /// Does it want to hear of this?
    pub fn wants(&self, event: Event, about: &Recording) -> bool {
        let saved = || about.state.outcome().is_some_and(crate::recording::Outcome::has_file);
        let ours = about.options.origin.notifies_people();
        match self {
            Self::Mail => ours && event == Event::Ended && about.options.owner.is_some() && saved(),
            Self::Transcription => {
                ours && event == Event::Ended && about.options.is_transcribed(&about.request) && saved()
            }
            Self::StorageHook(_) => event == Event::Ended && saved(),
            Self::Room => ours && event != Event::Joined,
            Self::Webhook(_) => event != Event::Joined,
            // It hears of an egress once we are in the room; what failed before is answered as an error.
            Self::LiveKit => about.started_at.is_some() && about.options.origin.notifies_server(),
        }
    }
}

impl Job {
    /// A job to be done at once.
    pub fn new(recording: RecordingId, task: Task, now: Timestamp) -> Self {
        Self { recording, task, created_at: now, attempts: 0, not_before: now, after: None, held: SignedDuration::ZERO }
    }

    /// Where it waits.
    pub fn queue(&self) -> QueueKey {
        let name = match &self.task {
            // Nothing is removed while it is still being stored.
            Task::Upload | Task::Publish | Task::Remove { .. } => "object".to_owned(),
            Task::Notify { to, .. } => to.name(),
        };
        QueueKey { recording: self.recording.clone(), name }
    }

    /// Its lane as it is shown.
    pub fn shown(&self) -> String {
        match &self.task {
            Task::Upload | Task::Publish | Task::Remove { .. } => self.queue().name,
            Task::Notify { to, .. } => to.shown(),
        }
    }

    /// Its place in its lane; together they are its name: ordering the same job again changes nothing.
    pub fn rank(&self) -> u8 {
        match &self.task {
            Task::Upload => 0,
            Task::Publish => 1,
            Task::Remove { .. } => 2,
            Task::Notify { event, .. } => event.rank(),
        }
    }
}

impl After {
    /// Where the notice of this recording waits, and its place there.
    pub fn place(&self, recording: &RecordingId) -> (QueueKey, u8) {
        (QueueKey { recording: recording.clone(), name: self.to.name() }, self.event.rank())
    }
}

/// How far an upload has come, kept so that another process can go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The store's name for the multipart upload.
    pub upload: String,
    /// The parts that are there.
    pub parts: Vec<Part>,
    /// How long each of them is but the last, in bytes; 0 before that was decided.
    pub part: u64,
    /// How often it was asked to make the object of them, and no answer came.
    pub unanswered: u32,
    /// Larger parts than the setting allows would be needed: that setting, bytes. Nothing is sent until it is another.
    pub stuck: Option<u64>,
}

/// What a recording put at its final place, so that it takes away nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its size.
    pub bytes: u64,
    /// The store's name for this content, when it has one.
    pub etag: Option<String>,
}

impl Stored {
    /// Whether this object is what was stored; `None` when the store does not say enough of it.
    pub fn is(&self, bytes: u64, etag: Option<&str>) -> Option<bool> {
        if self.bytes != bytes {
            return Some(false);
        }
        Some(self.etag.as_deref()? == etag?)
    }
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its place in the file, from 0.
    pub index: u32,
    /// Bytes.
    pub bytes: u64,
    /// What was sent, so that a part whose bytes changed since is sent again.
    pub crc32: u32,
    /// The store's name for it.
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_size_and_its_etag() {
        let stored = |etag: Option<&str>| Stored { bytes: 5, etag: etag.map(str::to_owned) };
        assert_eq!(stored(Some("a")).is(5, Some("a")), Some(true));
        assert_eq!(stored(Some("a")).is(5, Some("b")), Some(false));
        assert_eq!(stored(Some("a")).is(6, Some("a")), Some(false));
        assert_eq!(stored(None).is(6, None), Some(false));
        assert_eq!((stored(None).is(5, Some("b")), stored(Some("a")).is(5, None)), (None, None));
    }
}
