//! Pure. The server's side of a claim: a request is bid for, waits for the grant, and is run by the winner only.

use std::collections::HashMap;

use super::frame::{ClaimRequest, ClaimResponse, RequestFrame};

/// How long a request is remembered at most, in nanoseconds, whatever expiry it names. LiveKit's are 3 s to 40 s.
const LONGEST_WAIT: i64 = 600 * 1_000_000_000;
/// How many requests are remembered at once; beyond that new ones are dropped until old ones expire.
const MOST: usize = 10_000;

/// What a server makes of a request once it has read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<T> {
    /// It cannot be decoded.
    Malformed,
    /// It needs a claim; the affinity is our bid, a negative one means that we do not want it.
    Bid(f32, T),
    /// It needs no claim: everybody answers.
    Direct(T),
}

/// What to do with a request now.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimStep<T> {
    /// Answer `malformed_request`, at once and without a claim.
    Malformed(RequestFrame),
    /// Send this bid to `client`.
    Bid {
        /// `CLI_…`.
        client: String,
        /// The bid.
        bid: ClaimRequest,
    },
    /// Run what was read of it, and answer.
    Run(RequestFrame, T),
    /// Nothing.
    Drop(Dropped),
}

/// Whom the client has chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen<T> {
    /// Us: the request to answer, and what was read of it, to run.
    Us(RequestFrame, T),
    /// Another server: what is to be forgotten.
    Another(T),
}

/// Why a request is not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Nobody waits for the answer any more; or the clocks of the two machines differ.
    Expired,
    /// It came before.
    Known,
    /// It names no request or nobody to answer.
    Nameless,
    /// We do not want it.
    Unwilling,
    /// Too many are remembered.
    Full,
}

/// The requests of one method that a server has seen and that have not expired. Times are unix nanoseconds. A request is read
/// once, as a `T`, when it arrives: the grant names it only.
#[derive(Debug)]
pub struct Claims<T> {
    server: String,
    seen: HashMap<String, Seen<T>>,
}

#[derive(Debug)]
struct Seen<T> {
    until: i64,
    /// The request, and what was read of it, as long as its grant is awaited.
    waiting: Option<(RequestFrame, T)>,
}

impl<T> Claims<T> {
    /// No requests yet; `server` is our id, `SRV_…`.
    pub fn new(server: impl Into<String>) -> Self {
        Self { server: server.into(), seen: HashMap::new() }
    }

    /// A request has come. `read` looks into it, and is only asked when the request is worth it.
    pub fn request(
        &mut self,
        request: RequestFrame,
        now: i64,
        read: impl FnOnce(&RequestFrame) -> Reading<T>,
    ) -> ClaimStep<T> {
        self.forget_expired(now);
        if request.request_id.is_empty() || request.client_id.is_empty() {
            return ClaimStep::Drop(Dropped::Nameless);
        }
        if now >= request.expiry {
            return ClaimStep::Drop(Dropped::Expired);
        }
        if self.seen.contains_key(&request.request_id) {
            return ClaimStep::Drop(Dropped::Known);
        }
        if self.seen.len() >= MOST {
            return ClaimStep::Drop(Dropped::Full);
        }
        let id = request.request_id.clone();
        let until = request.expiry.min(now.saturating_add(LONGEST_WAIT));
        let (waiting, step) = match read(&request) {
            Reading::Malformed => (None, ClaimStep::Malformed(request)),
            Reading::Direct(read) => (None, ClaimStep::Run(request, read)),
            Reading::Bid(affinity, read) if affinity >= 0.0 => {
                let bid = ClaimRequest {
                    request_id: id.clone(),
                    server_id: self.server.clone(),
                    affinity,
                    ..ClaimRequest::default()
                };
                let client = request.client_id.clone();
                (Some((request, read)), ClaimStep::Bid { client, bid })
            }
            // Negative, or not a number.
            Reading::Bid(..) => (None, ClaimStep::Drop(Dropped::Unwilling)),
        };
        self.seen.insert(id, Seen { until, waiting });
        step
    }

    /// The client has chosen: what that means for us, once for each request that we have bid for and that is still awaited.
    pub fn grant(&mut self, grant: &ClaimResponse, now: i64) -> Option<Chosen<T>> {
        self.forget_expired(now);
        let (request, read) = self.seen.get_mut(&grant.request_id)?.waiting.take()?;
        Some(if grant.server_id == self.server { Chosen::Us(request, read) } else { Chosen::Another(read) })
    }

    /// How many requests wait for their grant.
    pub fn waiting(&self) -> usize {
        self.seen.values().filter(|seen| seen.waiting.is_some()).count()
    }

