//! Pure. The client's side of a claim: bids come in, one of them wins.

use std::time::{Duration, Instant};

use super::frame::ClaimRequest;
use crate::error::{Error, ErrorKind};

/// How a client chooses among bids. A bid of 0 or less never wins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// A bid of at least this wins at once; 0 means that the first one does.
    pub enough: f32,
    /// How long to wait for bids; `None`: as long as for the answer.
    pub timeout: Option<Duration>,
    /// How long to wait for a better one after the first bid.
    pub after_first: Option<Duration>,
}

impl Selection {
    /// LiveKit's for queues: the first bid wins, and one must come within a second.
    pub const FIRST: Self = Self { enough: 0.0, timeout: Some(Duration::from_secs(1)), after_first: None };

    /// LiveKit's for `StartEgress`: 1 wins at once, otherwise the best bid half a second after the first.
    pub const BEST: Self =
        Self { enough: 1.0, timeout: Some(Duration::from_secs(1)), after_first: Some(Duration::from_millis(500)) };
}

/// What the client does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Wait for more, until [`Choice::timeout`].
    Wait,
    /// Grant the request to this server.
    Grant(String),
    /// A server works already: grant nothing, wait for the answer.
    Handled,
    /// Nobody can be chosen.
    Failed(Error),
}

/// One choice, from the request to the grant.
#[derive(Clone, Debug)]
pub struct Choice {
    enough: f32,
    after_first: Option<Duration>,
    until: Instant,
    best: Option<(String, f32)>,
    bids: usize,
}

impl Choice {
    /// The request has just left; nobody waits for its answer after `deadline`.
    pub fn new(selection: Selection, now: Instant, deadline: Instant) -> Self {
        let until = selection.timeout.map_or(deadline, |timeout| deadline.min(now + timeout));
        Self { enough: selection.enough, after_first: selection.after_first, until, best: None, bids: 0 }
    }

    /// When to call [`Choice::elapsed`].
    pub fn timeout(&self) -> Instant {
        self.until
    }

    /// A bid has come.
    pub fn bid(&mut self, bid: ClaimRequest, now: Instant) -> Decision {
        self.bids += 1;
        if bid.handling {
            return Decision::Handled;
        }
        // The first of equal bids stays.
        let best = self.best.as_ref().map_or(0.0, |(_, affinity)| *affinity);
        if bid.affinity.is_nan() || bid.affinity <= best {
            return Decision::Wait;
        }
        if bid.affinity >= self.enough {
            return Decision::Grant(bid.server_id);
        }
        if let (None, Some(wait)) = (&self.best, self.after_first) {
            self.until = self.until.min(now + wait);
        }
        self.best = Some((bid.server_id, bid.affinity));
        Decision::Wait
    }

    /// The time is up. The words are those of the Go library.
    pub fn elapsed(self) -> Decision {
        match (self.best, self.bids) {
            (Some((server, _)), _) => Decision::Grant(server),
            (None, 0) => Decision::Failed(Error::new(ErrorKind::Unavailable, "no response from servers")),
            (None, bids) => {
                let why = format!("no servers available (received {bids} responses)");
                Decision::Failed(Error::new(ErrorKind::Unavailable, why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bid(server: &str, affinity: f32) -> ClaimRequest {
        ClaimRequest { server_id: server.into(), affinity, ..ClaimRequest::default() }
    }

    fn best() -> (Choice, Instant) {
        let now = Instant::now();
        (Choice::new(Selection::BEST, now, now + Duration::from_secs(10)), now)
    }

    #[test]
    fn one_wins_at_once_and_the_best_of_the_others_after_half_a_second() {
        let (mut choice, now) = best();
        let ms = Duration::from_millis;
        assert_eq!(choice.timeout(), now + ms(1000));
        assert_eq!(choice.bid(bid("a", 0.5), now + ms(3)), Decision::Wait);
        assert_eq!(choice.timeout(), now + ms(503));
        assert_eq!(choice.bid(bid("b", 0.5), now + ms(4)), Decision::Wait);
        assert_eq!(choice.bid(bid("c", 0.6), now + ms(100)), Decision::Wait);
        assert_eq!(choice.timeout(), now + ms(503));
        assert_eq!(choice.clone().elapsed(), Decision::Grant("c".into()));
        assert_eq!(choice.bid(bid("d", 1.0), now + ms(200)), Decision::Grant("d".into()));
    }

    #[test]
    fn the_first_of_equals_wins() {
        let (mut choice, now) = best();
        choice.bid(bid("a", 0.5), now);
        choice.bid(bid("b", 0.5), now);
        assert_eq!(choice.elapsed(), Decision::Grant("a".into()));
    }

    #[test]
    fn a_late_first_bid_does_not_lengthen_the_wait() {
        let (mut choice, now) = best();
        choice.bid(bid("a", 0.5), now + Duration::from_millis(900));
        assert_eq!(choice.timeout(), now + Duration::from_secs(1));
    }

    #[test]
    fn nothing_and_less_than_nothing_never_win() {
        let (mut choice, now) = best();
        for useless in [0.0, -1.0, f32::NAN] {
            assert_eq!(choice.bid(bid("a", useless), now), Decision::Wait);
        }
        assert_eq!(choice.timeout(), now + Duration::from_secs(1));
        let Decision::Failed(error) = choice.elapsed() else { panic!() };
        assert_eq!(error.message, "no servers available (received 3 responses)");
        let Decision::Failed(error) = best().0.elapsed() else { panic!() };
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unavailable, "no response from servers"));
    }

    #[test]
    fn a_queue_takes_the_first_and_who_works_already_is_not_asked() {
        let now = Instant::now();
        let mut queue = Choice::new(Selection::FIRST, now, now + Duration::from_millis(10));
        assert_eq!(queue.timeout(), now + Duration::from_millis(10));
        assert_eq!(queue.bid(bid("a", 0.1), now), Decision::Grant("a".into()));
        assert_eq!(queue.bid(ClaimRequest { handling: true, ..bid("a", 0.0) }, now), Decision::Handled);
    }
}
