//! Pure. Which bytes are an Opus packet, how long it lasts (RFC 6716, 3), and what of its encoder's delay to take back.

/// Samples at 48 kHz by which libopus's encoder, and so every browser's, delays audio (RFC 7845, 4.2: the usual pre-skip).
/// RTP time counts from the audio that went in, so what comes out is placed this much earlier.
pub const ENCODER_DELAY: i64 = 312;
/// Ticks of the usual packet: 20 ms.
pub const USUAL: u32 = 960;
/// Ticks of the longest packet: 120 ms.
const LONGEST: u32 = 5760;
/// Bytes of the longest frame.
const LARGEST: usize = 1275;

/// Length in ticks of 48 kHz. `None` for what breaks one of the rules of RFC 6716, 3.4, which is all that a decoder refuses: the
/// content of a frame may be anything.
pub fn ticks(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..=15 => [480, 960][usize::from(config % 2)],
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => (rest.len() <= LARGEST).then_some(1),
        1 => (rest.len() % 2 == 0 && rest.len() / 2 <= LARGEST).then_some(2),
        2 => {
            let (first, rest) = length(rest)?;
            (first <= rest.len() && rest.len() - first <= LARGEST).then_some(2)
        }
        _ => many(rest),
    }?;
    Some(frame * frames).filter(|ticks| *ticks <= LONGEST)
}

/// The number of frames of a packet that says it (code 3).
fn many(packet: &[u8]) -> Option<u32> {
    let (head, mut rest) = packet.split_first()?;
    let frames = usize::from(head & 0x3f);
    if frames == 0 {
        return None;
    }
    if head & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            padding += usize::from((*byte).min(254));
            if *byte < 255 {
                break;
            }
        }
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    let last = if head & 0x80 != 0 {
        let mut said = 0;
        for _ in 1..frames {
            let (size, after) = length(rest)?;
            rest = after;
            said += size;
        }
        rest.len().checked_sub(said)?
    } else {
        Some(rest.len() / frames).filter(|size| size * frames == rest.len())?
    };
    (last <= LARGEST).then(|| u32::try_from(frames).ok())?
}

/// A frame's length, and what follows it (RFC 6716, 3.2.1).
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 252 {
        return Some((usize::from(*first), rest));
    }
    let (second, rest) = rest.split_first()?;
    Some((usize::from(*first) + 4 * usize::from(*second), rest))
}

#[cfg(test)]
#[path = "../../../fuzz/checks/opus.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{check, ticks};

    proptest! {
        #[test]
        fn whatever_is_called_a_packet_has_a_length_or_none(
            packet: Vec<u8>, toc: u8, count: u8, rest in proptest::collection::vec(0..255_u8, 0..60),
        ) {
            check::check(&packet);
            check::check(&[&[toc | 3, count], rest.as_slice()].concat());
        }
    }

    #[test]
    fn lengths() {
        assert_eq!(ticks(&[]), None);
        assert_eq!(ticks(&[0b0111_1000]), Some(960), "hybrid, 20 ms");
        assert_eq!(ticks(&[0b1111_1000]), Some(960), "CELT, 20 ms");
        assert_eq!(ticks(&[0b0000_1001, 0, 0]), Some(1920), "SILK, two of 20 ms");
        assert_eq!(ticks(&[0b0001_1011, 2, 0, 0]), Some(5760), "SILK, two of 60 ms");
        assert_eq!(ticks(&[0b0001_1011, 48]), None, "longer than Opus allows");
    }

    #[test]
    fn what_breaks_a_rule_is_no_packet() {
        for (packet, rule) in [
            (&[0xf8; 1277][..], "a frame is too long"),
            (&[0xf9, 1], "two of equal length in an odd number of bytes"),
            (&[0xfa], "no length of the first"),
            (&[0xfa, 252], "half a length"),
            (&[0xfa, 9, 1], "the first is longer than the packet"),
            (&[0xfb], "no number of frames"),
            (&[0xfb, 0], "no frames"),
            (&[0xfb, 2, 1], "two of equal length in an odd number of bytes"),
            (&[0xfb, 0x41], "no length of the padding"),
            (&[0xfb, 0x41, 2, 0], "more padding than there is"),
            (&[0xfb, 0x82, 5, 1], "the first is longer than the packet"),
        ] {
            assert_eq!(ticks(packet), None, "{rule}");
        }
        assert_eq!(ticks(&[0xfb, 0xc3, 1, 1, 1, 7, 8, 9, 0]), Some(2880), "three of any length, and padding");
    }
}
