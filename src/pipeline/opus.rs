//! Pure. How long an Opus packet lasts (RFC 6716, 3.1), and what of its encoder's delay to take back.

/// Samples at 48 kHz by which libopus's encoder, and so every browser's, delays sound (RFC 7845, 4.2: the usual pre-skip).
/// RTP time counts from the sound that went in, so what comes out is placed this much earlier.
pub const ENCODER_DELAY: i64 = 312;

/// Length in ticks of 48 kHz; 0 when the packet is malformed.
pub fn ticks(packet: &[u8]) -> u32 {
    let Some(&toc) = packet.first() else { return 0 };
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..=15 => [480, 960][usize::from(config % 2)],
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |b| u32::from(b & 0x3f)),
    };
    let ticks = frame * frames;
    // A packet lasts 120 ms at most.
    if ticks > 5760 { 0 } else { ticks }
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn lengths() {
        assert_eq!(ticks(&[]), 0);
        assert_eq!(ticks(&[0b0111_1000]), 960, "hybrid, 20 ms");
        assert_eq!(ticks(&[0b1111_1000]), 960, "CELT, 20 ms");
        assert_eq!(ticks(&[0b0000_1001, 0]), 1920, "SILK, two of 20 ms");
        assert_eq!(ticks(&[0b0001_1011, 2]), 5760, "SILK, two of 60 ms");
        assert_eq!(ticks(&[0b0001_1011, 48]), 0, "longer than Opus allows");
    }
}
