//! Pure. After a lost connection: resume, join anew, or give up.

use std::time::{Duration, Instant};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Reopen the signalling link of the same session; media goes on meanwhile.
    Resume,
    /// Join as a new participant.
    Rejoin,
    /// The server is gone for good.
    GiveUp,
}

/// How long we try before the recording is ended with what it has.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(30);
/// Resuming is tried this often; then the session is taken for lost.
const RESUMES: u32 = 3;
/// Pause before the second attempt; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// A room that a server denies for this long, while it answers all the time, is gone. Shorter, and the server may be
/// about to stop.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// One outage, from the loss to the recovery.
#[derive(Clone, Debug)]
pub struct Reconnect {
    since: Instant,
    attempts: u32,
    can_resume: bool,
    /// The server did not answer at least once.
    unanswered: bool,
    missing_since: Option<Instant>,
}

impl Reconnect {
    /// The connection was lost at `now`. `can_resume` is false when the server said so (`Leave` with `RECONNECT`).
    pub fn new(now: Instant, can_resume: bool) -> Self {
        Self { since: now, attempts: 0, can_resume, unanswered: false, missing_since: None }
    }

    /// The next attempt, and when to make it.
    pub fn next(&mut self, now: Instant) -> (Attempt, Instant) {
        let pause = match self.attempts {
            0 => Duration::ZERO,
            n => (FIRST_PAUSE * 2_u32.saturating_pow(n - 1)).min(MAX_PAUSE),
        };
        if now + pause > self.since + GIVE_UP_AFTER {
            return (Attempt::GiveUp, now);
        }
        let attempt = if self.can_resume && self.attempts < RESUMES { Attempt::Resume } else { Attempt::Rejoin };
        self.attempts += 1;
        (attempt, now + pause)
    }

    /// False once the session is known to be lost.
    pub fn can_resume(&self) -> bool {
        self.can_resume
    }

    /// The server refuses to resume this session, or its media connection is dead.
    pub fn session_lost(&mut self) {
        self.can_resume = false;
    }

    /// The server did not answer.
    pub fn unanswered(&mut self) {
        self.unanswered = true;
    }

    /// The server answers at `now` that there is no such room. True when that is for good: the word that it was deleted did
    /// not reach us. A server that was away has forgotten its rooms instead; people come back to them.
    pub fn room_missing(&mut self, now: Instant) -> bool {
        // Our session went with it.
        self.can_resume = false;
        let since = *self.missing_since.get_or_insert(now);
        !self.unanswered && now >= since + GONE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumes_first_then_joins_anew_then_gives_up() {
        let t0 = Instant::now();
        let mut outage = Reconnect::new(t0, true);
        let mut now = t0;
        let mut seen = Vec::new();
        loop {
            let (attempt, at) = outage.next(now);
            assert!(at >= now);
            seen.push(attempt);
            if attempt == Attempt::GiveUp {
                break;
            }
            now = at;
        }
        assert_eq!(seen[..4], [Attempt::Resume, Attempt::Resume, Attempt::Resume, Attempt::Rejoin]);
        assert!(now <= t0 + GIVE_UP_AFTER && seen.len() > 8, "{seen:?}");
    }

    #[test]
    fn a_missing_room_is_gone_unless_the_server_was_away() {
        let (t0, t1) = (Instant::now(), Instant::now() + GONE_AFTER);
        let mut outage = Reconnect::new(t0, true);
        assert!(!outage.room_missing(t0) && outage.room_missing(t1));
        outage.unanswered();
        assert!(!outage.room_missing(t1));
    }

    #[test]
    fn a_lost_session_is_not_resumed() {
        let t0 = Instant::now();
        let mut outage = Reconnect::new(t0, true);
        assert_eq!(outage.next(t0), (Attempt::Resume, t0));
        outage.session_lost();
        assert_eq!(outage.next(t0).0, Attempt::Rejoin);
        assert_eq!(Reconnect::new(t0, false).next(t0), (Attempt::Rejoin, t0));
    }
}
