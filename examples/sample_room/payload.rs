//! Cuts encoded frames into RTP payloads and writes the payload descriptors of VP8 (RFC 7741) and VP9 (RFC 9628).

use bytes::{BufMut, Bytes, BytesMut};
use clap::ValueEnum;
use webrtc::api::media_engine::{MIME_TYPE_AV1, MIME_TYPE_H264, MIME_TYPE_VP8, MIME_TYPE_VP9};
use webrtc::rtp::codecs::{av1::Av1Payloader, h264::H264Payloader};
use webrtc::rtp::packetizer::Payloader;

use crate::clip::Frame;
use crate::{Failure, fail};

/// Bytes of one payload: leaves room for headers, extensions and the SRTP tag in a 1200 byte packet.
const PART: usize = 1100;

/// A video codec of the sample tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Codec {
    Vp8,
    Vp9,
    H264,
    Av1,
}

impl Codec {
    /// How files of this codec end.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Vp8 => "-vp8.ivf",
            Self::Vp9 => "-vp9.ivf",
            Self::H264 => ".h264",
            Self::Av1 => "-av1.ivf",
        }
    }

    /// Name in LiveKit's `SimulcastCodec.codec`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::H264 => "h264",
            Self::Av1 => "av1",
        }
    }

    /// MIME type, payload type and format parameters that we offer.
    pub fn offer(self) -> (&'static str, u8, &'static str) {
        match self {
            Self::Vp8 => (MIME_TYPE_VP8, 96, ""),
            Self::Vp9 => (MIME_TYPE_VP9, 98, "profile-id=0"),
            Self::H264 => {
                (MIME_TYPE_H264, 108, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
            }
            Self::Av1 => (MIME_TYPE_AV1, 35, ""),
        }
    }

    /// VP8 and H.264 are sent in three layers, VP9 and AV1 in one.
    pub fn simulcast(self) -> bool {
        match self {
            Self::Vp8 | Self::H264 => true,
            Self::Vp9 | Self::Av1 => false,
        }
    }
}

/// Whether a picture is a key frame.
pub fn is_key(codec: Codec, picture: &[u8]) -> bool {
    let Some(&first) = picture.first() else { return false };
    match codec {
        Codec::Vp8 => first & 1 == 0,
        // Profile 0: frame_marker(2) profile(2) show_existing(1) frame_type(1), 0 is a key frame.
        Codec::Vp9 => first & 0b1100 == 0,
        Codec::H264 => picture.windows(4).any(|w| w[..3] == [0, 0, 1] && w[3] & 0x1f == 5),
        // A temporal delimiter (2 bytes) and then a sequence header (OBU type 1).
        Codec::Av1 => picture.get(2).is_some_and(|header| (header >> 3) & 0xf == 1),
    }
}

/// Cuts one picture into payloads.
pub fn split(codec: Codec, picture: &Bytes) -> Result<Vec<Bytes>, Failure> {
    let parts = match codec {
        Codec::Vp8 | Codec::Vp9 => {
            Ok((0..picture.len()).step_by(PART).map(|at| picture.slice(at..picture.len().min(at + PART))).collect())
        }
        Codec::H264 => H264Payloader::default().payload(PART, picture),
        Codec::Av1 => Av1Payloader {}.payload(PART, picture),
    };
    parts.map_err(|e| fail(format!("cannot packetize: {e}")))
}

/// Payload `index` of a frame as it goes on the wire. `picture` counts the frames sent on this stream.
pub fn with_descriptor(codec: Codec, frame: &Frame, index: usize, picture: u64, (width, height): (u32, u32)) -> Bytes {
    let part = &frame.parts[index];
    let (first, last) = (index == 0, index + 1 == frame.parts.len());
    let id = 0x8000 | (picture & 0x7fff) as u16;
    let mut out = BytesMut::with_capacity(part.len() + 16);
    match codec {
        Codec::H264 | Codec::Av1 => return part.clone(),
        Codec::Vp8 => {
            out.put_u8(0x80 | if first { 0x10 } else { 0 }); // X, S
            out.put_u8(0x80); // I
            out.put_u16(id);
        }
        Codec::Vp9 => {
            // I, P, L, F=0, B, E, V: one spatial and one temporal layer, non-flexible mode.
            let scalability = frame.key && first;
            out.put_u8(
                0x80 | 0x20
                    | if frame.key { 0 } else { 0x40 }
                    | if first { 0x08 } else { 0 }
                    | if last { 0x04 } else { 0 }
                    | if scalability { 0x02 } else { 0 },
            );
            out.put_u16(id);
            out.put_u8(0); // TID, U, SID, D
            out.put_u8((picture & 0xff) as u8); // TL0PICIDX
            if scalability {
                out.put_u8(0x18); // N_S=0 (one layer), Y=1 (size follows), G=1 (one picture in the group)
                out.put_u16(width as u16);
                out.put_u16(height as u16);
                out.put_u8(1); // N_G
                out.put_u8(0x04); // TID 0, U 0, R 1
                out.put_u8(1); // P_DIFF
            }
        }
    }
    out.extend_from_slice(part);
    out.freeze()
}
