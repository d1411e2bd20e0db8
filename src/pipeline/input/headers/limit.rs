//! Pure. Which sizes a decoder is given: none that is too large, and not another one all the time.

use std::collections::VecDeque;

use super::{Extent, Heading};

/// The largest picture that is decoded, in either orientation or any other shape of as many pixels: 4096×2304.
pub const MOST_PIXELS: u64 = 4096 * 2304;
/// No side is longer: what is that narrow is no picture.
pub const LONGEST_SIDE: u32 = 8192;
/// Bytes of one picture: those of the largest one with 8 bits and 4:2:0.
const MOST_BYTES: u64 = MOST_PIXELS * 3 / 2;
/// Pixels of all reference pictures together: what H.264 allows at levels 5.1 and 5.2 (Table A-1, MaxDpbMbs).
const MOST_KEPT: u64 = 184_320 * 256;
/// Each other size makes a decoder start anew. Browsers adapt every few seconds; a shared window that is drawn larger or smaller
/// has another size with every picture, thirty a second.
const CHANGES: usize = 300;
/// Within this time.
const WINDOW_NS: i64 = 10_000_000_000;

/// The sizes of one track.
#[derive(Debug, Default)]
pub struct Sizes {
    now: Option<Extent>,
    changed: VecDeque<i64>,
}

/// Why a unit must not reach a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SizeRefusal {
    /// A picture of this size.
    TooLarge(Extent),
    /// Too many reference pictures of this size.
    TooMany(Extent),
    /// Another size again, and again.
    Restless,
    /// A header that cannot be read: a decoder might read it otherwise.
    Unreadable,
    /// It is not too large, but what the other tracks' decoders hold leaves no room for it.
    Crowded(Extent),
}

impl std::fmt::Display for SizeRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge(Extent { width, height, density: 0..=3, .. }) => {
                write!(f, "declares {width}×{height}; at most 4096×2304, or as many pixels, are decoded")
            }
            Self::TooLarge(Extent { width, height, .. }) => {
                write!(
                    f,
                    "declares {width}×{height} of deep or full colour; at most the bytes of 4096×2304 are decoded"
                )
            }
            Self::TooMany(Extent { width, height, kept, .. }) => {
                write!(f, "declares {kept} reference pictures of {width}×{height}; too many to be kept")
            }
            Self::Restless => {
                write!(f, "changes its size more than {CHANGES} times in {} s", WINDOW_NS / 1_000_000_000)
            }
            Self::Unreadable => f.write_str("its headers cannot be read"),
            Self::Crowded(Extent { width, height, .. }) => {
                write!(f, "declares {width}×{height}, for which the other tracks leave no room now")
            }
        }
    }
}

/// Whether pictures of this size are decoded.
pub fn fits(width: u32, height: u32) -> bool {
    width <= LONGEST_SIDE && height <= LONGEST_SIDE && u64::from(width) * u64::from(height) <= MOST_PIXELS
}

impl Sizes {
    /// A unit with this heading comes at `now` (nanoseconds, any zero): whether a decoder may have it.
    pub fn unit(&mut self, heading: Heading, now: i64) -> Result<(), SizeRefusal> {
        let extent = match heading {
            Heading::Same => return Ok(()),
            Heading::Unreadable => return Err(SizeRefusal::Unreadable),
            Heading::Declares(extent) => extent,
        };
        if !fits(extent.width, extent.height) || extent.bytes() > MOST_BYTES {
            return Err(SizeRefusal::TooLarge(extent));
        }
        let pixels = u64::from(extent.width) * u64::from(extent.height);
        if pixels.saturating_mul(u64::from(extent.kept)) > MOST_KEPT {
            return Err(SizeRefusal::TooMany(extent));
        }
        if self.now == Some(extent) {
            return Ok(());
        }
        self.changed.retain(|at| now - at < WINDOW_NS);
        if self.changed.len() >= CHANGES {
            return Err(SizeRefusal::Restless);
        }
        self.changed.push_back(now);
        self.now = Some(extent);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn of(width: u32, height: u32) -> Heading {
        Heading::Declares(Extent::usual(width, height))
    }

    #[test]
    fn what_cameras_and_screens_send_passes_and_bombs_do_not() {
        let passes = |heading| Sizes::default().unit(heading, 0).is_ok();
        for (width, height) in [(8, 8), (1280, 720), (2160, 3840), (4096, 2304), (5120, 1440), (2304, 4096)] {
            assert!(passes(of(width, height)), "{width}×{height}");
        }
        let bombs = [(16_383, 16_383), (16_383, 8), (4096, 2320), (65_536, 65_536), (u32::MAX, u32::MAX)];
        for (width, height) in bombs {
            assert!(!passes(of(width, height)), "{width}×{height}");
        }
        let deep = Extent { density: 12, ..Extent::usual(4096, 2304) };
        assert!(!passes(Heading::Declares(deep)));
        let kept = |kept, width, height| Heading::Declares(Extent { kept, ..Extent::usual(width, height) });
        assert!(passes(kept(16, 1920, 1088)) && passes(kept(5, 4096, 2304)) && !passes(kept(16, 4096, 2304)));
        assert!(passes(Heading::Same) && !passes(Heading::Unreadable));
        let why = Sizes::default().unit(of(16_383, 16_383), 0).unwrap_err().to_string();
        assert_eq!(why, "declares 16383×16383; at most 4096×2304, or as many pixels, are decoded");
    }

    #[test]
    fn another_size_with_every_frame_is_refused_until_it_calms_down() {
        let mut sizes = Sizes::default();
        let passed = (0..300).filter(|n| sizes.unit(of(16 + *n, 16), i64::from(*n) * SECOND / 30).is_ok()).count();
        assert_eq!(passed, CHANGES);
        assert_eq!(sizes.unit(of(640, 360), 10 * SECOND - 1), Err(SizeRefusal::Restless));
        assert_eq!(sizes.unit(of(640, 360), 11 * SECOND), Ok(()));
        for n in 0..60 {
            assert_eq!(sizes.unit(of(640 + n, 360), (12 + i64::from(n)) * SECOND), Ok(()), "one a second");
        }
    }
}
