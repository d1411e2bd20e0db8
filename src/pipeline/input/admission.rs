//! Pure. Which units of a video track its decoder is given, when that decoder is opened anew, and what is told of it.

use super::headers::{Extent, Heading, SizeRefusal, Sizes};
use super::keyframe_gate::KeyframeGate;
use super::retry::Retry;

const SECOND: i64 = 1_000_000_000;
/// Nothing passes before so much time without a unit that had to be refused.
const CALM_NS: i64 = SECOND;
/// A decoder that broke may take this long to show a picture again before anybody is notified: until then the last one stands.
const TOLERANCE_NS: i64 = 3 * SECOND;
/// Units, key frames among them, but no picture for this long: the stream is broken.
const HOPELESS_NS: i64 = 6 * SECOND;
/// Units, but no key frame for this long.
const STUCK_NS: i64 = 15 * SECOND;

/// The admission of one track.
#[derive(Debug, Default)]
pub struct DecoderAdmission {
    gate: KeyframeGate,
    sizes: Sizes,
    retry: Retry,
    /// When a unit was refused last.
    refused: Option<i64>,
    /// Since when there is no picture although units come, and whether one of them has passed.
    waiting: Option<Waiting>,
    /// Why the decoder broke, while no picture has come since.
    broke: Option<(i64, String)>,
    /// The owner was notified that there is no picture, and that still holds.
    reported: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: i64,
    passed: bool,
}

/// What is known of a unit when it comes. Times are nanoseconds, any zero.
#[derive(Clone, Copy, Debug)]
pub struct UnitFacts {
    /// What its headers say.
    pub heading: Heading,
    /// Frames of this size, for which the decoders of the other tracks leave no room.
    pub crowded: Option<Extent>,
    /// Nothing before it was lost.
    pub contiguous: bool,
    /// It can be decoded without those before it.
    pub keyframe: bool,
    /// There is a decoder.
    pub open: bool,
    /// When a picture was decoded last.
    pub decoded: Option<i64>,
    /// Now.
    pub now: i64,
}

/// What becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The decoder is given it.
    pub pass: bool,
    /// Ask the publisher for a key frame now.
    pub request: bool,
    /// The decoder makes nothing of what it is given: close it.
    pub close: bool,
    /// The track shows nothing, and why: reported once, until it shows something again.
    pub undecodable: Option<String>,
}

impl DecoderAdmission {
    /// A unit came.
    pub fn unit(&mut self, facts: UnitFacts) -> Decision {
        let UnitFacts { heading, crowded, contiguous, keyframe, open, decoded, now } = facts;
        self.seen(decoded);
        let refusal = self.sizes.unit(heading, now).err().or(crowded.map(SizeRefusal::Crowded));
        match &refusal {
            // Damaged, as one that breaks its decoder: over with the next key frame.
            Some(SizeRefusal::Unreadable) => {
                self.gate.close();
                self.broke.get_or_insert_with(|| (now, SizeRefusal::Unreadable.to_string()));
            }
            Some(SizeRefusal::TooLarge(_) | SizeRefusal::TooMany(_) | SizeRefusal::Restless) => {
                self.gate.close();
                self.refused = Some(now);
            }
            // Nothing is wrong with it: it passes as soon as there is room.
            Some(SizeRefusal::Crowded(_)) => self.gate.close(),
            None => {}
        }
        let fit = refusal.is_none() && self.refused.is_none_or(|at| now - at >= CALM_NS);
        let verdict = self.gate.unit(contiguous, keyframe && fit && open, decoded, now);
        let waiting = self.waiting.get_or_insert(Waiting { since: now, passed: false });
        if verdict.pass && !waiting.passed {
            *waiting = Waiting { since: now, passed: true };
        }
        let (waited, passed) = (now - waiting.since, waiting.passed);
        let why = if let Some(refusal) = refusal.clone().filter(|refusal| *refusal != SizeRefusal::Unreadable) {
            Some(refusal.to_string())
        } else if let Some((_, why)) = self.broke.as_ref().filter(|(at, _)| now - at >= TOLERANCE_NS) {
            Some(why.clone())
        } else if passed && waited >= HOPELESS_NS {
            Some("its frames do not decode".to_owned())
        } else {
            (waited >= STUCK_NS).then(|| "no key frame came that could be decoded".to_owned())
        };
        // What waits for the decoder before a bomb is not worth its memory, and would be told as a return.
        let bomb = open && (self.refused == Some(now) || matches!(refusal, Some(SizeRefusal::Crowded(_))));
        let hopeless = open && passed && waited >= HOPELESS_NS;
        let close = bomb || hopeless;
        if bomb {
            self.waiting = None;
        } else if hopeless {
            self.waiting = None;
            self.retry.failed(now);
            self.gate.close();
        }
        // While no decoder may be opened, a key frame would be for nothing.
        let request = verdict.request && (open || self.retry.is_due(now)) && crowded.is_none();
        Decision { pass: verdict.pass && !close, request, close, undecodable: why.and_then(|why| self.report(why)) }
    }

