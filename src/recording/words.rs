//! Pure. States and outcomes in words, for the log.

use std::fmt;

use crate::recording::{Outcome, State};

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Active => f.write_str("active"),
            Self::Ending { then } => write!(f, "ending, it will be {then}"),
            Self::Saving { then, .. } => write!(f, "saving, it will be {then}"),
            Self::Ended(outcome) => write!(f, "{outcome}"),
            Self::Notified(outcome) => write!(f, "{outcome}; everybody knows"),
            Self::Removing { outcome, object: true } => write!(f, "removing with its file; it was {outcome}"),
            Self::Removing { outcome, object: false } => write!(f, "removing without its file; it was {outcome}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Complete(_) => "complete",
            Self::LimitReached(_) => "complete up to its limit",
            Self::CutShort(_) => "cut short",
            Self::Aborted(_) => "aborted",
            Self::Failed(_) => "failed",
        };
        write!(f, "{kind} ({})", self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::recording::{Failure, Reason};

    #[test]
    fn a_state_is_said_as_people_say_it() {
        let failed = Outcome::Failed(Failure::new(ErrorKind::NotFound, "room: \"x\" does not exist"));
        assert_eq!(State::Ended(failed).to_string(), "failed (room: \"x\" does not exist)");
        let then = Outcome::Complete(Reason::Stopped);
        assert_eq!(State::Ending { then }.to_string(), "ending, it will be complete (stopped on request)");
    }
}
