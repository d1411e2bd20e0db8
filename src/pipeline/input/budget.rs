//! Pure. What the decoders of all video tracks may hold together, and which of them wait until there is room.
//!
//! A picture of the largest size costs a decoder some 200 MB. One such share is honest, twenty-five at once are an attack: so what is
//! larger than a usual camera has to share a limited room, and small frames go before large ones. Usual cameras never wait;
//! their number is limited by the layout.

use std::collections::HashMap;

use super::headers::Extent;
use crate::pipeline::command::Generation;

/// Frames between decoder and painter: the queue of the track, the sink, the one that is shown.
const UNDER_WAY: u64 = 8;
/// References that VP9 and AV1 always keep; H.264 says how many, and libav holds about three more.
const KEPT: u64 = 8;
/// What 1280×720 needs with 8 bits and 4:2:0, rounded up to whole superblocks: the largest layer of a usual camera. A decoder may
/// always have that: 25 of them are 565 MB.
const USUAL: u64 = 1280 * 768 * 3 / 2 * (UNDER_WAY + KEPT);
/// For everything larger, together: a share of 3840×2160 and six cameras of 1920×1080, or two of 4096×2304. Bytes.
const ROOM: u64 = 512 << 20;

/// What the decoders hold that need more than a usual camera.
#[derive(Debug, Default)]
pub struct Budget {
    held: HashMap<Generation, u64>,
}

/// Whether a decoder may have frames of this size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It may.
    Granted,
    /// It may, when these, which need more than it does, are closed.
    Instead(Vec<Generation>),
    /// There is no room; what it had before, it still has.
    Refused,
}

/// Bytes that a decoder of such frames holds, with those on their way to the painter.
pub fn needs(extent: Extent) -> u64 {
    extent.bytes().saturating_mul(UNDER_WAY + u64::from(extent.kept).max(KEPT))
}

impl Budget {
    /// This decoder needs so many bytes from now on.
    pub fn claim(&mut self, generation: Generation, bytes: u64) -> Claim {
        if bytes <= USUAL {
            self.held.remove(&generation);
            return Claim::Granted;
        }
        if !self.fits(Some(generation), bytes) {
            return Claim::Refused;
        }
        self.held.insert(generation, bytes);
        let mut gone = Vec::new();
        while self.held.values().sum::<u64>() > ROOM {
            // The largest; among equal ones the newest.
            let Some((generation, _)) = self.held.iter().map(|(g, b)| (*g, *b)).max_by_key(|(g, b)| (*b, *g)) else {
                break;
            };
            self.held.remove(&generation);
            gone.push(generation);
        }
        if gone.is_empty() { Claim::Granted } else { Claim::Instead(gone) }
    }

    /// Whether a decoder that needs so many bytes would be granted them, some way or other.
    pub fn has_room(&self, bytes: u64) -> bool {
        bytes <= USUAL || self.fits(None, bytes)
    }

    /// This decoder is gone.
    pub fn release(&mut self, generation: Generation) {
        self.held.remove(&generation);
    }

    /// Whether there is room beside what is not larger, of others than this one.
    fn fits(&self, generation: Option<Generation>, bytes: u64) -> bool {
        let others = self.held.iter().filter(|(other, held)| Some(**other) != generation && **held <= bytes);
        others.map(|(_, held)| held).sum::<u64>().saturating_add(bytes) <= ROOM
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::Codec;
    use crate::pipeline::input::headers::{self, Heading};

    /// As a key frame of that size would say.
    fn of(width: u16, height: u16) -> u64 {
        let ([w0, w1], [h0, h1]) = (width.to_le_bytes(), height.to_le_bytes());
        match headers::read(Codec::Vp8, &[0, 0, 0, 0x9d, 1, 0x2a, w0, w1, h0, h1]) {
            Heading::Declares(extent) => needs(extent),
            Heading::Same | Heading::Unreadable => panic!("a size"),
        }
    }

    #[test]
    fn an_honest_meeting_has_room() {
        let mut budget = Budget::default();
        assert_eq!(budget.claim(99, of(3840, 2160)), Claim::Granted, "a share");
        for camera in 0..25 {
            assert_eq!(budget.claim(camera, of(1280, 720)), Claim::Granted);
        }
        for camera in 0..6 {
            assert_eq!(budget.claim(camera, of(1920, 1080)), Claim::Granted, "of 1080 lines without layers");
        }
        assert_eq!(Budget::default().claim(1, of(4096, 2304)), Claim::Granted);
    }

    #[test]
    fn the_largest_wait_for_one_another_and_get_their_turn() {
        let mut budget = Budget::default();
        let first: Vec<_> = (0..25).map(|guest| budget.claim(guest, of(4096, 2304))).collect();
        assert_eq!(first.iter().filter(|claim| **claim == Claim::Granted).count(), 2, "{first:?}");
        assert!(!budget.has_room(of(4096, 2304)));
        budget.release(1);
        assert!(budget.has_room(of(4096, 2304)));
        assert_eq!(budget.claim(24, of(4096, 2304)), Claim::Granted);
        // Whoever becomes smaller makes room too.
        assert_eq!(budget.claim(24, of(320, 180)), Claim::Granted);
        assert_eq!(budget.claim(23, of(4096, 2304)), Claim::Granted);
    }

    #[test]
    fn the_smaller_goes_before_the_larger() {
        let mut budget = Budget::default();
        assert_eq!([0, 1].map(|guest| budget.claim(guest, of(4096, 2304))), [Claim::Granted, Claim::Granted]);
        assert_eq!(budget.claim(2, of(3840, 2160)), Claim::Instead(vec![1]));
        assert_eq!(budget.claim(3, of(4096, 2304)), Claim::Refused);
    }

    proptest! {
        #[test]
        fn the_sum_is_bounded_and_nobody_waits_in_vain(
            steps in proptest::collection::vec((0..30_u64, 0..4_u8, any::<u64>()), 0..300),
        ) {
            let mut budget = Budget::default();
            for (generation, kind, more) in steps {
                let bytes = match kind {
                    0 => more % USUAL,
                    1 => USUAL + 1 + more % (ROOM / 2),
                    2 => more,
                    _ => {
                        budget.release(generation);
                        continue;
                    }
                };
                let before = budget.held.clone();
                match budget.claim(generation, bytes) {
                    Claim::Granted => prop_assert!(
                        before.iter().all(|(other, held)| *other == generation || budget.held.get(other) == Some(held))
                    ),
                    Claim::Instead(gone) => {
                        prop_assert!(!gone.contains(&generation) && gone.iter().all(|other| before[other] > bytes));
                    }
                    Claim::Refused => {
                        prop_assert!(bytes > USUAL);
                        prop_assert_eq!(&budget.held, &before);
                        let rivals = before.iter().filter(|(other, held)| **other != generation && **held <= bytes);
                        prop_assert!(rivals.map(|(_, held)| held).sum::<u64>().saturating_add(bytes) > ROOM);
                    }
                }
                prop_assert!(budget.held.values().sum::<u64>() <= ROOM);
                prop_assert_eq!(budget.has_room(bytes), bytes <= USUAL || budget.fits(None, bytes));
            }
        }
    }
}
