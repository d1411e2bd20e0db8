//! One product asked for, and the one place of every encoding default.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::recording::Preset;
use crate::scene::{Even, Layout, Size};

/// The container, which fixes the codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Container {
    /// H.264 and AAC: both, or one of them.
    Mp4,
    /// Opus alone.
    Ogg,
}

/// H.264's profile (ITU-T H.264, annex A).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Profile {
    /// Constrained Baseline.
    Baseline,
    /// Main.
    #[default]
    Main,
    /// High.
    High,
}

impl Container {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Mp4, Self::Ogg];

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VideoSettings {
    /// LiveKit's layout.
    pub layout: Layout,
    /// Width and height.
    pub size: Size,
    /// Frames per second, constant.
    pub framerate: u32,
    /// kbit/s.
    pub bitrate: u32,
    /// The most between two key frames.
    pub key_frame_interval: Duration,
    /// What a player must understand.
    pub profile: Profile,
}

/// The audio's encoding, always stereo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AudioSettings {
    /// kbit/s.
    pub bitrate: u32,
    /// Samples per second and channel. Opus has 48 000 (RFC 7845, section 5.1), whatever is asked.
    pub frequency: u32,
}

/// A product asked for; one that exists is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Output {
    container: Container,
    tracks: Tracks,
}

/// What is in the file: never nothing. An OGG holds audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Tracks {
    Both(VideoSettings, AudioSettings),
    Picture(VideoSettings),
    Sound(AudioSettings),
}

/// Smallest and largest width and height.
const SIDE: RangeInclusive<u32> = 64..=4096;
/// Frames per second we make.
const FRAMERATE: RangeInclusive<u32> = 1..=60;
/// Video kbit/s we accept.
const VIDEO_BITRATE: RangeInclusive<u32> = 50..=50_000;
/// Audio kbit/s we accept: what both Opus and AAC can do in stereo.
const AUDIO_BITRATE: RangeInclusive<u32> = 16..=320;
/// The sampling frequencies of AAC (ISO/IEC 14496-3, table 1.18), Hz.
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// What a room sounds like, and Opus with it.
const USUAL_FREQUENCY: u32 = 48_000;
/// The shortest and longest time between two key frames.
pub const KEY_FRAME_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

impl VideoSettings {
    /// LiveKit's `H264_720P_30`: 1280×720, 30 fps, 3000 kbit/s, Main, a key frame every 4 s.
    pub const fn preset(layout: Layout) -> Self {
        Preset::ALL[0].video(layout)
    }

    /// Frames from one key frame to the next: at least one.
    pub fn key_frame_distance(&self) -> u32 {
        let frames = self.key_frame_interval.as_millis() * u128::from(self.framerate);
        u32::try_from((frames + 500) / 1000).unwrap_or(u32::MAX).max(1)
    }

    fn checked(self) -> Result<Self> {
        for (field, side) in [("width", self.size.width), ("height", self.size.height)] {
            check(field, side.get(), SIDE, "pixels")?;
        }
        check("framerate", self.framerate, FRAMERATE, "frames per second")?;
        check("video_bitrate", self.bitrate, VIDEO_BITRATE, "kbit/s")?;
        key_frame_interval(self.key_frame_interval.as_secs_f64())
            .map_err(|why| Error::invalid("key_frame_interval", why))?;
        Ok(self)
    }
}

impl AudioSettings {
    /// 128 kbit/s, 48 kHz.
    pub const DEFAULT: Self = Self { bitrate: 128, frequency: USUAL_FREQUENCY };
}

impl Output {
    /// An MP4 of picture and audio.
    pub fn mp4(video: VideoSettings) -> Result<Self> {
        Ok(Self { container: Container::Mp4, tracks: Tracks::Both(video.checked()?, AudioSettings::DEFAULT) })
    }

    /// An MP4 of the picture alone.
    pub fn silent_mp4(video: VideoSettings) -> Result<Self> {
        Ok(Self { container: Container::Mp4, tracks: Tracks::Picture(video.checked()?) })
    }

    /// An MP4 of audio alone.
    pub const fn audio_mp4() -> Self {
        Self { container: Container::Mp4, tracks: Tracks::Sound(AudioSettings::DEFAULT) }
    }

    /// An OGG of audio alone.
    pub const fn ogg() -> Self {
        Self { container: Container::Ogg, tracks: Tracks::Sound(AudioSettings::DEFAULT) }
    }

    /// The same with another audio; a picture alone stays silent.
    pub fn with_audio(self, audio: AudioSettings) -> Result<Self> {
        check("audio_bitrate", audio.bitrate, AUDIO_BITRATE, "kbit/s")?;
        let frequency = match self.container {
            Container::Mp4 => audio.frequency,
            Container::Ogg => USUAL_FREQUENCY,
        };
        if !FREQUENCIES.contains(&frequency) {
            let known = FREQUENCIES.map(|f| f.to_string()).join(", ");
            let why = format!("{frequency} Hz is not one that AAC has; use 48000, or one of {known}");
            return Err(Error::invalid("audio_frequency", why));
        }
        let audio = AudioSettings { frequency, ..audio };
        let tracks = match self.tracks {
            Tracks::Both(video, _) => Tracks::Both(video, audio),
            Tracks::Picture(video) => Tracks::Picture(video),
            Tracks::Sound(_) => Tracks::Sound(audio),
        };
        Ok(Self { tracks, ..self })
    }

