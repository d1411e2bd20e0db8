//! How a recording ends, and what it leaves.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should; the reason says who ended it.
    Complete(Reason),
    /// A limit ended it; the file is whole.
    LimitReached(Limit),
    /// It broke, and what was recorded until then is kept.
    CutShort(Failure),
    /// It ended before anything was recorded: there is no file.
    Aborted(Reason),
    /// Nothing can be delivered.
    Failed(Failure),
}

/// What ended a recording that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody asked for it.
    Stopped,
    /// The room came to its end: closed, or we were removed; the words say which.
    RoomClosed(String),
    /// The recorder finished without saying why.
    ByItself,
}

/// A file's size and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// File size.
    pub bytes: u64,
    /// Nanoseconds of media; 0 when unknown (found after a crash).
    pub duration_ns: u64,
}

/// What ends a recording by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Limit {
    /// `max_duration`.
    Duration,
    /// `max_size`.
    Size,
}

/// Why it broke.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// For programs, and only while the process lives: the store keeps the words alone, and `Internal` comes back.
    pub kind: ErrorKind,
    /// For people.
    pub words: String,
}

impl Failure {
    /// A failure of this kind with these words.
    pub fn new(kind: ErrorKind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.kind, error.message)
    }
}

impl Outcome {
    /// One line for people when there is something to explain: an error, or what ended it.
    pub fn words(&self) -> String {
        match self {
            Self::Complete(reason) | Self::Aborted(reason) => reason.to_string(),
            Self::LimitReached(limit) => limit.to_string(),
            Self::CutShort(failure) | Self::Failed(failure) => failure.to_string(),
        }
    }

    /// The same verdict when nothing had been recorded.
    pub fn without_file(self) -> Self {
        match self {
            Self::Complete(reason) | Self::Aborted(reason) => Self::Aborted(reason),
            Self::LimitReached(limit) => Self::Aborted(Reason::RoomClosed(limit.to_string())),
            Self::CutShort(failure) | Self::Failed(failure) => Self::Failed(failure),
        }
    }

    /// True when there is a file.
    pub fn has_file(&self) -> bool {
        match self {
            Self::Complete(_) | Self::LimitReached(_) | Self::CutShort(_) => true,
            Self::Aborted(_) | Self::Failed(_) => false,
        }
    }

    /// The failure, when something broke.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::CutShort(failure) | Self::Failed(failure) => Some(failure),
            Self::Complete(_) | Self::LimitReached(_) | Self::Aborted(_) => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped on request"),
            Self::RoomClosed(why) => f.write_str(why),
            Self::ByItself => f.write_str("the recorder finished by itself"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration => f.write_str("max_duration reached"),
            Self::Size => f.write_str("max_size reached"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
