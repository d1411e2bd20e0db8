//! Pure. VP9: the size stands in the uncompressed header of key frames, intra-only frames, and of others that resize
//! (VP9 bitstream specification 0.6, 6.2), and several frames may form one unit (Annex B).

use bytes::Bytes;

use super::bits::Bits;
use super::{Extent, Heading};
use crate::media;

/// What the frames of a unit declare.
pub fn read(unit: &[u8]) -> Heading {
    let mut heading = Heading::Same;
    let mut rest = unit;
    let frames = media::vp9::frames(unit).unwrap_or_else(|| vec![unit.len()]);
    for length in frames {
        // One that is longer than what is left ends the decoding too.
        let Some((frame, after)) = rest.split_at_checked(length) else { break };
        if !frame.is_empty() {
            heading = heading.and(header(frame));
        }
        rest = after;
    }
    heading
}

/// The unit with an index of its frames. Without one a decoder goes on behind the first frame as long as there are bytes, and
/// where that frame ends only the decoder knows: what is there could not be read beforehand.
pub fn superframe(unit: Bytes) -> Bytes {
    match media::vp9::frames(&unit) {
        Some(_) => unit,
        None => media::vp9::superframe(&unit, &[unit.len()]),
    }
}

fn header(frame: &[u8]) -> Heading {
    let mut bits = Bits::new(frame);
    match size(&mut bits) {
        Some(Some(extent)) => Heading::Declares(extent),
        Some(None) => Heading::Same,
        None => Heading::Unreadable,
    }
}

/// The size, if this frame has one of its own.
fn size(bits: &mut Bits) -> Option<Option<Extent>> {
    if bits.number(2)? != 2 {
        return None;
    }
    let profile = u32::from(bits.bit()?) | u32::from(bits.bit()?) << 1;
    if profile == 3 && bits.bit()? {
        return None;
    }
    if bits.bit()? {
        // A frame that was decoded before is shown.
        return Some(None);
    }
    let inter = bits.bit()?;
    let shown = bits.bit()?;
    let resilient = bits.bit()?;
    if !inter {
        sync(bits)?;
        colours(bits, profile)?;
        return Some(Some(frame_size(bits, profile)?));
    }
    let intra_only = !shown && bits.bit()?;
    if !resilient {
        bits.skip(2)?;
    }
    if intra_only {
        sync(bits)?;
        if profile > 0 {
            colours(bits, profile)?;
        }
        bits.skip(8)?;
        return Some(Some(frame_size(bits, profile)?));
    }
    // Which frames are replaced, and three references.
    bits.skip(8 + 3 * 4)?;
    for _ in 0..3 {
        if bits.bit()? {
            // As large as that reference.
            return Some(None);
        }
    }
    Some(Some(frame_size(bits, profile)?))
}

fn sync(bits: &mut Bits) -> Option<()> {
    (bits.number(24)? == 0x49_83_42).then_some(())
}

fn colours(bits: &mut Bits, profile: u32) -> Option<()> {
    if profile >= 2 {
        bits.skip(1)?;
    }
    let rgb = bits.number(3)? == 7;
    let subsampling = profile % 2 == 1;
    match (rgb, subsampling) {
        (false, false) => bits.skip(1),
        (false, true) => bits.skip(4),
        (true, true) => bits.skip(1),
        (true, false) => None,
    }
}

fn frame_size(bits: &mut Bits, profile: u32) -> Option<Extent> {
    let (width, height) = (bits.number(16)? + 1, bits.number(16)? + 1);
    let density = 3 * if profile % 2 == 1 { 2 } else { 1 } * if profile >= 2 { 2 } else { 1 };
    Some(Extent { density, ..Extent::usual(width, height) })
}
