//! LiveKit's presets and encoding options as ours.

use livekit_protocol as proto;

use crate::egress::filename::invalid;
use crate::egress::store::unimplemented;
use crate::error::Result;
use crate::recording::{Container, Output, Preset, VideoSettings};
use crate::scene::{Even, Layout};

/// `preset` or `advanced`, or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    /// `EncodingOptionsPreset`.
    pub preset: Option<i32>,
    /// What differs from the default; zero is no wish.
    pub advanced: Option<proto::EncodingOptions>,
}

/// The output these wishes amount to.
pub fn output(container: Container, layout: Layout, asked: &Asked) -> Result<Output> {
    let mut video = match asked.preset {
        Some(preset) => preset_of(preset, layout)?,
        None => VideoSettings::preset(layout),
    };
    if let Some(wish) = asked.advanced {
        check_codecs(container, &wish)?;
        if let Some(width) = number("width", wish.width)? {
            video.size.width = Even::new(width).ok_or_else(|| invalid("width"))?;
        }
        if let Some(height) = number("height", wish.height)? {
            video.size.height = Even::new(height).ok_or_else(|| invalid("height"))?;
        }
        video.framerate = number("framerate", wish.framerate)?.unwrap_or(video.framerate);
        video.bitrate = number("video_bitrate", wish.video_bitrate)?.unwrap_or(video.bitrate);
        let interval = wish.key_frame_interval;
        if interval < 0.0 || !interval.is_finite() {
            return Err(invalid("key_frame_interval"));
        }
        if interval > 0.0 {
            // Whole seconds; a shorter one than asked for seeks no worse.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and 60")]
            let whole = interval.clamp(1.0, 60.0) as u32;
            video.key_frame_interval = whole;
        }
    }
    match container {
        Container::Ogg => Ok(Output::ogg()),
        Container::Mp4 => Output::mp4(video).map_err(|e| {
            let field = e.message.split(':').next().unwrap_or("advanced").to_owned();
            invalid(&field)
        }),
    }
}

/// What a preset stands for.
fn preset_of(number: i32, layout: Layout) -> Result<VideoSettings> {
    if number == i32::from(proto::EncodingOptionsPreset::Passthrough) {
        return Err(unimplemented("passthrough; it is for single tracks"));
    }
    Preset::numbered(number).map(|preset| preset.video(layout)).ok_or_else(|| invalid("preset"))
}

fn check_codecs(container: Container, wish: &proto::EncodingOptions) -> Result<()> {
    use proto::{AudioCodec, VideoCodec};
    let audio = AudioCodec::try_from(wish.audio_codec).map_err(|_| invalid("audio_codec"))?;
    let video = VideoCodec::try_from(wish.video_codec).map_err(|_| invalid("video_codec"))?;
    match (container, audio) {
        (_, AudioCodec::DefaultAc) | (Container::Mp4, AudioCodec::Aac) | (Container::Ogg, AudioCodec::Opus) => {}
        (Container::Mp4, AudioCodec::Opus) => return Err(unimplemented("Opus in MP4; use AAC")),
        (_, AudioCodec::AcMp3) => return Err(unimplemented("MP3")),
        (Container::Ogg, AudioCodec::Aac) => return Err(invalid("audio_codec")),
    }
    match (container, video) {
        (_, VideoCodec::DefaultVc) | (Container::Mp4, VideoCodec::H264Main) => Ok(()),
        // Every player of the one plays Main.
        (Container::Mp4, VideoCodec::H264Baseline | VideoCodec::H264High) => Ok(()),
        (Container::Mp4, VideoCodec::Vp8) => Err(invalid("video_codec")),
        (Container::Ogg, _) => Ok(()),
    }
}

/// Zero is no wish.
fn number(field: &str, n: i32) -> Result<Option<u32>> {
    let n = u32::try_from(n).map_err(|_| invalid(field))?;
    Ok((n > 0).then_some(n))
}
