//! Reads a sample track into memory: IVF, H.264 Annex B with access unit delimiters, Ogg Opus with its levels.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use crate::payload::{self, Codec};
use crate::{Failure, fail};

/// One picture, cut into RTP payloads.
pub struct Frame {
    /// Can be decoded without any other.
    pub key: bool,
    /// The payloads, without the descriptor that VP8 and VP9 put before each (see `payload::descriptor`).
    pub parts: Vec<Bytes>,
}

/// A video track of one layer, played in a loop; the first frame is a key frame.
pub struct VideoClip {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub frames: Vec<Frame>,
}

impl VideoClip {
    /// Reads `<stem>-<w>x<h>` with the codec's suffix from `folder`.
    pub fn load(
        folder: &Path,
        stem: &str,
        (width, height): (u32, u32),
        codec: Codec,
        fps: u32,
    ) -> Result<Self, Failure> {
        let path = folder.join(format!("{stem}-{width}x{height}{}", codec.suffix()));
        let data = read(&path)?;
        let frames = match codec {
            Codec::H264 => access_units(&data),
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => ivf_frames(&data),
        };
        let frames: Vec<Frame> = frames
            .into_iter()
            .map(|picture| Ok(Frame { key: payload::is_key(codec, &picture), parts: payload::split(codec, &picture)? }))
            .collect::<Result<_, Failure>>()?;
        match frames.first() {
            Some(first) if first.key => Ok(Self { codec, width, height, fps, frames }),
            Some(_) | None => Err(fail(format!("{}: does not begin with a key frame", path.display()))),
        }
    }

    /// Mean bits per second.
    pub fn bitrate(&self) -> u32 {
        let bytes: usize = self.frames.iter().flat_map(|frame| &frame.parts).map(Bytes::len).sum();
        (bytes * 8 * self.fps as usize / self.frames.len()) as u32
    }

    /// The frame that belongs to tick `n` since 1970: loops of all participants run in step.
    pub fn frame(&self, n: u64) -> &Frame {
        &self.frames[(n % self.frames.len() as u64) as usize]
    }
}

/// An Opus track of 20 ms packets, played in a loop.
pub struct AudioClip {
    /// Packets, each with its level as RFC 6464 wants it: −dBov, 0 (loudest) to 127 (silence).
    pub packets: Vec<(Bytes, u8)>,
}

impl AudioClip {
    /// 20 ms of silence (CELT, full band, mono), for ever.
    pub fn silence() -> Self {
        Self { packets: vec![(Bytes::from_static(&[0xf8, 0xff, 0xfe]), 127)] }
    }

    /// Reads speech with the levels that lie beside it (`.levels`, one number a line).
    pub fn speech(folder: &Path, number: usize) -> Result<Self, Failure> {
        let packets = ogg_packets(&read(&folder.join(format!("speech{number}.ogg")))?);
        let path = folder.join(format!("speech{number}.levels"));
        let levels = fs::read_to_string(&path).map_err(|e| fail(format!("{}: {e}", path.display())))?;
        let levels = levels.lines().filter_map(|line| line.trim().parse::<u8>().ok());
        Ok(Self { packets: packets.into_iter().zip(levels).collect() })
    }

    /// Reads a beep: one second after a second of lead-in, which lets the encoder settle.
    pub fn beep(folder: &Path, tone_hz: u32) -> Result<Self, Failure> {
        let path = folder.join(format!("beep-{tone_hz}hz.ogg"));
        let packets: Vec<_> = ogg_packets(&read(&path)?).into_iter().skip(50).take(50).map(|p| (p, 127)).collect();
        if packets.len() == 50 { Ok(Self { packets }) } else { Err(fail(format!("{}: too short", path.display()))) }
    }
}

fn read(path: &Path) -> Result<Bytes, Failure> {
    fs::read(path).map(Bytes::from).map_err(|e| {
        fail(format!(
            "{}: {e} (the sample tracks are made by testdata/make-media.sh; --media names their folder)",
            path.display()
        ))
    })
}

/// Frames of an IVF file: a header of 32 bytes, then size (4, little endian), time (8), data.
fn ivf_frames(data: &Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut at = 32;
    while let Some(size) = data.get(at..at + 4) {
        let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize;
        if at + 12 + size > data.len() {
            break;
        }
        frames.push(data.slice(at + 12..at + 12 + size));
        at += 12 + size;
    }
    frames
}

/// Access units of an Annex B stream, cut before each access unit delimiter (NAL unit type 9).
fn access_units(data: &Bytes) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = data
        .windows(4)
        .enumerate()
        .filter(|(_, w)| w[..3] == [0, 0, 1] && w[3] & 0x1f == 9)
        .map(|(at, _)| at)
        .collect();
    cuts.push(data.len());
    cuts.windows(2).map(|cut| data.slice(cut[0]..cut[1])).collect()
}

/// Packets of an Ogg stream (RFC 3533) without the two Opus headers; a packet may continue on the next page.
fn ogg_packets(data: &Bytes) -> Vec<Bytes> {
    let mut packets = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    while data.get(at..at + 4) == Some(b"OggS") {
        let Some(&segments) = data.get(at + 26) else { break };
        let table = at + 27;
        let mut body = table + segments as usize;
        for &lace in data.get(table..body).unwrap_or_default() {
            open.extend_from_slice(data.get(body..body + lace as usize).unwrap_or_default());
            body += lace as usize;
            if lace < 255 {
                packets.push(Bytes::from(std::mem::take(&mut open)));
            }
        }
        at = body;
    }
    packets.drain(..2.min(packets.len()));
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA: &str = "testdata/media";

    #[test]
    fn beep_tracks_are_one_second_in_every_codec() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            let clip = VideoClip::load(Path::new(MEDIA), "beep-red", (1280, 720), codec, 30).expect("a track");
            let keys: Vec<_> = clip.frames.iter().map(|frame| frame.key).collect();
            assert_eq!(keys.len(), 30, "{codec:?}");
            assert!(keys[0] && keys[15], "{codec:?}: {keys:?}");
            assert_eq!(keys.iter().filter(|key| **key).count(), 2, "{codec:?}: {keys:?}");
        }
        assert_eq!(AudioClip::beep(Path::new(MEDIA), 500).expect("a track").packets.len(), 50);
    }

    #[test]
    fn every_packet_of_speech_has_its_level() {
        let folder = Path::new(MEDIA);
        for number in 0..4 {
            let clip = AudioClip::speech(folder, number).expect("a track");
            let packets = ogg_packets(&read(&folder.join(format!("speech{number}.ogg"))).expect("a file"));
            assert!(packets.len() - clip.packets.len() <= 1, "{} of {}", clip.packets.len(), packets.len());
            assert!(clip.packets.len() > 400);
            assert!(clip.packets.iter().any(|(_, level)| *level < 25));
        }
    }
}
