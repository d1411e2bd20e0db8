//! Pure. What is reported of a recording that an earlier process left behind.

use crate::error::ErrorKind;
use crate::recorder::Left;
use crate::recording::{Failure, Report, State};

/// It had not ended, and nobody is at work on it.
pub fn is_interrupted(state: &State) -> bool {
    match state {
        State::Starting | State::Active | State::Ending { .. } => true,
        // What is to be done is in the store.
        State::Saving { .. } | State::Ended(_) | State::Notified(_) | State::Removing { .. } => false,
    }
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
