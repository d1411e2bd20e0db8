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

/// Neither media nor signalling for this long, and the recording is ended with what it has. People's clients try for about
/// as long before they tell them.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Resuming is tried this often without an answer and without media; then the session is taken for lost.
const RESUMES: u32 = 3;
/// A session that is resumed so often and yet brings no media is replaced.
const SILENT_RESUMES: u32 = 5;
/// Pause before the second attempt; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_millis(1500);
/// A server that answers has this long to bring media (ICE begins anew) before it is asked again. It waits a second before it
/// takes an address that it has learnt from our check alone, and gives each of its own checks up after 1.4 s.
pub const SETTLE: Duration = Duration::from_secs(2);
/// A path that falls silent is left alone for this long: the server keeps the old one for 15 s, and it comes back at once.
pub const RESUME_TIMEOUT: Duration = Duration::from_millis(1500);

/// A room that a server denies for this long, while it answers all the time, is gone. Shorter, and the server may be
/// about to stop.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// One outage, from the loss to the recovery.
#[derive(Clone, Debug)]
pub struct Reconnect {
    /// The newest sign of the server, by either way.
    alive: Instant,
    /// Since it last answered.
    attempts: u32,
    silent_resumes: u32,
    can_resume: bool,
    /// The server did not answer at least once.
    unanswered: bool,
    missing_since: Option<Instant>,
}

impl Reconnect {
    /// The connection was lost at `now`. `can_resume` is false when the server said so (`Leave` with `RECONNECT`).
    pub fn new(now: Instant, can_resume: bool) -> Self {
        Self { alive: now, attempts: 0, silent_resumes: 0, can_resume, unanswered: false, missing_since: None }
    }

    /// How long to wait before the next attempt.
    pub fn pause(&self) -> Duration {
        match self.attempts {
            0 => Duration::ZERO,
            n => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(n - 1)).min(MAX_PAUSE),
        }
    }

    /// The next attempt. `media` is when the server was last heard on the media path: while it is, the session lives, and is
    /// never given away for a new one.
    pub fn next(&mut self, now: Instant, media: Option<Instant>, flows: bool) -> Attempt {
        self.alive = media.map_or(self.alive, |media| media.max(self.alive));
        if now > self.alive + GIVE_UP_AFTER {
            return Attempt::GiveUp;
        }
        let worn = self.attempts >= RESUMES || self.silent_resumes >= SILENT_RESUMES;
        self.attempts += 1;
        if self.can_resume && (flows || !worn) { Attempt::Resume } else { Attempt::Rejoin }
    }

    /// The server has resumed the session, but no media comes yet.
    pub fn resumed_in_silence(&mut self, now: Instant) {
        self.alive = now;
        self.attempts = 0;
        self.silent_resumes += 1;
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
        while seen.last() != Some(&Attempt::GiveUp) {
            now += outage.pause();
            seen.push(outage.next(now, None, false));
        }
        assert_eq!(seen[..4], [Attempt::Resume, Attempt::Resume, Attempt::Resume, Attempt::Rejoin]);
        assert!(now > t0 + GIVE_UP_AFTER && now <= t0 + GIVE_UP_AFTER + MAX_PAUSE && seen.len() > 30, "{seen:?}");
    }

    #[test]
    fn while_media_flows_nothing_is_given_up() {
        let t0 = Instant::now();
        let mut outage = Reconnect::new(t0, true);
        for n in 0..600 {
            let now = t0 + Duration::from_secs(n);
            assert_eq!(outage.next(now, Some(now), true), Attempt::Resume);
        }
        // Then media ends too.
        let last = t0 + Duration::from_secs(599);
        assert_eq!(outage.next(last + GIVE_UP_AFTER, Some(last), false), Attempt::Rejoin);
        assert_eq!(outage.next(last + GIVE_UP_AFTER * 2, Some(last), false), Attempt::GiveUp);
    }

    #[test]
    fn a_server_that_answers_is_asked_again_without_end_and_now_and_then_joined_anew() {
        let t0 = Instant::now();
        let mut outage = Reconnect::new(t0, true);
        let mut seen = Vec::new();
        for n in 0..8 {
            let now = t0 + GIVE_UP_AFTER / 2 * n;
            assert_eq!(outage.pause(), Duration::ZERO);
            seen.push(outage.next(now, None, false));
            outage.resumed_in_silence(now);
        }
        assert_eq!(seen[..5], [Attempt::Resume; 5]);
        assert_eq!(seen[5], Attempt::Rejoin);
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
        assert_eq!(outage.next(t0, None, false), Attempt::Resume);
        outage.session_lost();
        assert_eq!(outage.next(t0, None, true), Attempt::Rejoin);
        assert_eq!(Reconnect::new(t0, false).next(t0, None, false), Attempt::Rejoin);
    }
}
