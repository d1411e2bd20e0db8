//! The LiveKit server: does it answer, does it accept the key, is its clock ours, does UDP get through?

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::finding::Finding;
use crate::control;
use crate::livekit::Server;
use crate::room;

/// The server accepts tokens that are off by a minute; long before that, times in mails and events are wrong.
const SKEW_WORTH_A_WORD: i64 = 5;
/// Seconds.
const SKEW_TOO_LARGE: i64 = 30;
/// To join and to find a path.
const PATH: Duration = Duration::from_secs(8);

/// URL, key, clock.
pub async fn server(server: &Server) -> Vec<Finding> {
    const WHAT: &str = "livekit";
    let url = &server.url;
    match room::greet(server).await {
        Err(e) => vec![Finding::error(WHAT, &e), Finding::skipped("clock", "the server does not answer")],
        Ok(greeting) => {
            let accepted = match greeting.accepted {
                Ok(()) => Finding::ok(WHAT, format!("{url} answers, key accepted")),
                Err(e) => Finding::error(WHAT, &e),
            };
            vec![accepted, clock(greeting.date.as_deref(), Timestamp::now())]
        }
    }
}

/// The server's `Date` (RFC 9110, 6.6.1) against ours; it counts whole seconds.
fn clock(date: Option<&str>, now: Timestamp) -> Finding {
    const WHAT: &str = "clock";
    let Some(theirs) = date.and_then(|date| rfc2822::parse(date).ok()) else {
        return Finding::skipped(WHAT, "the server sends no Date header");
    };
    let skew = now.as_second() - theirs.timestamp().as_second();
    let text = match skew {
        -1..=1 => return Finding::ok(WHAT, "as the server's"),
        2.. => format!("{skew} s ahead of the server's"),
        ..=-2 => format!("{} s behind the server's", -skew),
    };
    match skew.abs() {
        SKEW_TOO_LARGE.. => Finding::failure(WHAT, format!("{text}: tokens are refused; set both by NTP")),
        SKEW_WORTH_A_WORD.. => Finding::warning(WHAT, format!("{text}; set both by NTP")),
        ..SKEW_WORTH_A_WORD => Finding::ok(WHAT, text),
    }
}

/// Whether media would come: only a room that is joined shows it, and joining any would make one.
pub async fn udp(server: &Server, room: Option<&str>) -> Vec<Finding> {
    const WHAT: &str = "udp";
    let Some(room) = room else {
        return vec![Finding::skipped(WHAT, "not checked without a room; add --room and the name of one that is open")];
    };
    let identity = format!("check-{}", control::new_id());
    vec![match room::media_path(server, room, &identity, PATH).await {
        Ok(took) => Finding::ok(WHAT, format!("media path to the server established after {} ms", took.as_millis())),
        Err(e) => Finding::error(WHAT, &e),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn clocks_are_compared() {
        let now: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        let verdict = |date| clock(Some(date), now).verdict;
        assert_eq!(verdict("Sun, 22 Nov 2026 20:00:01 GMT"), Grade::Ok);
        assert_eq!(verdict("Sun, 22 Nov 2026 20:00:10 GMT"), Grade::Warn);
        assert_eq!(verdict("Sun, 22 Nov 2026 19:00:00 GMT"), Grade::Fail);
        assert_eq!(verdict("yesterday"), Grade::Skip);
        let line = clock(Some("Sun, 22 Nov 2026 19:58:00 GMT"), now).line();
        assert_eq!(line, "FAIL  clock      120 s ahead of the server's: tokens are refused; set both by NTP\n");
    }
}
