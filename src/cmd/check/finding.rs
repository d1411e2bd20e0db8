//! Pure. One line of `greffier check`.

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
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
    pub verdict: Verdict,
    /// In words; what is at fault stands first, before a colon.
    pub text: String,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, text: text.into() }
    }

    /// Not as it should be, but it goes.
    pub fn warning(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warn, text: text.into() }
    }

    /// It does not go.
    pub fn failure(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Fail, text: text.into() }
    }

    /// Not tried.
    pub fn skipped(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Skip, text: text.into() }
    }

    /// `ok    redis      redis:6379 answers`.
    pub fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
            Verdict::Skip => "skip",
        };
        format!("{verdict:4}  {:9}  {}\n", self.what, self.text.replace('\n', " "))
    }
}
