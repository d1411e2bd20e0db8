//! Pure. H.264: the size stands in sequence parameter sets (ITU-T H.264, 7.3.2.1.1), which may lie anywhere in the byte stream
//! (Annex B).

use super::bits::Bits;
use super::{Extent, Heading};

/// A sequence parameter set, and the one for further views, which begins alike.
const PARAMETER_SETS: [u8; 2] = [7, 15];
/// Profiles whose parameter sets tell the format of their samples.
const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// The parameter sets of encoders take 20 bytes, with all scaling lists some hundred.
const LONGEST: usize = 2048;

/// What the parameter sets of an access unit declare.
pub fn read(unit: &[u8]) -> Heading {
    let mut heading = Heading::Same;
    let mut rest = unit;
    while let Some(at) = rest.windows(3).position(|bytes| bytes == [0, 0, 1]) {
        rest = rest.get(at + 3..).unwrap_or_default();
        let Some((kind, payload)) = rest.split_first() else { break };
        if PARAMETER_SETS.contains(&(kind & 0x1f)) {
            heading = heading.and(parameter_set(payload));
        }
    }
    heading
}

fn parameter_set(payload: &[u8]) -> Heading {
    let end = payload.windows(3).position(|bytes| matches!(bytes, [0, 0, 0 | 1]));
    let payload = payload.get(..end.unwrap_or(payload.len()).min(LONGEST)).unwrap_or_default();
    let plain = without_emulation(payload);
    let heading = Heading::of(size(&plain));
    // libav reads it as it is where it dislikes it without the bytes that prevent emulation.
    match size(payload) {
        Some(raw) if plain.len() != payload.len() => heading.and(Heading::Declares(raw)),
        Some(_) | None => heading,
    }
}

/// Without the 3 in each 0 0 3 (7.3.1).
fn without_emulation(payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        plain.push(*byte);
    }
    plain
}

fn size(payload: &[u8]) -> Option<Extent> {
    let mut bits = Bits::new(payload);
    let profile = bits.number(8)?;
    bits.skip(16)?;
    bits.exponential()?;
    let density = if HIGH.contains(&profile) { samples(&mut bits)? } else { 3 };
    // log2_max_frame_num, and how the order of the pictures is told.
    bits.exponential()?;
    match bits.exponential()? {
        0 => drop(bits.exponential()?),
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.exponential()? {
                bits.signed()?;
            }
        }
        _ => {}
    }
    let kept = bits.exponential()?;
    bits.skip(1)?;
    let width = bits.exponential()?.saturating_add(1);
    let height = bits.exponential()?.saturating_add(1);
    let height = if bits.bit()? { height } else { height.saturating_mul(2) };
    Some(Extent { width: width.saturating_mul(16), height: height.saturating_mul(16), density, kept })
}

/// The format of the samples, and the scaling lists.
fn samples(bits: &mut Bits) -> Option<u32> {
    let format = bits.exponential()?;
    if format == 3 {
        bits.skip(1)?;
    }
    let deep = bits.exponential()?.max(bits.exponential()?) > 0;
    bits.skip(1)?;
    if bits.bit()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if bits.bit()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if format > 1 { 6 } else { 3 } * if deep { 2 } else { 1 })
}

fn scaling_list(bits: &mut Bits, length: usize) -> Option<()> {
    let mut last = 8_i32;
    for _ in 0..length {
        let next = last.wrapping_add(bits.signed()?).rem_euclid(256);
        if next == 0 {
            // The rest is as the last one.
            break;
        }
        last = next;
    }
    Some(())
}
