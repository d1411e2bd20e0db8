//! How much a start is wanted here, when several sidecars, or LiveKit's own egress, hear of it.

use bytes::Bytes;
use jiff::Zoned;
use prost::Message as _;

use super::Egress;
use crate::capacity::CostClass;
use crate::egress::{self, rpc};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;

/// The bid that wins at once.
const AT_ONCE: f32 = 1.0;
/// Anybody who bids more wins; alone it is taken after half a second.
const LAST: f32 = 0.01;
/// None.
const SILENCE: f32 = -1.0;

/// `unsupported_requests`: what is made of requests that need a browser, or that this sidecar does not do otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsupported {
    /// LiveKit's own egress beside this sidecar gets them; without one they are answered `unimplemented` after half a second.
    #[default]
    LowBid,
    /// They are left to others; without others the caller hears after some twenty seconds that nobody is there.
    Decline,
    /// They are answered `unimplemented` at once, also when others could do them.
    Reject,
}

impl Unsupported {
    /// Reads the option. An empty text is the default.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "" | "low_bid" => Ok(Self::LowBid),
            "decline" => Ok(Self::Decline),
            "reject" => Ok(Self::Reject),
            _ => {
                Err(Error::invalid("unsupported_requests", format!("{name:?} is none of low_bid, decline and reject")))
            }
        }
    }

    const fn bid(self) -> f32 {
        match self {
            Self::LowBid => LAST,
            Self::Decline => SILENCE,
            Self::Reject => AT_ONCE,
        }
    }
}

/// The bid for this request.
pub fn bid(egress: &Egress, raw: &Bytes) -> f32 {
    let Ok(request) = rpc::StartEgressRequest::decode(raw.clone()) else { return AT_ONCE };
    if egress.control.get(&RecordingId::new(request.egress_id.clone())).is_ok() {
        // The server asks again because it did not hear the answer: who has it answers.
        return AT_ONCE;
    }
    let id = request.egress_id.clone();
    match egress::from_server(request, egress.limits, &Zoned::now()) {
        Ok(start) => {
            let class = CostClass::of(start.request.output.video().is_some());
            egress.capacity.bid(&id, class)
        }
        Err(error) if error.kind == ErrorKind::Unimplemented => egress.unsupported.bid(),
        // Whoever is asked says the same: the sooner the better.
        Err(_) => AT_ONCE,
    }
}

/// Another one got it.
pub fn lost(egress: &Egress, raw: &Bytes) {
    if let Ok(request) = rpc::StartEgressRequest::decode(raw.clone()) {
        egress.capacity.lost(&request.egress_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_has_three_names_and_each_its_bid() {
        let bid = |name| Unsupported::named(name).unwrap().bid();
        assert!(bid("low_bid") > 0.0 && bid("low_bid") < 0.05, "less than what is left of any other bid");
        assert_eq!((bid(""), bid("reject")), (bid("low_bid"), 1.0));
        assert!(bid("decline") < 0.0);
        let error = Unsupported::named("refuse").unwrap_err();
        assert!(error.message.starts_with("unsupported_requests: ") && error.message.contains("low_bid"), "{error}");
    }
}
