//! How much a start is wanted here, when several sidecars, or LiveKit's own egress, hear of it.

use jiff::Zoned;

use super::Egress;
use crate::capacity::CostClass;
use crate::egress::{self, rpc};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Limits, Start};

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

/// A start that the server requests, read once: for the bid, and for the work if it becomes ours.
#[derive(Debug)]
pub struct Requested {
    /// LiveKit's id of it.
    pub id: String,
    /// What is to be recorded, or why it cannot be.
    pub start: Result<Start>,
}

impl Requested {
    /// Reads it, as of now.
    pub fn read(request: rpc::StartEgressRequest, limits: Limits) -> Self {
        Self { id: request.egress_id.clone(), start: egress::from_server(request, limits, &Zoned::now()) }
    }
}

/// The bid for this request.
pub fn bid(egress: &Egress, Requested { id, start }: &Requested) -> f32 {
    if egress.control.get(&RecordingId::new(id.clone())).is_ok() {
        // The server asks again because it did not hear the answer: who has it answers.
        return AT_ONCE;
    }
    match start {
        Ok(start) => egress.capacity.bid(id, CostClass::of(start.request.output.video().is_some())),
        Err(error) if error.kind == ErrorKind::Unimplemented => egress.unsupported.bid(),
        // Whoever is asked says the same: the sooner the better.
        Err(_) => AT_ONCE,
    }
}

/// Another one got it.
pub fn lost(egress: &Egress, requested: &Requested) {
    egress.capacity.lost(&requested.id);
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
