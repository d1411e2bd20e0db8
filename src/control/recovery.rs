//! Pure. What an earlier process left behind, told as reports, so that the ordinary path finishes it.

use crate::ids::RecordingId;
use crate::recording::{Failure, Recording, Report, State};
use crate::spool::Found;

/// The reports for recordings that had not ended. One that was being saved needs none: its effect is pending.
pub fn recover(unended: &[Recording], found: &[Found]) -> Vec<(RecordingId, Report)> {
    let report = |recording: &Recording| match recording.state {
        State::Starting | State::Active | State::Ending { .. } => {
            let bytes = found.iter().find(|found| found.id == recording.id).map_or(0, |found| found.bytes);
            let failure = Failure("interrupted: greffier was stopped while recording".to_owned());
            // Nobody knows the length of a file that was cut off.
            let salvaged = (bytes > 0).then_some((bytes, 0));
            Some((recording.id.clone(), Report::Broke { failure, salvaged }))
        }
        State::Saving { .. } | State::Ended(_) => None,
    };
    unended.iter().filter_map(report).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::recording::{Media, Options, Outcome, Output, Reason, Request};

    fn recording(id: &str, state: State) -> Recording {
        let request = Request { room: "r".into(), output: Output::ogg(), max_duration: None };
        let now = Timestamp::UNIX_EPOCH;
        let (mut recording, _) = Recording::begin(RecordingId::new(id), "m".into(), request, Options::default(), now);
        recording.state = state;
        recording
    }

    #[test]
    fn bytes_are_kept_and_nothing_is_failed() {
        let then = Outcome::Complete(Reason::Stopped);
        let rows = [
            recording("full", State::Active),
            recording("empty", State::Active),
            recording("none", State::Starting),
            recording("ending", State::Ending { then: then.clone() }),
            recording("saving", State::Saving { then, media: Media { bytes: 1, duration_ns: 1 } }),
        ];
        let found = [("full", 9), ("empty", 0), ("ending", 4), ("saving", 1)].map(|(id, bytes)| Found {
            id: RecordingId::new(id),
            bytes,
            written_at: None,
        });
        let salvages: Vec<_> = recover(&rows, &found)
            .into_iter()
            .map(|(id, report)| {
                let Report::Broke { salvaged, .. } = report else { panic!("{report:?}") };
                (id.to_string(), salvaged)
            })
            .collect();
        let wanted = [("full", Some((9, 0))), ("empty", None), ("none", None), ("ending", Some((4, 0)))];
        assert_eq!(salvages, wanted.map(|(id, salvaged)| (id.to_owned(), salvaged)));
    }
}
