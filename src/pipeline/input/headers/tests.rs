//! The headers of sample media, of the same media made into bombs, and of anything at all.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn sample(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/media").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The frames of an IVF file.
fn frames(name: &str) -> Vec<Vec<u8>> {
    let file = sample(name);
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(12) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        frames.push(after[..length].to_vec());
        rest = &after[length..];
    }
    frames
}

fn size(heading: Heading) -> Option<(u32, u32)> {
    match heading {
        Heading::Declares(extent) => Some((extent.width, extent.height)),
        Heading::Same => None,
        Heading::Unreadable => panic!("unreadable"),
    }
}

/// Bits as text: headers are easier to write like that.
fn bytes(bits: &str) -> Vec<u8> {
    let mut bits: Vec<u8> = bits.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
    bits.resize(bits.len().div_ceil(8) * 8, 0);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect()
}

/// `ue(v)`.
fn ue(value: u64) -> String {
    let code = format!("{:b}", value + 1);
    format!("{}{code}", "0".repeat(code.len() - 1))
}

/// A parameter set of the constrained baseline, of so many macroblocks.
fn parameter_set(references: u64, width: u64, height: u64) -> Vec<u8> {
    let head = format!("{:08b}{:08b}{:08b}", 66, 0xc0, 52);
    let counts = [0, 0, 2, references].map(ue).concat();
    let all = format!("{head}{counts}0{}{}1 1 0 0 1", ue(width - 1), ue(height - 1));
    [vec![0, 0, 0, 1, 0x67], bytes(&all)].concat()
}

#[test]
fn sample_media_declare_what_their_names_say() {
    for (name, codec, expected) in [
        ("beep-blue-1280x720-vp8.ivf", Codec::Vp8, (1280, 720)),
        ("beep-blue-180x320-vp8.ivf", Codec::Vp8, (180, 320)),
        ("share-1920x1080-vp8.ivf", Codec::Vp8, (1920, 1080)),
        ("person0-1280x720-vp9.ivf", Codec::Vp9, (1280, 720)),
        ("person0-1280x720-av1.ivf", Codec::Av1, (1280, 720)),
    ] {
        let frames = frames(name);
        let sizes: Vec<_> = frames.iter().map(|frame| size(read(codec, frame))).collect();
        assert_eq!(sizes[0], Some(expected), "{name}");
        assert!(sizes.iter().flatten().all(|size| *size == expected), "{name}");
        assert!(
            sizes.iter().filter(|size| size.is_none()).count() > frames.len() / 2,
            "{name}: most are not key frames"
        );
    }
    // In whole macroblocks, before cropping.
    for (name, expected) in [("beep-blue-1280x720.h264", (1280, 720)), ("beep-blue-640x360.h264", (640, 368))] {
        assert_eq!(size(read(Codec::H264, &sample(name))), Some(expected), "{name}");
    }
    assert_eq!(read(Codec::Opus, &[0; 20]), Heading::Same);
}

#[test]
fn a_vp8_bomb_is_seen() {
    let mut frame = frames("beep-blue-320x180-vp8.ivf").remove(0);
    frame[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x7f]);
    assert_eq!(size(read(Codec::Vp8, &frame)), Some((16_383, 16_383)));
    frame[4] = 0;
    assert_eq!(read(Codec::Vp8, &frame), Heading::Unreadable);
    assert_eq!(read(Codec::Vp8, &frame[..9]), Heading::Unreadable);
}

#[test]
fn a_vp9_bomb_is_seen_wherever_it_hides() {
    let small = frames("beep-blue-1280x720-vp9.ivf").remove(0);
    let sync = format!("{:024b}", 0x49_83_42);
    let side = "1111111111111111";
    // Marker and profile; a key frame: colours; others: what is replaced.
    let key = bytes(&format!("10 00 0 0 1 0 {sync} 000 0 {side}{side}"));
    let full_colour = bytes(&format!("10 11 0 0 0 1 0 {sync} 0 000 0 0 0 0 {side}{side}"));
    let intra_only = bytes(&format!("10 00 0 1 0 0 1 00 {sync} 11111111 {side}{side}"));
    let resized = bytes(&format!("10 00 0 1 1 0 00 11111111 0000 0000 0000 0 0 0 {side}{side}"));
    for (name, bomb) in
        [("key", &key), ("full colour", &full_colour), ("intra only", &intra_only), ("resized", &resized)]
    {
        assert_eq!(size(read(Codec::Vp9, bomb)), Some((65_536, 65_536)), "{name}");
        // The second layer of a unit.
        let both = [small.clone(), bomb.clone()].concat();
        let unit = crate::media::vp9::superframe(&both, &[small.len(), both.len()]);
        assert_eq!(size(read(Codec::Vp9, &unit)), Some((65_536, 65_536)), "{name}, second");
    }
    let as_reference = bytes("10 00 0 1 1 0 00 11111111 0000 0000 0000 0 1");
    assert_eq!(read(Codec::Vp9, &as_reference), Heading::Same);
    assert_eq!(read(Codec::Vp9, &bytes("10 00 1 000")), Heading::Same, "shows an old frame");
    assert_eq!(read(Codec::Vp9, &key[..6]), Heading::Unreadable);
}

