//! Pure. What a video unit makes its decoder hold, read from its headers before any decoder sees them.
//!
//! A key frame of a few bytes may declare a picture of a gigabyte, and decoders believe it. So the sizes are read here, by
//! readers that allocate next to nothing, and what is too large never reaches a decoder.

mod av1;
mod bits;
mod h264;
mod limit;
mod vp8;
mod vp9;

pub use limit::{SizeRefusal, Sizes, fits};
pub use vp9::superframe;

use crate::media::Codec;

/// What the headers of one unit say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// Pictures are as large as before.
    Same,
    /// From here on pictures are this large: the largest of those that are declared.
    Declares(Extent),
    /// There is a header that would declare a size, and it cannot be read.
    Unreadable,
}

/// How large pictures are, and how many of them are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// In pixels, as decoded: before any cropping.
    pub width: u32,
    /// In pixels, as decoded: before any cropping.
    pub height: u32,
    /// Bytes of two pixels: 3 with 8 bits and 4:2:0, more with 4:4:4 or deeper samples.
    pub density: u32,
    /// Reference pictures that the stream asks its decoder to keep, where it says so; otherwise the codec fixes their number.
    pub kept: u32,
}

impl Extent {
    /// With 8 bits and 4:2:0.
    const fn usual(width: u32, height: u32) -> Self {
        Self { width, height, density: 3, kept: 0 }
    }

    /// Bytes of one picture.
    pub const fn bytes(self) -> u64 {
        // Three factors of 32, 32 and a few bits.
        (self.width as u64).saturating_mul(self.height as u64).saturating_mul(self.density as u64) / 2
    }
}

impl Heading {
    /// Both, in one unit.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unreadable, _) | (_, Self::Unreadable) => Self::Unreadable,
            (Self::Same, one) | (one, Self::Same) => one,
            (Self::Declares(one), Self::Declares(other)) => {
                let larger = if other.bytes() > one.bytes() { other } else { one };
                Self::Declares(Extent { kept: one.kept.max(other.kept), ..larger })
            }
        }
    }

    /// What was read, if it could be.
    fn of(read: Option<Extent>) -> Self {
        read.map_or(Self::Unreadable, Self::Declares)
    }
}

/// Reads the headers of a unit. Sound declares nothing.
pub fn read(codec: Codec, unit: &[u8]) -> Heading {
    match codec {
        Codec::Opus => Heading::Same,
        Codec::Vp8 => vp8::read(unit),
        Codec::Vp9 => vp9::read(unit),
        Codec::H264 => h264::read(unit),
        Codec::Av1 => av1::read(unit),
    }
}

#[cfg(test)]
mod tests;
