//! One error for what leaves a module: a kind that every API can translate, and a sentence with the fix.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What went wrong, in psrpc's words, which Twirp and HTTP share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
#[derive(Clone, Debug)]
pub struct Error {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: one line, no secret. It begins with the field at fault, when one is.
    pub message: String,
    /// The other side wants to be left alone for so long.
    pub retry_after: Option<Duration>,
    /// Where in the message the reason begins, behind the field's name; 0 when no field is at fault.
    why: usize,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// `Result` with our [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why one attempt to notify somebody or to store something failed, and whether there will be another. Only what says so itself is
/// given up: an error that becomes one of these by `?` is tried again, whatever its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Another attempt may succeed.
    Retry(Error),
    /// No attempt ever will.
    Never(Error),
}

/// What one attempt came to.
pub type Attempt<T = ()> = std::result::Result<T, Undelivered>;

impl Undelivered {
    /// What went wrong.
    pub const fn error(&self) -> &Error {
        match self {
            Self::Retry(error) | Self::Never(error) => error,
        }
    }

    /// What went wrong, for whom it does not matter whether there is another attempt.
    pub fn into_error(self) -> Error {
        match self {
            Self::Retry(error) | Self::Never(error) => error,
        }
    }
}

impl From<Error> for Undelivered {
    fn from(error: Error) -> Self {
        Self::Retry(error)
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl Error {
    /// An error of this kind with this sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, why: 0, source: None }
    }

    /// `field` is at fault, and why: `data_dir: the disk is full; free some`.
    pub fn of_field(kind: ErrorKind, field: &str, why: impl fmt::Display) -> Self {
        Self { why: field.len() + BETWEEN.len(), ..Self::new(kind, format!("{field}{BETWEEN}{why}")) }
    }

    /// `field` is wrong, and why: `width: 1281 is odd; use an even number such as 1280`.
    pub fn invalid(field: &str, why: impl fmt::Display) -> Self {
        Self::of_field(ErrorKind::InvalidArgument, field, why)
    }

    /// The field at fault, under the name that the message gives it.
    pub fn field(&self) -> Option<&str> {
        self.message.get(..self.why.checked_sub(BETWEEN.len())?)
    }

    /// The message without the field.
    pub fn why(&self) -> &str {
        self.message.get(self.why..).unwrap_or(&self.message)
    }

    /// The same under the name that the reader knows the field by.
    pub fn at(self, field: &str) -> Self {
        Self {
            source: self.source.clone(),
            retry_after: self.retry_after,
            ..Self::of_field(self.kind, field, self.why())
        }
    }

    /// The same with its field below `prefix`: `width` in `options.` is `options.width`.
    pub fn below(self, prefix: &str) -> Self {
        match self.field().map(|field| format!("{prefix}{field}")) {
            Some(field) => self.at(&field),
            None => self,
        }
    }

    /// The same of another kind.
    pub fn of_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// The same; the other side wants to be left alone for so long.
    pub fn not_before(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// The same with what caused it, for programs; what people need to know of that is in the message.
    pub fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }
}

/// Between a field's name and what is wrong with it.
const BETWEEN: &str = ": ";

/// Errors are the same when people read the same.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.message, self.why) == (other.kind, &other.message, other.why)
    }
}

impl Eq for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

/// An error and what caused it, on one line; what says the same again is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_known_whatever_its_name_and_the_reason_hold() {
        for (field, why) in [("width", "1281 is odd"), ("a: b", "c: d"), ("", ": "), ("é", "ü: ö")] {
            let error = Error::invalid(field, why);
            assert_eq!((error.field(), error.why()), (Some(field), why));
            assert_eq!(error.to_string(), format!("{field}: {why}"));
            let below = format!("options.{field}");
            assert_eq!(error.clone().below("options.").field(), Some(below.as_str()));
            let error = error.at("options.width");
            assert_eq!((error.field(), error.why()), (Some("options.width"), why));
        }
        let plain = Error::new(ErrorKind::NotFound, "room: none");
        assert_eq!((plain.field(), plain.why()), (None, "room: none"));
        assert_eq!(plain.at("room").to_string(), "room: room: none");
    }

    #[test]
    fn causes_are_kept_for_programs_and_said_in_order() {
        let cause = || Error::new(ErrorKind::Internal, "inner").caused_by(std::io::Error::other("disk"));
        let error = Error::of_field(ErrorKind::Unavailable, "storage", "away").caused_by(cause());
        assert_eq!(chain(&error), "storage: away: inner: disk");
        assert_eq!(chain(&error.clone().at("backup")), "backup: away: inner: disk");
        assert_eq!(error, Error::of_field(ErrorKind::Unavailable, "storage", "away"), "people read the same");
    }

    #[test]
    fn no_kind_of_error_gives_anything_up() {
        for kind in [ErrorKind::InvalidArgument, ErrorKind::Unimplemented, ErrorKind::DataLoss, ErrorKind::NotFound] {
            let error = || Error::new(kind, "why").not_before(Some(Duration::from_secs(1)));
            let attempt = || -> Attempt { Err(error())? };
            let Err(Undelivered::Retry(kept)) = attempt() else { panic!("{kind:?}") };
            assert_eq!((&kept, kept.retry_after), (&error(), error().retry_after));
        }
    }
}