    /// The same in another layout; `None` when it is sound alone.
    pub fn with_layout(self, layout: Layout) -> Option<Self> {
        let tracks = match self.tracks {
            Tracks::Both(video, audio) => Tracks::Both(VideoSettings { layout, ..video }, audio),
            Tracks::Picture(video) => Tracks::Picture(VideoSettings { layout, ..video }),
            Tracks::Sound(_) => return None,
        };
        Some(Self { tracks, ..self })
    }

    /// The container.
    pub const fn container(&self) -> Container {
        self.container
    }

    /// The picture, unless it is audio alone.
    pub const fn video(&self) -> Option<&VideoSettings> {
        match &self.tracks {
            Tracks::Both(video, _) | Tracks::Picture(video) => Some(video),
            Tracks::Sound(_) => None,
        }
    }

    /// The audio, unless it is the picture alone.
    pub const fn audio(&self) -> Option<&AudioSettings> {
        match &self.tracks {
            Tracks::Both(_, audio) | Tracks::Sound(audio) => Some(audio),
            Tracks::Picture(_) => None,
        }
    }
}

/// `n` as a side of the picture, or an error that names `field`.
pub fn even(field: &str, n: u32) -> Result<Even> {
    Even::new(n).ok_or_else(|| Error::invalid(field, format!("{n} is odd; use an even number such as {}", n & !1)))
}

/// So many seconds from one key frame to the next, to the millisecond; or why not.
pub fn key_frame_interval(seconds: f64) -> std::result::Result<Duration, String> {
    let exact = Duration::try_from_secs_f64(seconds).ok().filter(|interval| KEY_FRAME_INTERVALS.contains(interval));
    let millis = |interval: Duration| Duration::from_millis((interval.as_secs_f64() * 1000.0).round() as u64);
    exact.map(millis).ok_or_else(|| {
        let (least, most) = (KEY_FRAME_INTERVALS.start().as_secs_f64(), KEY_FRAME_INTERVALS.end().as_secs_f64());
        format!("{seconds} is out of range; use {least} to {most} seconds")
    })
}

fn check(field: &str, value: u32, range: RangeInclusive<u32>, unit: &str) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{value} is out of range; use {} to {} {unit}", range.start(), range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video() -> VideoSettings {
        VideoSettings::preset(Layout::from_name("grid"))
    }

    #[test]
    fn a_file_has_what_its_name_says() {
        let of = |output: Output| (output.container(), output.video().is_some(), output.audio().is_some());
        assert_eq!(of(Output::mp4(video()).unwrap()), (Container::Mp4, true, true));
        assert_eq!(of(Output::silent_mp4(video()).unwrap()), (Container::Mp4, true, false));
        assert_eq!(of(Output::audio_mp4()), (Container::Mp4, false, true));
        assert_eq!(of(Output::ogg()), (Container::Ogg, false, true));
        let silent = Output::silent_mp4(video()).unwrap();
        assert_eq!(silent.with_audio(AudioSettings::DEFAULT).unwrap(), silent);
    }

    #[test]
    fn aac_has_its_frequencies_and_opus_one() {
        let at = |frequency| AudioSettings { frequency, ..AudioSettings::DEFAULT };
        assert_eq!(Output::audio_mp4().with_audio(at(44_100)).unwrap().audio().unwrap().frequency, 44_100);
        assert_eq!(Output::ogg().with_audio(at(44_100)).unwrap().audio().unwrap().frequency, 48_000);
        let error = Output::mp4(video()).unwrap().with_audio(at(44_000)).unwrap_err();
        assert!(error.message.starts_with("audio_frequency: 44000 Hz is not one that AAC has; use 48000"), "{error}");
    }

    #[test]
    fn key_frames_are_counted_in_frames() {
        for (ms, framerate, distance) in [(4000, 30, 120), (2500, 25, 63), (33, 30, 1), (1, 15, 1), (60_000, 60, 3600)]
        {
            let video = VideoSettings { key_frame_interval: Duration::from_millis(ms), framerate, ..video() };
            assert_eq!(video.checked().unwrap().key_frame_distance(), distance, "{ms} ms at {framerate}");
        }
        for wrong in [Duration::ZERO, Duration::from_secs(61)] {
            let error = Output::mp4(VideoSettings { key_frame_interval: wrong, ..video() }).unwrap_err();
            assert!(error.message.starts_with("key_frame_interval: "), "{error}");
        }
    }
}
