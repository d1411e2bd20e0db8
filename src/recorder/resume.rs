//! Going on with a recording whose process ended: its room is joined again, and its file goes on as a further take.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::error::ErrorKind;
use crate::pipeline::Take;
use crate::recording::{Failure, Health, HoleCause};

/// How long a server that does not answer is asked again: it may be starting, after a power cut, like us.
const PATIENT: Duration = Duration::from_secs(60);
/// How soon it is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// What is known of a recording that is to go on.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Where its file ends.
    pub take: Take,
    /// The wall clock at media time zero.
    pub started_at: Timestamp,
    /// What it lacks so far.
    pub health: Health,
    /// Why it was interrupted: what happened, without a time.
    pub why: String,
}

impl Resume {
    /// The instant of recording time zero, by the wall clock; never later than the end of the file allows.
    pub(super) fn start(&self, now: Timestamp, instant: Instant) -> Instant {
        let elapsed = now.duration_since(self.started_at).as_nanos().max(i128::from(self.take.begin()));
        let elapsed = Duration::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX));
        instant.checked_sub(elapsed).unwrap_or(instant)
    }

    /// What is shown of the time nobody recorded.
    pub(super) fn card(&self, now: Timestamp) -> String {
        format!("Interrupted {} – {} UTC", clock(self.ended_at()), clock(now))
    }

    /// What it lacks from now on: nobody recorded what was said between the end of the file, where one of its
    /// tracks ends first, and `now_ns` of it.
    pub(super) fn health(&self, now: Timestamp, now_ns: u64) -> Health {
        let mut health = self.health.clone();
        let (from, to) = (clock(self.ended_at()), clock(now));
        let why = format!("{} ({from} – {to} UTC)", self.why);
        health.hole(self.take.whole().max(0).unsigned_abs(), now_ns, HoleCause::Interrupted, &why);
        health.interruptions = health.interruptions.saturating_add(1);
        health
    }

    fn ended_at(&self) -> Timestamp {
        let end = jiff::SignedDuration::from_nanos(self.take.whole());
        self.started_at.checked_add(end).unwrap_or(self.started_at)
    }
}

/// When to try again to join: a room that is gone stays away, a server may come back.
pub(super) fn again(failure: &Failure, since: Instant, now: Instant) -> Option<Duration> {
    let may_come_back = match failure.kind {
        ErrorKind::Unavailable | ErrorKind::DeadlineExceeded | ErrorKind::Internal => true,
        ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::PermissionDenied
        | ErrorKind::Unauthenticated
        | ErrorKind::ResourceExhausted
        | ErrorKind::FailedPrecondition
        | ErrorKind::Unimplemented
        | ErrorKind::DataLoss => false,
    };
    (may_come_back && now.saturating_duration_since(since) < PATIENT).then_some(AGAIN)
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
