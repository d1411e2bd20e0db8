//! LiveKit's encoding presets: the one place that knows them.

use std::time::Duration;

use crate::recording::{Profile, VideoSettings};
use crate::scene::{Even, Layout, Size};

/// One of LiveKit's `EncodingOptionsPreset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// LiveKit's name.
    pub name: &'static str,
    /// Pixels.
    width: u32,
    height: u32,
    /// Frames per second.
    framerate: u32,
    /// kbit/s.
    bitrate: u32,
}

impl Preset {
    /// In the order of LiveKit's numbers, from 0.
    pub const ALL: [Self; 8] = [
        Self::new("H264_720P_30", 1280, 720, 30, 3000),
        Self::new("H264_720P_60", 1280, 720, 60, 4500),
        Self::new("H264_1080P_30", 1920, 1080, 30, 4500),
        Self::new("H264_1080P_60", 1920, 1080, 60, 6000),
        Self::new("PORTRAIT_H264_720P_30", 720, 1280, 30, 3000),
        Self::new("PORTRAIT_H264_720P_60", 720, 1280, 60, 4500),
        Self::new("PORTRAIT_H264_1080P_30", 1080, 1920, 30, 4500),
        Self::new("PORTRAIT_H264_1080P_60", 1080, 1920, 60, 6000),
    ];

    const fn new(name: &'static str, width: u32, height: u32, framerate: u32, bitrate: u32) -> Self {
        Self { name, width, height, framerate, bitrate }
    }

    /// The preset of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.name == name)
    }

    /// The preset of this number in LiveKit's protocol.
    pub fn numbered(number: i32) -> Option<&'static Self> {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number))
    }

    /// Its settings in this layout, H.264 Main with a key frame every 4 s.
    pub const fn video(&self, layout: Layout) -> VideoSettings {
        let size = Size { width: Even::floor(self.width), height: Even::floor(self.height) };
        let key_frame_interval = Duration::from_secs(4);
        let (framerate, bitrate, profile) = (self.framerate, self.bitrate, Profile::Main);
        VideoSettings { layout, size, framerate, bitrate, key_frame_interval, profile }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Output;

    #[test]
    fn every_preset_can_be_made_and_keeps_its_number() {
        for (number, preset) in Preset::ALL.iter().enumerate() {
            Output::mp4(preset.video(Layout::from_name("grid"))).unwrap();
            assert_eq!(Preset::numbered(number as i32), Preset::named(preset.name));
        }
        assert!(Preset::numbered(8).is_none() && Preset::numbered(-1).is_none());
    }
}