    /// Whether a decoder is to be opened for a unit, because there is none.
    pub fn may_open(&self, keyframe: bool, now: i64) -> bool {
        keyframe && self.retry.is_due(now) && self.refused.is_none_or(|at| now - at >= CALM_NS)
    }

    /// The decoder broke, or could not be opened. The reason comes back when the owner is to be notified of it now: a single
    /// damaged frame is over with the next key frame.
    pub fn broke(&mut self, now: i64, why: &str) -> Option<String> {
        self.gate.close();
        self.waiting = None;
        self.broke.get_or_insert_with(|| (now, why.to_owned()));
        if self.retry.failed(now) { self.report(why.to_owned()) } else { None }
    }

    /// The decoder was closed for the sake of smaller frames. The reason comes back when the owner is to be notified of it now.
    pub fn evicted(&mut self, extent: Extent) -> Option<String> {
        self.gate.close();
        self.waiting = None;
        self.report(SizeRefusal::Crowded(extent).to_string())
    }

    /// The decoder does not take what it is given.
    pub fn overrun(&mut self) {
        self.gate.close();
    }

    /// The track paused (mute): its silence is no fault, and what comes then is tried at once.
    pub fn rest(&mut self) {
        self.gate.rest();
        self.waiting = None;
        self.retry.forget();
    }

    fn seen(&mut self, decoded: Option<i64>) {
        let Some(decoded) = decoded else { return };
        if let Some(waiting) = self.waiting
            && decoded > waiting.since
        {
            self.waiting = Some(Waiting { since: decoded, passed: false });
            if self.refused.is_none_or(|refused| decoded > refused) {
                self.reported = false;
            }
        }
        if self.broke.as_ref().is_some_and(|(at, _)| decoded > *at) {
            self.broke = None;
        }
    }

