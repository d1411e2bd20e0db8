//! What is recorded: three people and a shared screen, speaker layout, 1280×720 at 30 fps.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use greffier::ids::{ParticipantId, TrackId};
use greffier::media::Codec;
use greffier::scene::{Arrangement, Even, Layout, Scene, Size, Source, Subject, Theme, arrange};

use super::MEDIA;

/// Width and height of the picture.
pub const SIZE: (u32, u32) = (1280, 720);
/// Frames per second.
pub const FRAMERATE: u32 = 30;

/// One sample track, repeated until the media ends.
pub struct Track {
    /// Its name.
    pub id: TrackId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// How it is encoded.
    pub codec: Codec,
    /// Each frame or packet with its time in nanoseconds.
    pub units: Vec<(u64, Bytes)>,
}

impl Track {
    /// Ticks per second of its RTP time.
    pub fn rate(&self) -> u64 {
        if self.codec == Codec::Opus { 48_000 } else { 90_000 }
    }
}

/// The layout.
pub fn layout() -> Layout {
    Layout { arrangement: Arrangement::Speaker, theme: Theme::Dark }
}

/// The canvas.
pub fn size() -> Size {
    Size { width: Even::floor(SIZE.0), height: Even::floor(SIZE.1) }
}

/// The picture: the share on the stage, then the people.
pub fn scene() -> Scene {
    let subject = |name: &str, person: usize, source, track: &str| Subject {
        participant: ParticipantId::new(format!("PA_{person}")),
        name: name.to_owned(),
        source,
        track: Some(TrackId::new(track)),
        portrait: false,
    };
    let subjects = [
        subject("Ada Lovelace", 0, Source::ScreenShare, "TR_share"),
        subject("Ada Lovelace", 0, Source::Camera, "TR_person0"),
        subject("Grace Hopper", 1, Source::Camera, "TR_person1"),
        subject("Alan Turing", 2, Source::Camera, "TR_person2"),
    ];
    arrange(layout(), size(), &subjects)
}

/// What is published, the frames in the order of the scene's tiles: the thumbnails get the 180p layers.
pub fn tracks() -> Vec<Track> {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
    let track = |person: usize, name: String, file: String, codec, step_ns: u64| {
        let data = fs::read(media.join(&file)).unwrap_or_else(|e| panic!("testdata/media/{file}: {e}"));
        let loops = if codec == Codec::Opus { ogg_packets(&data) } else { ivf_frames(&data) };
        let count = MEDIA.as_nanos() as u64 / step_ns;
        let units = (0..count).zip(loops.into_iter().cycle()).map(|(n, unit)| (n * step_ns, unit)).collect();
        let participant = ParticipantId::new(format!("PA_{person}"));
        Track { id: TrackId::new(name), participant, codec, units }
    };
    let camera =
        |n| track(n, format!("TR_person{n}"), format!("person{n}-320x180-vp8.ivf"), Codec::Vp8, 1_000_000_000 / 30);
    let microphone = |n| track(n, format!("TR_mic{n}"), format!("speech{n}.ogg"), Codec::Opus, 20_000_000);
    let share = track(0, "TR_share".into(), "share-1920x1080-vp8.ivf".into(), Codec::Vp8, 1_000_000_000 / 15);
    std::iter::once(share).chain((0..3).map(camera)).chain((0..3).map(microphone)).collect()
}

/// Frames of an IVF file: a header of 32 bytes, then size (4, little endian), time (8), data.
fn ivf_frames(file: &[u8]) -> Vec<Bytes> {
    let mut rest = file.get(32..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((head, body)) = rest.split_at_checked(12) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((frame, after)) = body.split_at_checked(length) else { break };
        frames.push(Bytes::copy_from_slice(frame));
        rest = after;
    }
    frames
}

/// Packets of an Ogg stream (RFC 3533) without the two headers of Opus; a packet may go on in the next page.
fn ogg_packets(file: &[u8]) -> Vec<Bytes> {
    let mut packets = Vec::new();
    let mut open = Vec::new();
    let mut rest = file;
    while let Some(&segments) = rest.get(26).filter(|_| rest.starts_with(b"OggS")) {
        let (table, mut body) = rest[27..].split_at(usize::from(segments));
        for &lace in table {
            let (piece, after) = body.split_at(usize::from(lace));
            open.extend_from_slice(piece);
            body = after;
            if lace < 255 {
                packets.push(Bytes::from(std::mem::take(&mut open)));
            }
        }
        rest = body;
    }
    packets.drain(..2.min(packets.len()));
    packets
}
