//! Key frames that declare another size than theirs, in the header of each codec.

use bytes::Bytes;

use super::bits::{Reader, Writer, escape, unescape};
use crate::clip::Frame;
use crate::payload::Codec;

/// The key frame with this size in its header; `None` where there is no header to change.
pub fn declare(codec: Codec, frame: &Frame, size: (u32, u32)) -> Option<Frame> {
    let first = frame.parts.first().filter(|_| frame.key)?;
    let first = match codec {
        Codec::Vp8 => vp8(first, size)?,
        Codec::Vp9 => vp9(first, size)?,
        Codec::H264 => stap(first, size)?,
        Codec::Av1 => elements(first, size)?,
    };
    let parts = std::iter::once(Bytes::from(first)).chain(frame.parts[1..].iter().cloned()).collect();
    Some(Frame { key: true, parts })
}

/// RFC 6386, 9.1: frame tag (3 bytes), start code (3), width and height (14 bits each, little endian, then the scale).
fn vp8(picture: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let mut out = picture.to_vec();
    out.get_mut(6..8)?.copy_from_slice(&(width.min(0x3fff) as u16).to_le_bytes());
    out.get_mut(8..10)?.copy_from_slice(&(height.min(0x3fff) as u16).to_le_bytes());
    Some(out)
}

/// VP9 bitstream specification, 6.2: a byte of profile 0, the sync code, 3 bits of colour space and one of range, then width and
/// height less one.
fn vp9(picture: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let mut from = Reader::new(picture);
    let mut to = Writer::default();
    to.bits(36, from.bits(36)?);
    from.bits(32)?;
    to.bits(16, u64::from(width - 1));
    to.bits(16, u64::from(height - 1));
    Some(to.rest(&mut from))
}

/// A STAP-A (RFC 6184, 5.7.1) whose sequence parameter set lies.
fn stap(payload: &[u8], size: (u32, u32)) -> Option<Vec<u8>> {
    let (&header, mut rest) = payload.split_first()?;
    if header & 0x1f != 24 {
        return None;
    }
    let mut out = vec![header];
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let unit = if unit.first()? & 0x1f == 7 { sps(unit, size)? } else { unit.to_vec() };
        out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
        out.extend(unit);
        rest = after;
    }
    Some(out)
}

/// ITU-T H.264, 7.3.2.1.1, of the baseline profile.
fn sps(unit: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let unit = unescape(unit);
    let mut from = Reader::new(&unit);
    let mut to = Writer::default();
    to.bits(24, from.bits(24)?); // header, profile, constraints
    from.bits(8)?;
    to.bits(8, 62); // the level that allows the most
    to.ue(from.ue()?); // id
    to.ue(from.ue()?); // log2_max_frame_num_minus4
    let order = from.ue()?;
    to.ue(order);
    if order == 0 {
        to.ue(from.ue()?);
    }
    to.ue(from.ue()?); // max_num_ref_frames
    to.bits(1, from.bits(1)?); // gaps
    from.ue()?; // the true width
    from.ue()?; // and height
    to.ue(u64::from(width.div_ceil(16) - 1));
    to.ue(u64::from(height.div_ceil(16) - 1));
    Some(escape(&to.rest(&mut from)))
}

/// An aggregation header (AV1 RTP specification, 4.4) and elements, of which the first is the sequence header, with a length.
fn elements(payload: &[u8], size: (u32, u32)) -> Option<Vec<u8>> {
    let (&aggregation, rest) = payload.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (header, rest) = rest.split_at_checked(usize::from(length))?;
    if header.first()? >> 3 & 0xf != 1 || length > 0x60 {
        return None;
    }
    let header = sequence(header, size)?;
    let mut out = vec![aggregation, header.len() as u8];
    out.extend(header);
    out.extend_from_slice(rest);
    Some(out)
}

