//! Pure. What is reported of a recording that an earlier process left behind.

use jiff::{SignedDuration, Timestamp};

use crate::error::ErrorKind;
use crate::recorder::{Left, Resume, Take};
use crate::recording::{Failure, Recording, Report, State};

/// A hole longer than this is not recorded over: a clock that was set wrongly looks like that too.
const MOST_MISSED: SignedDuration = SignedDuration::from_hours(4);

/// It had not ended, and nobody is at work on it.
pub fn is_interrupted(state: &State) -> bool {
    match state {
        State::Starting | State::Active | State::Ending { .. } => true,
        // What is to be done is in the store.
        State::Saving { .. } | State::Ended(_) | State::Notified(_) | State::Removing { .. } => false,
    }
}

/// Whether a recording whose file can be appended to goes on: media was flowing, and it ended not too long ago for the silence in
/// between to be written. What it lacks so far goes with it.
pub fn goes_on(recording: &Recording, take: &Take, now: Timestamp) -> Option<Resume> {
    let started_at = recording.started_at.filter(|_| recording.state == State::Active)?;
    let missed = now.duration_since(started_at).saturating_sub(SignedDuration::from_nanos(take.begin()));
    let resume = || Resume {
        take: take.clone(),
        started_at,
        health: recording.health.clone(),
        why: "greffier was not running".into(),
    };
    (missed <= MOST_MISSED).then(resume)
}

/// What its recorder would have said. A file that was finished lacks nothing: the store alone had not heard of it.
pub fn last_word(left: Option<Left>) -> Report {
    match left {
        Some(Left { media, finished: true }) if media.duration_ns > 0 => {
            Report::Drained { bytes: media.bytes, duration_ns: media.duration_ns }
        }
        left => {
            let failure = Failure::new(ErrorKind::DataLoss, "interrupted: greffier was stopped while recording");
            Report::Broke { failure, salvaged: left.map(|left| (left.media.bytes, left.media.duration_ns)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Media;

    #[test]
    fn what_is_left_is_kept_and_what_was_finished_is_whole() {
        let left = |bytes, duration_ns, finished| Some(Left { media: Media { bytes, duration_ns }, finished });
        assert_eq!(last_word(left(9, 18, true)), Report::Drained { bytes: 9, duration_ns: 18 });
        for (left, kept) in [(left(9, 18, false), Some((9, 18))), (left(9, 0, true), Some((9, 0))), (None, None)] {
            let Report::Broke { salvaged, .. } = last_word(left) else { panic!("{left:?}") };
            assert_eq!(salvaged, kept);
        }
    }
}