    fn report(&mut self, why: String) -> Option<String> {
        (!std::mem::replace(&mut self.reported, true)).then_some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Codec;
    use crate::pipeline::input::headers;

    const MS: i64 = 1_000_000;

    /// A camera of 30 frames a second; its decoder shows what it is given 20 ms later.
    struct Camera {
        admission: DecoderAdmission,
        now: i64,
        open: bool,
        decoded: Option<i64>,
        reported: Vec<String>,
        requested: usize,
        passed: usize,
        crowded: Option<Extent>,
    }

    impl Camera {
        fn new() -> Self {
            let admission = DecoderAdmission::default();
            Self {
                admission,
                now: 0,
                open: true,
                decoded: None,
                reported: vec![],
                requested: 0,
                passed: 0,
                crowded: None,
            }
        }

        fn frame(&mut self, heading: Heading, keyframe: bool) -> bool {
            self.now += 33 * MS;
            if !self.open && self.crowded.is_none() {
                self.open = self.admission.may_open(keyframe, self.now);
            }
            let (open, decoded, now) = (self.open, self.decoded, self.now);
            let crowded = self.crowded;
            let facts = UnitFacts { heading, crowded, contiguous: true, keyframe, open, decoded, now };
            let verdict = self.admission.unit(facts);
            self.reported.extend(verdict.undecodable);
            self.requested += usize::from(verdict.request);
            self.passed += usize::from(verdict.pass);
            self.open &= !verdict.close;
            verdict.pass
        }

        /// So many seconds of good frames, a key frame every second.
        fn good(&mut self, seconds: usize) {
            for n in 0..seconds * 30 {
                if self.frame(if n % 30 == 0 { of(640, 360) } else { Heading::Same }, n % 30 == 0) {
                    self.decoded = Some(self.now + 20 * MS);
                }
            }
        }

        fn breaks(&mut self) {
            self.open = false;
            self.reported.extend(self.admission.broke(self.now, "it broke"));
        }
    }

    /// As a key frame of that size would say.
    fn of(width: u16, height: u16) -> Heading {
        let ([w0, w1], [h0, h1]) = (width.to_le_bytes(), height.to_le_bytes());
        headers::read(Codec::Vp8, &[0, 0, 0, 0x9d, 1, 0x2a, w0, w1, h0, h1])
    }

    #[test]
    fn one_damaged_frame_is_over_with_the_next_key_frame_and_nobody_is_told() {
        let mut camera = Camera::new();
        camera.good(3);
        camera.breaks();
        assert!(!camera.frame(Heading::Same, false));
        assert_eq!(camera.requested, 1, "a key frame is asked for at once");
        assert!(camera.frame(of(640, 360), true));
        camera.good(10);
        assert_eq!(camera.reported, [""; 0]);
    }

    #[test]
    fn one_header_that_cannot_be_read_is_over_with_the_next_key_frame_and_many_are_told() {
        let mut camera = Camera::new();
        camera.good(2);
        assert!(!camera.frame(Heading::Unreadable, true));
        assert!(!camera.frame(Heading::Same, false));
        assert!(camera.frame(of(640, 360), true), "at once");
        camera.good(10);
        assert_eq!(camera.reported, [""; 0]);
        for _ in 0..200 {
            assert!(!camera.frame(Heading::Unreadable, true));
        }
        assert_eq!(camera.reported, ["its headers cannot be read"]);
    }

    #[test]
    fn a_decoder_that_breaks_again_and_again_is_told_once_and_comes_back() {
        let mut camera = Camera::new();
        let mut opened = 0;
        for _ in 0..120 * 30 {
            if camera.frame(of(640, 360), true) {
                opened += 1;
                camera.breaks();
            }
        }
        assert_eq!(camera.reported, ["it broke"]);
        assert!((7..=10).contains(&opened), "{opened} in two minutes");
        camera.good(31);
        camera.reported.clear();
        camera.good(60);
        camera.breaks();
        camera.breaks();
        assert_eq!(camera.reported, ["it broke"], "it had come back");
    }

    #[test]
    fn a_bomb_and_what_depends_on_it_do_not_pass_and_sane_frames_do() {
        let mut camera = Camera::new();
        camera.good(2);
        let before = camera.passed;
        for n in 0..300 {
            camera.frame(if n % 30 == 0 { of(16_383, 16_383) } else { Heading::Same }, n % 30 == 0);
        }
        // Sane key frames between bombs do not pass either.
        for n in 0..60 {
            camera.frame(if n % 2 == 0 { of(16_383, 16_383) } else { of(640, 360) }, true);
        }
        assert_eq!((camera.passed, camera.reported.len()), (before, 1), "{:?}", camera.reported);
        assert!(camera.reported[0].starts_with("declares 16383×16383"), "{:?}", camera.reported);
        camera.good(3);
        assert!(camera.passed > before + 30);
        for _ in 0..3 {
            camera.frame(of(16_383, 16_383), true);
        }
        assert_eq!(camera.reported.len(), 2, "told again");
    }

    #[test]
    fn what_finds_no_room_is_told_once_asks_for_nothing_and_passes_as_soon_as_there_is_room() {
        let mut camera = Camera::new();
        camera.good(2);
        let Heading::Declares(extent) = of(4096, 2304) else { panic!("a size") };
        camera.crowded = Some(extent);
        let (passed, requested) = (camera.passed, camera.requested);
        for n in 0..600 {
            camera.frame(if n % 30 == 0 { of(4096, 2304) } else { Heading::Same }, n % 30 == 0);
        }
        assert_eq!((camera.passed, camera.requested, camera.open), (passed, requested, false));
        assert_eq!(camera.reported, ["declares 4096×2304, for which the other tracks leave no room now"]);
        camera.crowded = None;
        assert!(!camera.frame(Heading::Same, false));
        assert!(camera.frame(of(4096, 2304), true), "at once");
        camera.good(2);
        camera.open = false;
        assert!(camera.admission.evicted(extent).is_some(), "told again");
        assert!(camera.frame(of(640, 360), true));
    }

    #[test]
    fn what_never_decodes_is_told_and_its_decoder_replaced() {
        let mut camera = Camera::new();
        let mut closed = 0;
        for n in 0..60 * 30 {
            camera.frame(if n % 30 == 0 { of(640, 360) } else { Heading::Same }, n % 30 == 0);
            closed += usize::from(!camera.open);
        }
        assert_eq!(camera.reported, ["its frames do not decode"]);
        assert!(closed > 3, "{closed}");
        camera.good(40);
        assert_eq!(camera.decoded, Some(camera.now + 20 * MS));
    }

    #[test]
    fn a_publisher_without_key_frames_is_asked_ever_less_often_and_told() {
        let mut camera = Camera::new();
        for _ in 0..60 * 30 {
            camera.frame(Heading::Same, false);
        }
        assert!((10..=24).contains(&camera.requested), "{} in a minute", camera.requested);
        assert_eq!(camera.reported, ["no key frame came that could be decoded"]);
    }

    #[test]
    fn after_a_pause_it_is_tried_at_once() {
        let mut camera = Camera::new();
        camera.breaks();
        for _ in 0..8 {
            camera.breaks();
        }
        assert!(!camera.frame(of(640, 360), true));
        camera.admission.rest();
        assert!(camera.frame(of(640, 360), true));
    }
}