#[test]
fn a_unit_is_divided_by_its_index_and_always_has_one() {
    use crate::media::vp9;
    let unit = vp9::superframe(&[0x80; 10], &[3, 10]);
    assert_eq!(vp9::frames(&unit), Some(vec![3, 7]));
    assert_eq!(superframe(unit.clone()), unit);
    let single = superframe(vec![0x80; 10].into());
    assert_eq!(vp9::frames(&single), Some(vec![10]));
    assert_eq!(vp9::frames(&[0xc9, 1, 2, 0xc9]), None, "the index is longer than that");
}

#[test]
fn an_h264_bomb_is_seen_wherever_it_hides() {
    let camera = sample("beep-blue-320x180.h264");
    assert_eq!(size(read(Codec::H264, &parameter_set(1, 80, 45))), Some((1280, 720)));
    let bomb = parameter_set(1, 1024, 512);
    let hidden = [camera.clone(), bomb.clone(), camera.clone()].concat();
    assert_eq!(size(read(Codec::H264, &hidden)), Some((16_384, 8192)));
    // With bytes that prevent emulation before the size: a profile that begins with zeros.
    let mut emulated = parameter_set(1, 1024, 512);
    emulated.splice(6..8, [0, 0, 3]);
    assert_eq!(size(read(Codec::H264, &emulated)), Some((16_384, 8192)));
    // Interlaced, so twice as high; 4:4:4 with more than 8 bits and a scaling list.
    let high = format!("{:08b}{:08b}{:08b}", 244, 0, 52);
    let colour = format!("{}{}0{}{}0 1 1 {} 0 000000 0000", ue(0), ue(3), ue(2), ue(2), "1".repeat(16));
    let rest = format!("{}{}{}0{}{}0 1", ue(0), ue(2), ue(16), ue(9), ue(9));
    let interlaced = [vec![0, 0, 1, 0x67], bytes(&format!("{high}{colour}{rest}"))].concat();
    let extent = Extent { width: 160, height: 320, density: 12, kept: 16 };
    assert_eq!(read(Codec::H264, &interlaced), Heading::Declares(extent));
    assert_eq!(read(Codec::H264, &bomb[..9]), Heading::Unreadable);
}

/// A sequence header with all its options, in a unit with other OBUs before and behind it.
fn sequence(side: &str, deep: u8) -> Vec<u8> {
    let (tick, op) = ("0".repeat(64), "000000000000");
    let timing = format!("1 {tick} 1 {} 1 00100 {} 00100 00100", ue(4), "0".repeat(32));
    let points = format!("1 00001 {op}01000 1 1 {} 1 1010 {op}00100 0 0", "0".repeat(11));
    let tools = "1 0000 000 000 0000 1 00 1 0 1 101 000";
    let header = bytes(&format!("000 0 0 {timing} {points} 1111 1111 {side}{side} {tools} {deep}0"));
    let length = u8::try_from(header.len()).unwrap();
    [vec![0x12, 0, 0, 0x0e, 0x20, length], header, vec![0x32, 1, 0]].concat()
}

#[test]
fn an_av1_bomb_is_seen() {
    assert_eq!(size(read(Codec::Av1, &sequence("1111111111111111", 0))), Some((65_536, 65_536)));
    let deep = Extent { width: 1024, height: 1024, density: 6, kept: 0 };
    assert_eq!(read(Codec::Av1, &sequence("0000001111111111", 1)), Heading::Declares(deep));
    let reduced = bytes(&format!("000 1 1 00000 1111 1111 {0}{0} 000 000 0", "1111111111111111"));
    let unit = [vec![0x0a, u8::try_from(reduced.len()).unwrap()], reduced].concat();
    assert_eq!(size(read(Codec::Av1, &unit)), Some((65_536, 65_536)));
    assert_eq!(read(Codec::Av1, &unit[..6]), Heading::Unreadable);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn nothing_panics(data in prop::collection::vec(any::<u8>(), 0..300)) {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            read(codec, &data);
        }
    }

    #[test]
    fn nothing_that_begins_well_panics(
        which in 0..5_usize,
        cut in 0..400_usize,
        flips in prop::collection::vec((0..400_usize, any::<u8>()), 0..8),
    ) {
        let (codec, mut data) = match which {
            0 => (Codec::Vp8, frames("beep-blue-320x180-vp8.ivf").remove(0)),
            1 => (Codec::Vp9, frames("beep-blue-1280x720-vp9.ivf").remove(0)),
            2 => (Codec::H264, sample("beep-blue-320x180.h264")),
            3 => (Codec::Av1, frames("beep-blue-1280x720-av1.ivf").remove(0)),
            _ => (Codec::Av1, sequence("0000001111111111", 0)),
        };
        data.truncate(data.len().min(cut));
        for (at, byte) in flips {
            if let Some(there) = data.get_mut(at) {
                *there = byte;
            }
        }
        read(codec, &data);
    }

    #[test]
    fn an_index_is_read_as_it_was_written(lengths in prop::collection::vec(0..300_usize, 1..8)) {
        let ends: Vec<usize> = lengths.iter().scan(0, |at, length| { *at += length; Some(*at) }).collect();
        let unit = vec![0x80; *ends.last().unwrap()];
        let indexed = crate::media::vp9::superframe(&unit, &ends);
        prop_assert_eq!(crate::media::vp9::frames(&indexed), Some(lengths));
    }
}
