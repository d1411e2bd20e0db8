//! Pure. What is made, as the row of a recording has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::recording::{AudioSettings, Container, Output, Profile, VideoSettings, even, layout_named};
use crate::scene::Size;

/// The fields of a row that say what is made.
#[derive(Serialize, Deserialize)]
pub(super) struct OutputRow {
    container: ContainerRow,
    video: Option<VideoRow>,
    /// kbit/s.
    #[serde(default)]
    audio_bitrate: Option<u32>,
    /// Hz.
    #[serde(default)]
    audio_frequency: Option<u32>,
    /// The picture alone.
    #[serde(default)]
    silent: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContainerRow {
    Mp4,
    Ogg,
}

#[derive(Serialize, Deserialize)]
struct VideoRow {
    layout: String,
    width: u32,
    height: u32,
    framerate: u32,
    bitrate: u32,
    /// Seconds.
    key_frame_interval: f64,
    #[serde(default)]
    profile: ProfileRow,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProfileRow {
    Baseline,
    #[default]
    Main,
    High,
}

impl OutputRow {
    pub(super) fn of(output: &Output) -> Self {
        Self {
            container: match output.container() {
                Container::Mp4 => ContainerRow::Mp4,
                Container::Ogg => ContainerRow::Ogg,
            },
            video: output.video().map(VideoRow::of),
            audio_bitrate: output.audio().map(|audio| audio.bitrate),
            audio_frequency: output.audio().map(|audio| audio.frequency),
            silent: output.audio().is_none(),
        }
    }

    pub(super) fn output(self) -> Result<Output, String> {
        let settings = |video: VideoRow| video.settings();
        let output = match (self.container, self.video.map(settings).transpose()?, self.silent) {
            (ContainerRow::Mp4, Some(video), false) => Output::mp4(video),
            (ContainerRow::Mp4, Some(video), true) => Output::silent_mp4(video),
            (ContainerRow::Mp4, None, false) => Ok(Output::audio_mp4()),
            (ContainerRow::Ogg, None, false) => Ok(Output::ogg()),
            (ContainerRow::Ogg, Some(_), _) | (ContainerRow::Mp4 | ContainerRow::Ogg, None, true) => {
                return Err("its container does not go with its tracks".to_owned());
            }
        };
        let usual = AudioSettings::DEFAULT;
        let audio = AudioSettings {
            bitrate: self.audio_bitrate.unwrap_or(usual.bitrate),
            frequency: self.audio_frequency.unwrap_or(usual.frequency),
        };
        output.and_then(|output| output.with_audio(audio)).map_err(|e| e.to_string())
    }
}

impl VideoRow {
    fn of(video: &VideoSettings) -> Self {
        let VideoSettings { layout, size, framerate, bitrate, key_frame_interval, profile } = *video;
        let (width, height) = (size.width.get(), size.height.get());
        let key_frame_interval = key_frame_interval.as_secs_f64();
        let profile = match profile {
            Profile::Baseline => ProfileRow::Baseline,
            Profile::Main => ProfileRow::Main,
            Profile::High => ProfileRow::High,
        };
        Self { layout: layout.name().to_owned(), width, height, framerate, bitrate, key_frame_interval, profile }
    }

    fn settings(self) -> Result<VideoSettings, String> {
        let layout = layout_named("layout", &self.layout).map_err(|e| e.to_string())?;
        let size = Size {
            width: even("width", self.width).map_err(|e| e.to_string())?,
            height: even("height", self.height).map_err(|e| e.to_string())?,
        };
        let (framerate, bitrate) = (self.framerate, self.bitrate);
        let key_frame_interval = Duration::try_from_secs_f64(self.key_frame_interval).map_err(|e| e.to_string())?;
        let profile = match self.profile {
            ProfileRow::Baseline => Profile::Baseline,
            ProfileRow::Main => Profile::Main,
            ProfileRow::High => Profile::High,
        };
        Ok(VideoSettings { layout, size, framerate, bitrate, key_frame_interval, profile })
    }
}
