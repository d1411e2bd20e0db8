//! LiveKit's presets and encoding options as ours.

use livekit_protocol as proto;

use crate::egress::filename::invalid;
use crate::egress::store::unimplemented;
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{
    AudioSettings, Container, KEY_FRAME_INTERVALS, Output, Preset, Profile, VideoSettings, key_frame_interval,
};
use crate::scene::{Even, Layout};

/// LiveKit Egress' audio has this many samples per second unless others are requested (Opus always has 48 000).
const FREQUENCY: u32 = 44_100;

/// `preset` or `advanced`, or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EncodingRequest {
    /// `EncodingOptionsPreset`.
    pub preset: Option<i32>,
    /// What differs from the default; zero is no wish.
    pub advanced: Option<proto::EncodingOptions>,
}

/// What is wanted of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedTracks {
    /// Picture and audio.
    Both,
    /// `video_only`.
    Video,
    /// `audio_only`.
    Audio,
}

/// The output these wishes amount to. `layout` matters only to the picture.
pub fn output(file_type: i32, tracks: RequestedTracks, layout: Layout, requested: &EncodingRequest) -> Result<Output> {
    let wish = requested.advanced.unwrap_or_default();
    let video = video(tracks, layout, requested.preset, &wish)?;
    let audio = AudioSettings {
        bitrate: number("audio_bitrate", wish.audio_bitrate)?.unwrap_or(AudioSettings::DEFAULT.bitrate),
        frequency: number("audio_frequency", wish.audio_frequency)?.unwrap_or(FREQUENCY),
    };
    let output = match (container(file_type, tracks, &wish)?, tracks) {
        (Container::Mp4, RequestedTracks::Both) => Output::mp4(video),
        (Container::Mp4, RequestedTracks::Video) => Output::silent_mp4(video),
        (Container::Mp4, RequestedTracks::Audio) => Ok(Output::audio_mp4()),
        (Container::Ogg, _) => Ok(Output::ogg()),
    };
    output.and_then(|output| output.with_audio(audio)).map_err(|e| {
        let field = e.message.split(':').next().unwrap_or("advanced").to_owned();
        invalid(&field)
    })
}

/// LiveKit tries the containers that can hold what is wanted in the order OGG, MP4, MP3.
fn container(file_type: i32, tracks: RequestedTracks, wish: &proto::EncodingOptions) -> Result<Container> {
    use proto::{AudioCodec, EncodedFileType};
    let file_type = EncodedFileType::try_from(file_type).map_err(|_| invalid("file_type"))?;
    let codec = AudioCodec::try_from(wish.audio_codec).map_err(|_| invalid("audio_codec"))?;
    let mp3 = || Err(unimplemented("MP3; use OGG, or MP4 with AAC"));
    let audio = |container| match (container, codec) {
        (_, AudioCodec::DefaultAc) | (Container::Mp4, AudioCodec::Aac) | (Container::Ogg, AudioCodec::Opus) => {
            Ok(container)
        }
        (Container::Mp4, AudioCodec::Opus) => Err(unimplemented("Opus in MP4; use AAC")),
        (_, AudioCodec::AcMp3) => mp3(),
        (Container::Ogg, AudioCodec::Aac) => Err(invalid("audio_codec")),
    };
    match (file_type, tracks) {
        (EncodedFileType::Mp3, _) => mp3(),
        (EncodedFileType::Ogg, RequestedTracks::Both | RequestedTracks::Video) => {
            let message = "no supported codec is compatible with all outputs";
            Err(Error::new(ErrorKind::InvalidArgument, message))
        }
        (EncodedFileType::DefaultFiletype, RequestedTracks::Audio) if codec == AudioCodec::Aac => Ok(Container::Mp4),
        (EncodedFileType::DefaultFiletype | EncodedFileType::Ogg, RequestedTracks::Audio) => audio(Container::Ogg),
        (EncodedFileType::DefaultFiletype | EncodedFileType::Mp4, RequestedTracks::Both)
        | (EncodedFileType::Mp4, RequestedTracks::Audio) => audio(Container::Mp4),
        // Wishes about audio mean nothing.
        (EncodedFileType::DefaultFiletype | EncodedFileType::Mp4, RequestedTracks::Video) => Ok(Container::Mp4),
    }
}

