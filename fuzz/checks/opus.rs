//! What must hold of the length of anything that is called an Opus packet.

use super::ticks;

/// A packet lasts 2.5 to 120 ms in steps of 2.5 ms (RFC 6716, 3.2.5), and what is padded lasts as long.
pub fn check(packet: &[u8]) {
    let Some(length) = ticks(packet) else { return };
    assert!((120..=5760).contains(&length) && length.is_multiple_of(120), "{length}");
    // Codes 0 to 2 say the number of frames by themselves.
    let frames = match packet[0] & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet[1] & 0x3f),
    };
    assert_eq!(length % frames, 0);
    if let [toc, count, rest @ ..] = packet
        && toc & 3 == 3
        && count & 0x40 == 0
    {
        let padded = [&[*toc, count | 0x40, 3], rest, &[0; 3]].concat();
        assert_eq!(ticks(&padded), Some(length), "{packet:x?}");
    }
}
