//! One error for what leaves a module: a kind that every door can translate, and a sentence with the fix.

use std::fmt;
use std::time::Duration;

/// What went wrong, in psrpc's words, which Twirp and HTTP share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A field is wrong; the message names it.
    InvalidArgument,
    /// What was named does not exist.
    NotFound,
    /// It is there already, such as a recording in this room.
    AlreadyExists,
    /// The key or token is not accepted.
    Unauthenticated,
    /// The token is good but does not allow this.
    PermissionDenied,
    /// Not possible in the present state.
    FailedPrecondition,
    /// This machine has no room for it.
    ResourceExhausted,
    /// Something outside does not answer; trying again may help.
    Unavailable,
    /// It took too long.
    DeadlineExceeded,
    /// Something was lost; what was recorded is kept.
    DataLoss,
    /// We do not do this.
    Unimplemented,
    /// Our own fault.
    Internal,
}

/// An error as the user reads it: one line that says what was tried, on what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: one line, no secret.
    pub message: String,
    /// The other side wants to be left alone for so long.
    pub retry_after: Option<Duration>,
}

/// `Result` with our [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this kind with this sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// `field` is wrong, and why: `width: 1281 is odd; use an even number such as 1280`.
    pub fn invalid(field: &str, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("{field}: {why}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