/// AV1 bitstream specification, 5.5.1, with one operating point and no timing.
fn sequence(header: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let mut from = Reader::new(header);
    let mut to = Writer::default();
    to.bits(8 + 24, from.bits(8 + 24)?);
    let level = from.bits(5)?;
    to.bits(5, level);
    if level > 7 {
        to.bits(1, from.bits(1)?);
    }
    let (wide, high) = (from.bits(4)? as usize + 1, from.bits(4)? as usize + 1);
    from.bits(wide + high)?;
    to.bits(8, 0xff); // both in 16 bits
    to.bits(16, u64::from(width - 1));
    to.bits(16, u64::from(height - 1));
    Some(to.rest(&mut from))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::clip::VideoClip;

    /// The headers are read by ffprobe, which shares nothing with this.
    #[test]
    fn the_size_is_what_was_declared() {
        for (codec, size) in [(Codec::Vp8, (640, 360)), (Codec::Vp9, (1280, 720)), (Codec::H264, (640, 360))] {
            let clip = VideoClip::load(Path::new("testdata/media"), "beep-red", size, codec, 30).expect("a track");
            let lie = declare(codec, &clip.frames[0], (4000, 3008)).expect("a key frame");
            let picture = lie.parts.concat();
            let (file, format) = match codec {
                Codec::Vp8 | Codec::Vp9 => {
                    let fourcc: &[u8; 4] = if codec == Codec::Vp8 { b"VP80" } else { b"VP90" };
                    let mut ivf = [b"DKIF\0\0\x20\0".as_slice(), fourcc, &[0; 20]].concat();
                    ivf[16] = 30;
                    ivf[20] = 1;
                    ivf.extend((picture.len() as u32).to_le_bytes());
                    ivf.extend([0; 8]);
                    ([ivf, picture].concat(), "ivf")
                }
                Codec::H264 | Codec::Av1 => {
                    let (mut annex_b, mut rest) = (Vec::new(), &lie.parts[0][1..]);
                    while let Some((length, after)) = rest.split_first_chunk::<2>() {
                        let (unit, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
                        annex_b.extend([[0, 0, 0, 1].as_slice(), unit].concat());
                        rest = after;
                    }
                    // The rest of the picture; without a slice that fits to its parameter sets ffprobe says nothing.
                    let units = lie.parts[1..].iter().inspect(|unit| assert!(unit[0] & 0x1f < 24, "a whole unit"));
                    annex_b.extend(units.flat_map(|unit| [[0, 0, 0, 1].as_slice(), unit].concat()));
                    (annex_b, "h264")
                }
            };
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("picture");
            std::fs::write(&path, file).expect("a file");
            let output = Command::new("ffprobe")
                .args(["-v", "quiet", "-f", format, "-show_entries", "stream=width,height", "-of", "csv=p=0"])
                .arg(&path)
                .stderr(Stdio::null())
                .output()
                .expect("ffprobe");
            let text = String::from_utf8_lossy(&output.stdout);
            // The sample has 640×368 and crops eight lines; so does the lie.
            let expected = if codec == Codec::H264 { "4000,3000" } else { "4000,3008" };
            assert_eq!(text.trim(), expected, "{codec:?}");
        }
    }

    #[test]
    fn an_av1_sequence_header_is_rewritten() {
        let clip =
            VideoClip::load(Path::new("testdata/media"), "beep-red", (1280, 720), Codec::Av1, 30).expect("a track");
        let lie = declare(Codec::Av1, &clip.frames[0], (16000, 9000)).expect("a key frame");
        // The sequence header, what follows it, and what stands in the header: before the sides, how long they are, they, the rest.
        let read = |payload: &[u8]| {
            let (header, rest) = payload[2..].split_at(usize::from(payload[1]));
            let mut reader = Reader::new(header);
            let before = reader.bits(8 + 24 + 5);
            let (wide, high) = (reader.bits(4).expect("a length") + 1, reader.bits(4).expect("a length") + 1);
            let sides = (reader.bits(wide as usize), reader.bits(high as usize));
            (before, sides, Writer::default().rest(&mut reader), rest.to_vec())
        };
        let (before, sides, after, rest) = read(&lie.parts[0]);
        assert_eq!(sides, (Some(15999), Some(8999)));
        let honest = read(&clip.frames[0].parts[0]);
        assert_eq!(honest.1, (Some(1279), Some(719)));
        // All but the sides is as it was, and zeros fill the last byte.
        assert_eq!((before, &rest), (honest.0, &honest.3));
        let bare = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map(|last| bytes[..=last].to_vec());
        assert!(bare(&after).is_some());
        assert_eq!(bare(&after), bare(&honest.2));
    }
}
