//! Pure. One line of `greffier check`.

use crate::error::Error;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Recordings are made, but not as they could be.
    Warn,
    /// Recordings would not be made.
    Fail,
    /// Could not be seen, or is not wanted.
    Skip,
}

/// One thing, how it is, and its fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which thing.
    pub what: &'static str,
    /// How it is.
    pub verdict: Grade,
    /// In words.
    pub text: String,
    /// The field at fault, when one is.
    pub field: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Grade::Ok, text: text.into(), field: None }
    }

    /// Not as it should be, but it goes.
    pub fn warning(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Grade::Warn, text: text.into(), field: None }
    }

    /// It does not go.
    pub fn failure(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Grade::Fail, text: text.into(), field: None }
    }

    /// It does not go, for this reason.
    pub fn error(what: &'static str, error: &Error) -> Self {
        Self { field: error.field().map(str::to_owned), ..Self::failure(what, &error.message) }
    }

    /// Not tried.
    pub fn skipped(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Grade::Skip, text: text.into(), field: None }
    }

    /// `ok    redis      redis:6379 answers`.
    pub fn line(&self) -> String {
        let verdict = match self.verdict {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "FAIL",
            Grade::Skip => "skip",
        };
        format!("{verdict:4}  {:9}  {}\n", self.what, self.text.replace('\n', " "))
    }
}
