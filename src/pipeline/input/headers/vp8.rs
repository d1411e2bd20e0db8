//! Pure. VP8: the size stands in the first ten bytes of each key frame (RFC 6386, 9.1).

use super::{Extent, Heading};

/// What a frame declares.
pub fn read(frame: &[u8]) -> Heading {
    // The lowest bit of the frame tag: 0 is a key frame.
    match frame.first() {
        Some(tag) if tag & 1 == 0 => Heading::of(key_frame(frame)),
        Some(_) | None => Heading::Same,
    }
}

fn key_frame(frame: &[u8]) -> Option<Extent> {
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *frame.first_chunk::<10>()? else { return None };
    // The two highest bits say how to scale what is shown; decoders do not.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some(Extent::usual(side(w0, w1), side(h0, h1)))
}
