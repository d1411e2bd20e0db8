//! Pure. What an earlier process left behind, told as reports, so that the ordinary path finishes it.

use std::collections::HashMap;

use crate::error::ErrorKind;
use crate::ids::RecordingId;
use crate::recording::{Failure, Media, Recording, Report, State};

/// The reports for recordings that had not ended, given what is left of them. One that was being saved needs none: its
/// effect is pending.
pub fn recover(unended: &[Recording], left: &HashMap<RecordingId, Media>) -> Vec<(RecordingId, Report)> {
    let report = |recording: &Recording| match recording.state {
        State::Starting | State::Active | State::Ending { .. } => {
            let failure = Failure::new(ErrorKind::DataLoss, "interrupted: greffier was stopped while recording");
            let salvaged = left.get(&recording.id).map(|media| (media.bytes, media.duration_ns));
            Some((recording.id.clone(), Report::Broke { failure, salvaged }))
        }
        State::Saving { .. } | State::Ended(_) | State::Told(_) | State::Removing { .. } => None,
    };
    unended.iter().filter_map(report).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::recording::{Limits, Options, Outcome, Output, Policy, Reason, Request};

    fn recording(id: &str, state: State) -> Recording {
        let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
        let now = Timestamp::UNIX_EPOCH;
        let (mut recording, _) =
            Recording::begin(RecordingId::new(id), "m".into(), request, Options::default(), &Policy::default(), now);
        recording.state = state;
        recording
    }

    #[test]
    fn what_is_left_is_kept_and_nothing_is_failed() {
        let then = Outcome::Complete(Reason::Stopped);
        let rows = [
            recording("full", State::Active),
            recording("empty", State::Active),
            recording("none", State::Starting),
            recording("ending", State::Ending { then: then.clone() }),
            recording("saving", State::Saving { then, media: Media { bytes: 1, duration_ns: 1 } }),
        ];
        let left = [("full", 9), ("ending", 4), ("saving", 1)]
            .map(|(id, bytes)| (RecordingId::new(id), Media { bytes, duration_ns: bytes * 2 }));
        let salvages: Vec<_> = recover(&rows, &left.into())
            .into_iter()
            .map(|(id, report)| {
                let Report::Broke { salvaged, .. } = report else { panic!("{report:?}") };
                (id.to_string(), salvaged)
            })
            .collect();
        let wanted = [("full", Some((9, 18))), ("empty", None), ("none", None), ("ending", Some((4, 8)))];
        assert_eq!(salvages, wanted.map(|(id, salvaged)| (id.to_owned(), salvaged)));
    }
}
