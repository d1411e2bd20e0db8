//! The sample tracks in memory, each read once and shared by all who play it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Failure;
use crate::cast::{CAST, VOICES};
use crate::clip::{AudioClip, VideoClip};
use crate::options::{Content, Options};
use crate::payload::Codec;

/// Sizes of the layers, smallest first.
const LANDSCAPE: [(u32, u32); 3] = [(320, 180), (640, 360), (1280, 720)];
const PORTRAIT: [(u32, u32); 3] = [(180, 320), (360, 640), (720, 1280)];
const SHARE: (u32, u32) = (1920, 1080);
const CAMERA_FPS: u32 = 30;
const SHARE_FPS: u32 = 15;

/// Reads on demand.
pub struct Library {
    folder: PathBuf,
    content: Content,
    portrait: bool,
    videos: Mutex<HashMap<(String, u32, Codec), Arc<VideoClip>>>,
}

impl Library {
    pub fn new(options: &Options) -> Self {
        Self {
            folder: options.media.clone(),
            content: options.content,
            portrait: options.portrait,
            videos: Mutex::default(),
        }
    }

    /// The layers of a participant's camera, smallest first; one only if the codec has no simulcast here.
    pub fn camera(&self, participant: usize, codec: Codec) -> Result<Vec<Arc<VideoClip>>, Failure> {
        let stem = match (self.content, codec) {
            (Content::Beep, _) => format!("beep-{}", CAST[participant % CAST.len()].colour),
            (Content::Speech, Codec::Vp8) if self.portrait => "portrait".to_owned(),
            (Content::Speech, Codec::Vp8) => format!("person{}", participant % VOICES),
            // Two people were encoded in the other codecs.
            (Content::Speech, Codec::Vp9 | Codec::H264 | Codec::Av1) => format!("person{}", participant % 2),
        };
        let sizes = if self.portrait { &PORTRAIT } else { &LANDSCAPE };
        let sizes = if codec.simulcast() { &sizes[..] } else { &sizes[2..] };
        sizes.iter().map(|size| self.video(&stem, *size, codec, CAMERA_FPS)).collect()
    }

    /// The screen share, always VP8.
    pub fn share(&self) -> Result<Arc<VideoClip>, Failure> {
        let stem = match self.content {
            Content::Beep => "beep-magenta",
            Content::Speech => "share",
        };
        self.video(stem, SHARE, Codec::Vp8, SHARE_FPS)
    }

    /// What a participant says.
    pub fn voice(&self, participant: usize) -> Result<Arc<AudioClip>, Failure> {
        Ok(Arc::new(match self.content {
            Content::Beep => AudioClip::beep(&self.folder, CAST[participant % CAST.len()].tone_hz)?,
            Content::Speech => AudioClip::speech(&self.folder, participant % VOICES)?,
        }))
    }

    fn video(&self, stem: &str, size: (u32, u32), codec: Codec, fps: u32) -> Result<Arc<VideoClip>, Failure> {
        let mut videos = self.videos.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stem.to_owned(), size.0, codec);
        if let Some(clip) = videos.get(&key) {
            return Ok(clip.clone());
        }
        let clip = Arc::new(VideoClip::load(&self.folder, stem, size, codec, fps)?);
        videos.insert(key, clip.clone());
        Ok(clip)
    }
}
