//! Pure. What a recording becomes whose machine was lost, by what of it was in the store.

use jiff::{SignedDuration, Timestamp};

use crate::error::ErrorKind;
use crate::recording::{Failure, HoleCause, Media, Outcome, Recording, State};

/// What there is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Salvaged {
    /// All of it: it was on its way when the machine was lost. In the spool of this sidecar, or in the store.
    Whole(Media),
    /// Its beginning, made whole, in the spool of this sidecar.
    Here(Media),
    /// Its beginning, as a fragmented file in the store: so many bytes; there was no way to make it whole here.
    There(u64),
    /// Nothing that plays.
    Nothing,
}

/// The recording as it goes on here: it is saved, or failed. `heard_at` is when its sidecar was last heard of.
pub fn taken_up(mut recording: Recording, salvaged: Salvaged, heard_at: Option<Timestamp>) -> Recording {
    let ended_at = recording.ended_at.or(heard_at).or(recording.started_at).unwrap_or(recording.updated_at);
    let recorded = recording.started_at.map_or(SignedDuration::ZERO, |at| ended_at.duration_since(at));
    let recorded_ns = u64::try_from(recorded.as_nanos()).unwrap_or(0);
    let media = match salvaged {
        Salvaged::Whole(media) => {
            let then = match recording.state {
                State::Saving { then, .. } | State::Ending { then } => then,
                State::Starting | State::Active | State::Ended(_) | State::Notified(_) | State::Removing { .. } => {
                    Outcome::CutShort(lost(heard_at))
                }
            };
            (recording.state, recording.media, recording.ended_at) =
                (State::Saving { then, media }, Some(media), Some(ended_at));
            return recording;
        }
        Salvaged::Nothing => {
            (recording.state, recording.ended_at) =
                (State::Ending { then: Outcome::Failed(lost(heard_at)) }, Some(ended_at));
            return recording;
        }
        Salvaged::Here(media) => media,
        Salvaged::There(bytes) => Media { bytes, duration_ns: recorded_ns },
    };
    if recorded_ns > media.duration_ns {
        recording.health.hole(media.duration_ns, recorded_ns, HoleCause::Interrupted, &lost(heard_at).words);
    }
    let then = Outcome::CutShort(lost(heard_at));
    (recording.state, recording.media, recording.ended_at) =
        (State::Saving { then, media }, Some(media), Some(ended_at));
    recording
}

/// Why it is not whole.
pub fn lost(heard_at: Option<Timestamp>) -> Failure {
    let at = heard_at.map_or(String::new(), |at| format!(" after {} UTC", at.strftime("%H:%M:%S")));
    Failure::new(ErrorKind::DataLoss, format!("the machine that recorded it was lost{at}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Limits, Options, Output, Policy, Reason, Request};

    fn recording(state: State) -> Recording {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let (id, begin) = (RecordingId::new("EG_1"), Timestamp::UNIX_EPOCH);
        let (mut it, _) =
            Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), begin);
        (it.state, it.started_at) = (state, Some(begin));
        it
    }

    #[test]
    fn what_is_missing_is_said_and_what_was_whole_is_whole() {
        let heard = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60));
        let media = Media { bytes: 9, duration_ns: 50_000_000_000 };
        let cut = taken_up(recording(State::Active), Salvaged::Here(media), heard);
        assert!(matches!(&cut.state, State::Saving { then: Outcome::CutShort(why), media: it }
            if why.words.contains("lost after 00:01:00 UTC") && *it == media));
        let hole = cut.health.holes.first().unwrap();
        assert_eq!((hole.from_ns, hole.to_ns, hole.cause), (media.duration_ns, 60_000_000_000, HoleCause::Interrupted));
        assert_eq!((cut.media, cut.ended_at), (Some(media), heard));
        let there = taken_up(recording(State::Active), Salvaged::There(7), heard);
        assert_eq!(there.media, Some(Media { bytes: 7, duration_ns: 60_000_000_000 }));
        let stopped = Outcome::Complete(Reason::Stopped);
        let whole = taken_up(recording(State::Saving { then: stopped.clone(), media }), Salvaged::Whole(media), heard);
        assert_eq!(whole.state, State::Saving { then: stopped.clone(), media });
        assert!(whole.health.is_clean());
        let nothing = taken_up(recording(State::Ending { then: stopped }), Salvaged::Nothing, heard);
        assert!(matches!(nothing.state, State::Ending { then: Outcome::Failed(_) }));
        assert_eq!(taken_up(recording(State::Active), Salvaged::Here(media), None).health.holes, []);
    }
}
