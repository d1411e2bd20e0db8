//! A recording's status as LiveKit's `EgressInfo` has it.

use crate::recording::{Outcome, State};

/// LiveKit's `EgressStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0.
    Starting,
    /// 1.
    Active,
    /// 2.
    Ending,
    /// 3.
    Complete,
    /// 4.
    Failed,
    /// 5.
    Aborted,
    /// 6.
    LimitReached,
}

impl Status {
    /// The status of a recording in this state. What was cut short but kept is complete: LiveKit has no word for it, and
    /// clients throw a failed recording away.
    pub fn of(state: &State) -> Self {
        match state {
            State::Starting => Self::Starting,
            State::Active => Self::Active,
            State::Ending { .. } | State::Saving { .. } => Self::Ending,
            State::Ended(outcome) | State::Notified(outcome) | State::Removing { outcome, .. } => match outcome {
                Outcome::Complete(_) | Outcome::CutShort(_) => Self::Complete,
                Outcome::LimitReached(_) => Self::LimitReached,
                Outcome::Aborted(_) => Self::Aborted,
                Outcome::Failed(_) => Self::Failed,
            },
        }
    }

    /// The enum's number.
    pub const fn code(self) -> i32 {
        match self {
            Self::Starting => 0,
            Self::Active => 1,
            Self::Ending => 2,
            Self::Complete => 3,
            Self::Failed => 4,
            Self::Aborted => 5,
            Self::LimitReached => 6,
        }
    }

    /// The enum's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "EGRESS_STARTING",
            Self::Active => "EGRESS_ACTIVE",
            Self::Ending => "EGRESS_ENDING",
            Self::Complete => "EGRESS_COMPLETE",
            Self::Failed => "EGRESS_FAILED",
            Self::Aborted => "EGRESS_ABORTED",
            Self::LimitReached => "EGRESS_LIMIT_REACHED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Failure, Limit, Media, Reason};

    #[test]
    fn every_state_has_livekits_number() {
        let media = Media { bytes: 1, duration_ns: 1 };
        let stopped = Outcome::Complete(Reason::Stopped);
        let failure = Failure::new(crate::error::ErrorKind::Internal, "f");
        let table = [
            (State::Starting, 0, "EGRESS_STARTING"),
            (State::Active, 1, "EGRESS_ACTIVE"),
            (State::Ending { then: stopped.clone() }, 2, "EGRESS_ENDING"),
            (State::Saving { then: stopped.clone(), media }, 2, "EGRESS_ENDING"),
            (State::Ended(stopped), 3, "EGRESS_COMPLETE"),
            (State::Ended(Outcome::CutShort(failure.clone())), 3, "EGRESS_COMPLETE"),
            (State::Ended(Outcome::Failed(failure)), 4, "EGRESS_FAILED"),
            (State::Ended(Outcome::Aborted(Reason::Stopped)), 5, "EGRESS_ABORTED"),
            (State::Ended(Outcome::LimitReached(Limit::Duration)), 6, "EGRESS_LIMIT_REACHED"),
        ];
        for (state, code, name) in table {
            assert_eq!((Status::of(&state).code(), Status::of(&state).name()), (code, name));
        }
    }
}