/// The picture's settings; they are checked even where they mean nothing, but for the codec.
fn video(
    tracks: RequestedTracks,
    layout: Layout,
    preset: Option<i32>,
    wish: &proto::EncodingOptions,
) -> Result<VideoSettings> {
    use proto::VideoCodec;
    let mut video = match preset {
        Some(preset) => preset_of(preset, layout)?,
        None => VideoSettings::preset(layout),
    };
    if let Some(width) = number("width", wish.width)? {
        video.size.width = Even::new(width).ok_or_else(|| invalid("width"))?;
    }
    if let Some(height) = number("height", wish.height)? {
        video.size.height = Even::new(height).ok_or_else(|| invalid("height"))?;
    }
    video.framerate = number("framerate", wish.framerate)?.unwrap_or(video.framerate);
    video.bitrate = number("video_bitrate", wish.video_bitrate)?.unwrap_or(video.bitrate);
    video.profile = match VideoCodec::try_from(wish.video_codec).map_err(|_| invalid("video_codec"))? {
        VideoCodec::DefaultVc | VideoCodec::H264Main => Profile::Main,
        VideoCodec::H264Baseline => Profile::Baseline,
        VideoCodec::H264High => Profile::High,
        VideoCodec::Vp8 if tracks == RequestedTracks::Audio => Profile::Main,
        VideoCodec::Vp8 => return Err(invalid("video_codec")),
    };
    let interval = wish.key_frame_interval;
    if interval < 0.0 || !interval.is_finite() {
        return Err(invalid("key_frame_interval"));
    }
    if interval > 0.0 {
        // A shorter one than requested seeks no worse.
        let (least, most) = (KEY_FRAME_INTERVALS.start().as_secs_f64(), KEY_FRAME_INTERVALS.end().as_secs_f64());
        video.key_frame_interval =
            key_frame_interval(interval.clamp(least, most)).map_err(|_| invalid("key_frame_interval"))?;
    }
    Ok(video)
}

/// What a preset stands for.
fn preset_of(number: i32, layout: Layout) -> Result<VideoSettings> {
    if number == i32::from(proto::EncodingOptionsPreset::Passthrough) {
        return Err(unimplemented("passthrough; it is for single tracks"));
    }
    Preset::numbered(number).map(|preset| preset.video(layout)).ok_or_else(|| invalid("preset"))
}

