//! Pure. A server that names no UDP address any more, because it remembers that UDP has failed.
//!
//! After a short connection over UDP has failed, livekit-server prefers ICE over TCP for this room and identity for five minutes
//! (`TransportManager.handleConnectionFailed`, `RoomManager.iceConfigCache`), and names its TCP addresses alone, even when it has
//! none. Nobody else knows that UDP is back, so it is requested by the signal by which SDKs switch transports.

use std::time::{Duration, Instant};

/// A server sends its addresses together with its offer: without any there is nothing to wait for.
const NAMELESS: Duration = Duration::from_millis(400);
/// TCP has this long: connecting, and the second for which the server leaves an address aside that it learns from our check.
const OVER_TCP: Duration = Duration::from_secs(3);
/// While media flows it is looked at again this often.
const AGAIN: Duration = Duration::from_secs(1);

/// What the server has named, over all its sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Fallback {
    /// It has UDP: an address was named once.
    has_udp: bool,
    /// UDP was requested in this session, and none has been named since: it is not requested again.
    requested: bool,
    /// When UDP is requested, unless it is named before.
    at: Option<Instant>,
}

impl Fallback {
    /// A new session takes the place of the one whose state this is.
    pub fn anew(&self) -> Self {
        Self { has_udp: self.has_udp, ..Self::default() }
    }

    /// The server begins ICE anew: its addresses follow.
    pub fn begins(&mut self, now: Instant) {
        self.at = (self.has_udp && !self.requested).then_some(now + NAMELESS);
    }

    /// An address for UDP.
    pub fn named_udp(&mut self) {
        (self.has_udp, self.requested, self.at) = (true, false, None);
    }

    /// An address that takes TCP connections.
    pub fn named_tcp(&mut self, now: Instant) {
        self.at = self.at.map(|at| at.max(now + OVER_TCP));
    }

    /// When to look again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }

    /// True when UDP is to be requested. `flows`: the server is heard on the media path, by whatever transport.
    pub fn handle_timeout(&mut self, now: Instant, flows: bool) -> bool {
        if self.at.is_none_or(|at| now < at) {
            return false;
        }
        self.at = flows.then_some(now + AGAIN);
        self.requested |= !flows;
        !flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has named UDP, and now begins ICE anew.
    fn begun(now: Instant) -> Fallback {
        let mut fallback = Fallback::default();
        fallback.begins(now);
        fallback.named_udp();
        fallback.begins(now);
        fallback
    }

    #[test]
    fn udp_that_is_not_named_any_more_is_requested_once_a_session() {
        let t0 = Instant::now();
        let mut fallback = begun(t0);
        assert_eq!(fallback.poll_timeout(), Some(t0 + NAMELESS));
        assert!(!fallback.handle_timeout(t0, false), "it may follow");
        assert!(fallback.handle_timeout(t0 + NAMELESS, false));
        // The answer names none either, and so do all resumes.
        fallback.begins(t0 + NAMELESS);
        assert_eq!(fallback.poll_timeout(), None);
        // Another session, and a server that listens this time.
        let mut fallback = fallback.anew();
        fallback.begins(t0);
        assert!(fallback.handle_timeout(t0 + NAMELESS, false));
        fallback.begins(t0);
        fallback.named_udp();
        assert_eq!(fallback.poll_timeout(), None);
        fallback.begins(t0);
        assert!(fallback.handle_timeout(t0 + NAMELESS, false), "it can fail again");
    }

    #[test]
    fn tcp_is_given_time_and_kept_when_it_works() {
        let t0 = Instant::now();
        let mut fallback = begun(t0);
        fallback.named_tcp(t0);
        assert!(!fallback.handle_timeout(t0 + NAMELESS, false));
        assert!(!fallback.handle_timeout(t0 + OVER_TCP, true));
        let later = t0 + OVER_TCP + AGAIN;
        assert_eq!(fallback.poll_timeout(), Some(later));
        assert!(fallback.handle_timeout(later, false), "then TCP ends too");
    }

    #[test]
    fn a_server_that_has_no_udp_is_never_asked_for_it() {
        let t0 = Instant::now();
        let mut fallback = Fallback::default();
        fallback.begins(t0);
        fallback.named_tcp(t0);
        assert_eq!(fallback.poll_timeout(), None);
    }
}
