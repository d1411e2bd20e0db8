//! Pure. What a recording is to somebody who looks at its page.

use jiff::Timestamp;

use crate::recording::{Limit, Outcome, Recording, State};

/// What the page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No media yet.
    Starting,
    /// It runs.
    Recording,
    /// It has ended; the file is on its way.
    Saving,
    /// It can be watched.
    Ready,
    /// There is no file, because something broke.
    Failed,
    /// There is no file, because there was nothing to record.
    Aborted,
    /// It was kept as long as it was to be kept.
    Expired,
    /// Somebody had it deleted.
    Removed,
}

impl Phase {
    /// The phase of this recording `now`. What has expired is not shown any more, even before it is gone.
    pub fn of(recording: &Recording, now: Timestamp) -> Self {
        if recording.state.is_final() && recording.expires_at.is_some_and(|at| at <= now) {
            return Self::Expired;
        }
        match &recording.state {
            State::Starting => Self::Starting,
            State::Active => Self::Recording,
            State::Ending { .. } | State::Saving { .. } => Self::Saving,
            State::Removing { .. } => Self::Removed,
            State::Ended(outcome) | State::Notified(outcome) => match outcome {
                Outcome::Complete(_) | Outcome::LimitReached(_) | Outcome::CutShort(_) => Self::Ready,
                Outcome::Aborted(_) => Self::Aborted,
                Outcome::Failed(_) => Self::Failed,
            },
        }
    }

    /// Its name: in the page's JSON, and of its words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Recording => "recording",
            Self::Saving => "saving",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }

    /// Nothing more will happen that somebody would wait for.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Starting | Self::Recording | Self::Saving => false,
            Self::Ready | Self::Failed | Self::Aborted | Self::Expired | Self::Removed => true,
        }
    }

    /// Media flows.
    pub const fn is_live(self) -> bool {
        match self {
            Self::Starting | Self::Recording => true,
            Self::Saving | Self::Ready | Self::Failed | Self::Aborted | Self::Expired | Self::Removed => false,
        }
    }
}

/// The name of the words that explain how a watchable recording ended, when there is something to explain.
pub fn note(recording: &Recording) -> Option<&'static str> {
    match recording.state.outcome()? {
        Outcome::CutShort(_) => Some("cut_short"),
        Outcome::LimitReached(Limit::Duration) => Some("limit_duration"),
        Outcome::LimitReached(Limit::Size) => Some("limit_size"),
        Outcome::Complete(_) | Outcome::Aborted(_) | Outcome::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::ids::RecordingId;
    use crate::recording::{Failure, Limits, Options, Output, Policy, Reason, Request};

    #[test]
    fn what_has_ended_is_shown_until_it_expires() {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let at = |second| Timestamp::from_second(second).unwrap();
        let (id, mode) = (RecordingId::new("EG_one"), "transcript".to_owned());
        let mut one = Recording::begin(id, mode, request, Options::default(), &Policy::default(), at(0)).0;
        one.expires_at = Some(at(100));
        assert_eq!(Phase::of(&one, at(100)), Phase::Starting, "what runs does not expire");
        let cut = Outcome::CutShort(Failure::new(ErrorKind::Internal, "x"));
        for (outcome, phase, words) in [
            (Outcome::Complete(Reason::Stopped), Phase::Ready, None),
            (Outcome::LimitReached(Limit::Size), Phase::Ready, Some("limit_size")),
            (cut, Phase::Ready, Some("cut_short")),
            (Outcome::Aborted(Reason::Stopped), Phase::Aborted, None),
        ] {
            one.state = State::Ended(outcome.clone());
            assert_eq!((Phase::of(&one, at(99)), note(&one)), (phase, words));
            assert_eq!(Phase::of(&one, at(100)), Phase::Expired);
            one.state = State::Removing { outcome, object: true };
            assert_eq!(Phase::of(&one, at(99)), Phase::Removed);
        }
    }
}
