//! One product asked for, and the one place of every encoding default.

use crate::error::{Error, Result};
use crate::recording::Preset;
use crate::scene::{Even, Layout, Size};

/// The container, which fixes the codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// H.264 Main and AAC; always exactly one video and one audio track.
    Mp4,
    /// Opus alone.
    Ogg,
}

impl Container {
    /// The file name's ending, without a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Ogg => "ogg",
        }
    }

    /// The media type that objects and answers carry.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::Ogg => "audio/ogg",
        }
    }
}

/// The picture's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoSettings {
    /// LiveKit's layout.
    pub layout: Layout,
    /// Width and height.
    pub size: Size,
    /// Frames per second, constant.
    pub framerate: u32,
    /// kbit/s.
    pub bitrate: u32,
    /// Seconds between key frames.
    pub key_frame_interval: u32,
}

/// The sound's encoding: 48 kHz stereo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSettings {
    /// kbit/s.
    pub bitrate: u32,
}

/// A product asked for; one that exists is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    container: Container,
    video: Option<VideoSettings>,
    audio: AudioSettings,
}

/// Smallest and largest width and height.
const SIDE: std::ops::RangeInclusive<u32> = 64..=4096;
/// Frames per second we make.
const FRAMERATE: std::ops::RangeInclusive<u32> = 1..=60;
/// Video kbit/s we accept.
const VIDEO_BITRATE: std::ops::RangeInclusive<u32> = 50..=50_000;
/// Audio kbit/s we accept: what both Opus and AAC can do in stereo.
const AUDIO_BITRATE: std::ops::RangeInclusive<u32> = 16..=320;

impl VideoSettings {
    /// LiveKit's `H264_720P_30`: 1280×720, 30 fps, 3000 kbit/s, a key frame every 4 s.
    pub const fn preset(layout: Layout) -> Self {
        Preset::ALL[0].video(layout)
    }
}

impl AudioSettings {
    /// 128 kbit/s.
    pub const DEFAULT: Self = Self { bitrate: 128 };
}

impl Output {
    /// An MP4 of picture and sound.
    pub fn mp4(video: VideoSettings) -> Result<Self> {
        for (field, side) in [("width", video.size.width), ("height", video.size.height)] {
            check(field, side.get(), SIDE, "pixels")?;
        }
        check("framerate", video.framerate, FRAMERATE, "frames per second")?;
        check("video_bitrate", video.bitrate, VIDEO_BITRATE, "kbit/s")?;
        check("key_frame_interval", video.key_frame_interval, 1..=60, "seconds")?;
        Ok(Self { container: Container::Mp4, video: Some(video), audio: AudioSettings::DEFAULT })
    }

    /// An OGG of sound alone.
    pub const fn ogg() -> Self {
        Self { container: Container::Ogg, video: None, audio: AudioSettings::DEFAULT }
    }

    /// The same with another sound.
    pub fn with_audio(self, audio: AudioSettings) -> Result<Self> {
        check("audio_bitrate", audio.bitrate, AUDIO_BITRATE, "kbit/s")?;
        Ok(Self { audio, ..self })
    }

    /// The same in another layout; `None` when it is sound alone.
    pub fn with_layout(self, layout: Layout) -> Option<Self> {
        self.video.map(|video| Self { video: Some(VideoSettings { layout, ..video }), ..self })
    }

    /// The container.
    pub const fn container(&self) -> Container {
        self.container
    }

    /// The picture, unless it is sound alone.
    pub const fn video(&self) -> Option<&VideoSettings> {
        self.video.as_ref()
    }

    /// The sound.
    pub const fn audio(&self) -> &AudioSettings {
        &self.audio
    }
}

/// `n` as a side of the picture, or an error that names `field`.
pub fn even(field: &str, n: u32) -> Result<Even> {
    Even::new(n).ok_or_else(|| Error::invalid(field, format!("{n} is odd; use an even number such as {}", n & !1)))
}

fn check(field: &str, value: u32, range: std::ops::RangeInclusive<u32>, unit: &str) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{value} is out of range; use {} to {} {unit}", range.start(), range.end())))
}