/// Zero is no wish.
fn number(field: &str, n: i32) -> Result<Option<u32>> {
    let n = u32::try_from(n).map_err(|_| invalid(field))?;
    Ok((n > 0).then_some(n))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proto::{AudioCodec, EncodedFileType, VideoCodec};

    fn requested(
        file_type: EncodedFileType,
        tracks: RequestedTracks,
        advanced: proto::EncodingOptions,
    ) -> Result<Output> {
        let requested = EncodingRequest { preset: None, advanced: Some(advanced) };
        output(file_type.into(), tracks, Layout::from_name("grid"), &requested)
    }

    fn codec(audio: AudioCodec) -> proto::EncodingOptions {
        proto::EncodingOptions { audio_codec: audio.into(), ..Default::default() }
    }

    #[test]
    fn wishes_are_fulfilled() {
        let wish = proto::EncodingOptions {
            video_codec: VideoCodec::H264High.into(),
            key_frame_interval: 2.5,
            audio_bitrate: 96,
            audio_frequency: 32_000,
            ..Default::default()
        };
        let output = requested(EncodedFileType::Mp4, RequestedTracks::Both, wish).unwrap();
        let video = output.video().unwrap();
        assert_eq!((video.profile, video.key_frame_interval), (Profile::High, Duration::from_millis(2500)));
        assert_eq!(output.audio(), Some(&AudioSettings { bitrate: 96, frequency: 32_000 }));
        let usual = requested(EncodedFileType::Mp4, RequestedTracks::Both, Default::default()).unwrap();
        assert_eq!(usual.audio(), Some(&AudioSettings { bitrate: 128, frequency: 44_100 }), "as LiveKit Egress");
        let video = usual.video().unwrap();
        assert_eq!((video.profile, video.key_frame_interval), (Profile::Main, Duration::from_secs(4)));
        let baseline = proto::EncodingOptions { video_codec: VideoCodec::H264Baseline.into(), ..Default::default() };
        let baseline = requested(EncodedFileType::Mp4, RequestedTracks::Both, baseline).unwrap();
        assert_eq!(baseline.video().unwrap().profile, Profile::Baseline);
    }

    #[test]
    fn the_container_follows_from_type_tracks_and_codec() {
        use EncodedFileType::{DefaultFiletype, Mp3, Mp4, Ogg};
        let of = |file_type, tracks, audio| {
            let output = requested(file_type, tracks, codec(audio)).map_err(|e| e.message)?;
            Ok((output.container(), output.video().is_some(), output.audio().map(|audio| audio.frequency)))
        };
        use AudioCodec::{Aac, AcMp3, DefaultAc, Opus};
        let audio = |container, frequency| Ok((container, false, Some(frequency)));
        assert_eq!(of(DefaultFiletype, RequestedTracks::Both, DefaultAc), Ok((Container::Mp4, true, Some(44_100))));
        assert_eq!(of(DefaultFiletype, RequestedTracks::Video, DefaultAc), Ok((Container::Mp4, true, None)));
        assert_eq!(of(Mp4, RequestedTracks::Video, Opus), Ok((Container::Mp4, true, None)), "of no meaning");
        assert_eq!(of(DefaultFiletype, RequestedTracks::Audio, DefaultAc), audio(Container::Ogg, 48_000));
        assert_eq!(of(DefaultFiletype, RequestedTracks::Audio, Aac), audio(Container::Mp4, 44_100));
        assert_eq!(of(Mp4, RequestedTracks::Audio, DefaultAc), audio(Container::Mp4, 44_100));
        assert_eq!(of(Ogg, RequestedTracks::Audio, Opus), audio(Container::Ogg, 48_000));
        let missing = |field: &str| Err(format!("request has missing or invalid field: {field}"));
        assert_eq!(of(Ogg, RequestedTracks::Audio, Aac), missing("audio_codec"));
        for tracks in [RequestedTracks::Both, RequestedTracks::Video] {
            let none = Err("no supported codec is compatible with all outputs".to_owned());
            assert_eq!(of(Ogg, tracks, DefaultAc), none);
        }
        for (file_type, codec) in [(Mp4, Opus), (Mp3, DefaultAc), (Mp4, AcMp3)] {
            let error = requested(file_type, RequestedTracks::Audio, self::codec(codec)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unimplemented, "{error}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let wrong = |wish| requested(EncodedFileType::Mp4, RequestedTracks::Both, wish).unwrap_err().message;
        let missing = |field: &str| format!("request has missing or invalid field: {field}");
        let usual = proto::EncodingOptions::default;
        assert_eq!(wrong(proto::EncodingOptions { audio_frequency: 44_000, ..usual() }), missing("audio_frequency"));
        assert_eq!(wrong(proto::EncodingOptions { audio_bitrate: 9, ..usual() }), missing("audio_bitrate"));
        assert_eq!(wrong(proto::EncodingOptions { audio_bitrate: -1, ..usual() }), missing("audio_bitrate"));
        let vp8 = VideoCodec::Vp8.into();
        assert_eq!(wrong(proto::EncodingOptions { video_codec: vp8, ..usual() }), missing("video_codec"));
        let nan = proto::EncodingOptions { key_frame_interval: f64::NAN, ..usual() };
        assert_eq!(wrong(nan), missing("key_frame_interval"));
    }
}
