//! Pure. AV1: the largest size stands in the sequence header (AV1 bitstream specification, 5.5.1); no frame of the sequence
//! may exceed it, and decoders refuse one that does.

use super::bits::Bits;
use super::{Extent, Heading};

/// OBU type of a sequence header.
const SEQUENCE_HEADER: u8 = 1;

/// What the sequence headers of a temporal unit declare.
pub fn read(unit: &[u8]) -> Heading {
    let mut heading = Heading::Same;
    let mut rest = unit;
    while let Some((first, after)) = rest.split_first() {
        // Decoders skip zeros between frames.
        if *first == 0 {
            rest = after;
            continue;
        }
        let kind = first >> 3 & 15;
        let extension = usize::from(first & 4 != 0);
        let Some(sized) = after.get(extension..) else { break };
        let read = if first & 2 != 0 { leb128(sized) } else { Some((sized.len(), sized)) };
        // A decoder cannot go on behind a broken length either.
        let Some((length, payload)) = read else { break };
        let (obu, after) = payload.split_at_checked(length).unwrap_or((payload, &[]));
        if kind == SEQUENCE_HEADER {
            heading = heading.and(Heading::of(sequence_header(&mut Bits::new(obu))));
        }
        rest = after;
    }
    heading
}

/// A length (4.10.5), and what follows it.
fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_u64;
    for n in 0..8 {
        let byte = data.get(n)?;
        length |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, data.get(n + 1..)?));
        }
    }
    None
}

fn sequence_header(bits: &mut Bits) -> Option<Extent> {
    let profile = bits.number(3)?;
    bits.skip(1)?;
    let reduced = bits.bit()?;
    if reduced {
        bits.skip(5)?;
    } else {
        operating_points(bits)?;
    }
    let (width_bits, height_bits) = (bits.number(4)? + 1, bits.number(4)? + 1);
    let (width, height) = (bits.number(width_bits)? + 1, bits.number(height_bits)? + 1);
    tools(bits, reduced)?;
    let deep = bits.bit()?;
    let density = 3 * if profile == 0 { 1 } else { 2 } * if deep { 2 } else { 1 };
    Some(Extent { density, ..Extent::usual(width, height) })
}

/// Timing, buffering, operating points.
fn operating_points(bits: &mut Bits) -> Option<()> {
    // How many bits the delays of an operating point take, if it has any.
    let mut delays = None;
    if bits.bit()? {
        bits.skip(64)?;
        if bits.bit()? {
            bits.exponential()?;
        }
        if bits.bit()? {
            delays = Some(usize::try_from(bits.number(5)?).ok()? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let display_delay = bits.bit()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?;
        if bits.number(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delays) = delays
            && bits.bit()?
        {
            bits.skip(2 * delays + 1)?;
        }
        if display_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// What lies between the size and the depth of the samples.
fn tools(bits: &mut Bits, reduced: bool) -> Option<()> {
    if !reduced && bits.bit()? {
        bits.skip(4 + 3)?;
    }
    bits.skip(3)?;
    if !reduced {
        bits.skip(4)?;
        let order_hint = bits.bit()?;
        if order_hint {
            bits.skip(2)?;
        }
        let screen_content = bits.bit()? || bits.bit()?;
        if screen_content && !bits.bit()? {
            bits.skip(1)?;
        }
        if order_hint {
            bits.skip(3)?;
        }
    }
    bits.skip(3)
}
