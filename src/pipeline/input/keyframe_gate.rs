//! Pure. Which video units may reach the decoder, and when to ask for a key frame.
//!
//! The server sends one by itself when a track is subscribed, and a gratuitous request costs it its retransmissions
//! for half a minute: so nobody asks before a second without any picture, except when something was lost for good.

/// Nothing decoded for this long: ask.
const PATIENCE_NS: i64 = 1_000_000_000;
/// Between the first requests. A publisher that does not answer is asked ever less often.
const PAUSE_NS: i64 = 500_000_000;
/// So many requests come at that distance; each later one doubles it.
const QUICK: u32 = 4;
/// The longest distance is that much: 4 s.
const LONGEST: u32 = 8;

/// The gate of one track.
#[derive(Debug, Default)]
pub struct KeyframeGate {
    /// A key frame has passed and nothing was lost since.
    open: bool,
    /// Something was lost after a key frame had passed.
    lost: bool,
    /// Since when nothing was decoded although units come.
    hungry_since: Option<i64>,
    /// When the last unit came.
    last: Option<i64>,
    requested: Option<i64>,
    /// How often, since the last picture.
    requests: u32,
}

/// What to do with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateDecision {
    /// It may be decoded.
    pub pass: bool,
    /// Ask the publisher for a key frame now.
    pub request: bool,
}

impl KeyframeGate {
    /// A unit arrived at `now`; `decoded` is when the last frame left the decoder. Nanoseconds, any zero.
    pub fn unit(&mut self, contiguous: bool, keyframe: bool, decoded: Option<i64>, now: i64) -> GateDecision {
        if keyframe {
            self.open = true;
            self.lost = false;
        } else if !contiguous && self.open {
            self.open = false;
            self.lost = true;
        }
        let since = *self.hungry_since.get_or_insert(now);
        if let Some(decoded) = decoded.filter(|d| *d > since) {
            // A slow share has nothing outstanding between two of its frames.
            let sated = self.last.is_none_or(|last| decoded >= last);
            self.hungry_since = Some(if sated { now } else { decoded });
            self.requests = 0;
        }
        self.last = Some(now);
        let hungry = now - self.hungry_since.unwrap_or(now) >= PATIENCE_NS;
        let wants = !keyframe && (self.lost || hungry);
        let doubled = 1 << self.requests.saturating_sub(QUICK - 1).min(LONGEST.ilog2());
        let request = wants && self.requested.is_none_or(|requested| now - requested >= PAUSE_NS * doubled);
        if request {
            self.requested = Some(now);
            self.requests = self.requests.saturating_add(1);
        }
        GateDecision { pass: self.open, request }
    }

    /// The decoder was lost: nothing passes before the next key frame.
    pub fn close(&mut self) {
        self.open = false;
        self.lost = true;
    }

    /// The track paused (mute): its silence is not hunger.
    pub fn rest(&mut self) {
        self.hungry_since = None;
        self.requests = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const PASS: GateDecision = GateDecision { pass: true, request: false };
    const HOLD: GateDecision = GateDecision { pass: false, request: false };
    const REQUEST: GateDecision = GateDecision { pass: false, request: true };

    #[test]
    fn asks_nothing_at_the_start_for_a_second() {
        let mut gate = KeyframeGate::default();
        for ms in (0..1000).step_by(33) {
            assert_eq!(gate.unit(true, false, None, ms * MS), HOLD);
        }
        assert_eq!(gate.unit(true, false, None, 1000 * MS), REQUEST);
        assert_eq!(gate.unit(true, false, None, 1033 * MS), HOLD);
        assert_eq!(gate.unit(true, false, None, 1500 * MS), REQUEST);
        assert_eq!(gate.unit(true, true, None, 1600 * MS), PASS);
    }

    #[test]
    fn asks_at_once_after_a_loss() {
        let mut gate = KeyframeGate::default();
        assert_eq!(gate.unit(true, true, None, 0), PASS);
        assert_eq!(gate.unit(true, false, Some(20 * MS), 33 * MS), PASS);
        assert_eq!(gate.unit(false, false, Some(40 * MS), 66 * MS), REQUEST);
        assert_eq!(gate.unit(true, false, Some(40 * MS), 99 * MS), HOLD);
        assert_eq!(gate.unit(true, false, Some(40 * MS), 570 * MS), REQUEST);
        assert_eq!(gate.unit(false, true, Some(40 * MS), 600 * MS), PASS);
        assert_eq!(gate.unit(true, false, Some(640 * MS), 650 * MS), PASS);
    }

    #[test]
    fn a_slow_share_is_not_hungry() {
        let mut gate = KeyframeGate::default();
        let mut decoded = None;
        for n in 0..20 {
            let now = n * 1500 * MS;
            assert_eq!(gate.unit(true, n == 0, decoded, now), PASS, "{n}");
            decoded = Some(now + 380 * MS);
        }
    }

    #[test]
    fn asks_when_the_decoder_is_silent() {
        let mut gate = KeyframeGate::default();
        gate.unit(true, true, None, 0);
        let mut requested = Vec::new();
        for ms in (33..3000).step_by(33) {
            if gate.unit(true, false, Some(500 * MS), ms * MS).request {
                requested.push(ms);
            }
        }
        assert_eq!(requested, [1551, 2079, 2607]);
    }
}
