//! Pure. What the operator should hear about a configuration that is good enough to run.

use std::fmt;

use super::suggest;
use crate::document;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    words: String,
    mistake: bool,
}

impl Warning {
    /// Something that has no effect here, and need not have one.
    pub fn note(words: impl Into<String>) -> Self {
        Self { words: words.into(), mistake: false }
    }

    /// A key that nobody knows. In a file of LiveKit Egress it may be one that is newer than this program.
    pub fn unknown_key(path: &str, upstream: bool) -> Self {
        Self::unknown(path, "key", suggest::key(path).as_deref(), upstream)
    }

    /// A variable that nobody knows, and those that are known. One of another program's may mean something there.
    pub fn unknown_variable(name: &str, known: &[String]) -> Self {
        Self::unknown(name, "variable", suggest::variable(name, known), !name.starts_with("GREFFIER_"))
    }

    fn unknown(name: &str, kind: &str, meant: Option<&str>, upstream: bool) -> Self {
        let name = document::shown_path(name);
        let words = match meant {
            Some(meant) => format!("{name}: unknown {kind}, ignored; did you mean {meant}?"),
            None => format!("{name}: unknown {kind}, ignored"),
        };
        Self { words, mistake: meant.is_some() || !upstream }
    }

    /// True when the operator surely wanted something that does not happen.
    pub fn is_mistake(&self) -> bool {
        self.mistake
    }

    /// True when it is about something below this path.
    pub(super) fn is_below(&self, path: &str) -> bool {
        self.words.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