    fn forget_expired(&mut self, now: i64) {
        self.seen.retain(|_, seen| now < seen.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, expiry: i64) -> RequestFrame {
        RequestFrame { request_id: id.into(), client_id: "CLI_1".into(), expiry, ..RequestFrame::default() }
    }

    fn grant(id: &str, server: &str) -> ClaimResponse {
        ClaimResponse { request_id: id.into(), server_id: server.into() }
    }

    #[test]
    fn work_begins_with_the_grant_and_only_once() {
        let mut claims = Claims::new("SRV_1");
        let step = claims.request(request("a", 100), 0, |_| Reading::Bid(0.5, "read"));
        let ClaimStep::Bid { client, bid } = step else { panic!("{step:?}") };
        assert_eq!((client.as_str(), bid.affinity, bid.server_id.as_str()), ("CLI_1", 0.5, "SRV_1"));
        assert_eq!(claims.grant(&grant("b", "SRV_1"), 1), None);
        assert_eq!(claims.grant(&grant("a", "SRV_1"), 1), Some(Chosen::Us(request("a", 100), "read")));
        assert_eq!(claims.grant(&grant("a", "SRV_1"), 2), None);
        assert_eq!(
            claims.request(request("a", 100), 3, |_| Reading::Bid(0.5, "read")),
            ClaimStep::Drop(Dropped::Known)
        );
    }

    #[test]
    fn a_grant_to_another_is_the_end_of_it() {
        let mut claims = Claims::new("SRV_1");
        claims.request(request("a", 100), 0, |_| Reading::Bid(1.0, "read"));
        assert_eq!(claims.grant(&grant("a", "SRV_2"), 1), Some(Chosen::Another("read")));
        assert_eq!(claims.grant(&grant("a", "SRV_1"), 2), None);
        assert_eq!(claims.waiting(), 0);
    }

    #[test]
    fn expiry_ends_the_wait_and_the_memory() {
        let mut claims = Claims::new("SRV_1");
        let unread = |_: &RequestFrame| panic!("read although it expired");
        assert_eq!(claims.request(request("a", 100), 100, unread), ClaimStep::Drop(Dropped::Expired));
        claims.request(request("b", 100), 99, |_| Reading::Bid(1.0, "read"));
        assert_eq!(claims.grant(&grant("b", "SRV_1"), 100), None);
        claims.request(request("c", i64::MAX), 0, |_| Reading::Bid(1.0, "read"));
        assert_eq!(claims.grant(&grant("c", "SRV_1"), LONGEST_WAIT), None);
        assert!(claims.seen.is_empty());
    }

    #[test]
    fn who_does_not_want_it_says_nothing() {
        let mut claims = Claims::new("SRV_1");
        for (id, bid) in [("a", -1.0), ("b", f32::NAN), ("c", -0.01)] {
            let step = claims.request(request(id, 100), 0, |_| Reading::Bid(bid, "read"));
            assert_eq!(step, ClaimStep::Drop(Dropped::Unwilling));
        }
        // A bid of 0 cannot win, but it is one.
        assert!(matches!(claims.request(request("d", 100), 0, |_| Reading::Bid(0.0, "read")), ClaimStep::Bid { .. }));
    }

    #[test]
    fn what_needs_no_claim_goes_at_once_and_once() {
        let mut claims = Claims::new("SRV_1");
        assert_eq!(
            claims.request(request("a", 9), 0, |_| Reading::Direct("read")),
            ClaimStep::Run(request("a", 9), "read")
        );
        assert_eq!(claims.request(request("a", 9), 0, |_| Reading::Direct("read")), ClaimStep::Drop(Dropped::Known));
        assert_eq!(claims.request(request("b", 9), 0, |_| Reading::Malformed), ClaimStep::Malformed(request("b", 9)));
        assert_eq!(claims.request(request("", 9), 0, |_| Reading::Direct("read")), ClaimStep::Drop(Dropped::Nameless));
        let anonymous = RequestFrame { client_id: String::new(), ..request("c", 9) };
        assert_eq!(claims.request(anonymous, 0, |_| Reading::Direct("read")), ClaimStep::Drop(Dropped::Nameless));
    }

    #[test]
    fn a_flood_is_dropped_until_it_has_expired() {
        let mut claims = Claims::new("SRV_1");
        for n in 0..MOST {
            claims.seen.insert(n.to_string(), Seen { until: 50, waiting: None });
        }
        assert_eq!(claims.request(request("x", 100), 0, |_| Reading::Direct("read")), ClaimStep::Drop(Dropped::Full));
        assert!(matches!(claims.request(request("x", 100), 50, |_| Reading::Direct("read")), ClaimStep::Run(..)));
    }
}
