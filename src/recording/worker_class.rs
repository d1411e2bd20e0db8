//! How a mode is recorded: its worker class, from the configuration.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::recording::{AudioSettings, Container, Output, VideoSettings, even};
use crate::scene::{Arrangement, Layout, Size, Theme};

/// The kinds of work there are, under the names used in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `video_composite`: picture and audio.
    VideoComposite,
    /// `audio_composite`: audio alone; no video is even subscribed to.
    AudioComposite,
}

/// One mode's class with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerClass {
    class: Class,
    video: VideoSettings,
    audio: AudioSettings,
}

/// Every mode a client may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerClasses(BTreeMap<String, WorkerClass>);

/// What one request may ask to differ from its worker class. Numbers are checked when the output is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// LiveKit's layout name.
    pub layout: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Frames per second.
    pub framerate: Option<u32>,
    /// kbit/s.
    pub video_bitrate: Option<u32>,
}

/// A mode's layout unless it is said.
pub const LAYOUT: Layout = Layout { arrangement: Arrangement::Speaker, theme: Theme::Light };

/// The layout of this name, or an error that names `field` and the names there are. Stricter than LiveKit, which takes
/// every text for some layout: who writes a name of his own should hear of a slip.
pub fn layout_named(field: &str, name: &str) -> Result<Layout> {
    let layout = Layout::from_name(name);
    if layout.name() == name || layout.name() == format!("{name}-dark") {
        return Ok(layout);
    }
    let known = "grid, speaker or single-speaker, each also with -light or -dark";
    Err(Error::invalid(field, format!("there is no layout {name:?}; use {known}")))
}

impl Class {
    /// The class of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "video_composite" => Some(Self::VideoComposite),
            "audio_composite" => Some(Self::AudioComposite),
            _ => None,
        }
    }

    /// What it makes.
    pub const fn container(self) -> Container {
        match self {
            Self::VideoComposite => Container::Mp4,
            Self::AudioComposite => Container::Ogg,
        }
    }
}

impl WorkerClass {
    /// A class; the layout matters only to video.
    pub const fn new(class: Class, layout: Layout) -> Self {
        Self { class, video: VideoSettings::preset(layout), audio: AudioSettings::DEFAULT }
    }

    /// The same with these settings; those of the picture matter only to video.
    pub const fn with(self, video: VideoSettings, audio: AudioSettings) -> Self {
        Self { video, audio, ..self }
    }

    /// What it is a class of.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// What a request of this class makes. The error names the field at fault, with `prefix` before it.
    pub fn output(&self, requested: &Encoding, prefix: &str) -> Result<Output> {
        let prefixed = |e: Error| e.below(prefix);
        match self.class {
            Class::AudioComposite => {
                let fields = [
                    ("layout", requested.layout.is_some()),
                    ("width", requested.width.is_some()),
                    ("height", requested.height.is_some()),
                    ("framerate", requested.framerate.is_some()),
                    ("video_bitrate", requested.video_bitrate.is_some()),
                ];
                match fields.iter().find(|(_, given)| *given) {
                    Some((field, _)) => Err(Error::invalid(
                        &format!("{prefix}{field}"),
                        "this mode records audio only; leave it out or choose a mode with video",
                    )),
                    None => Output::ogg().with_audio(self.audio).map_err(prefixed),
                }
            }
            Class::VideoComposite => {
                let field = |name: &str| format!("{prefix}{name}");
                let mut video = self.video;
                if let Some(name) = &requested.layout {
                    video.layout = layout_named(&field("layout"), name)?;
                }
                let Size { width, height } = video.size;
                video.size = Size {
                    width: requested.width.map_or(Ok(width), |n| even(&field("width"), n))?,
                    height: requested.height.map_or(Ok(height), |n| even(&field("height"), n))?,
                };
                video.framerate = requested.framerate.unwrap_or(video.framerate);
                video.bitrate = requested.video_bitrate.unwrap_or(video.bitrate);
                Output::mp4(video).and_then(|output| output.with_audio(self.audio)).map_err(prefixed)
            }
        }
    }
}

impl WorkerClasses {
    /// The class of this mode, or an error that names `mode` and the modes there are.
    pub fn of(&self, mode: &str) -> Result<&WorkerClass> {
        self.0.get(mode).ok_or_else(|| {
            let names: Vec<_> = self.names().collect();
            Error::invalid("mode", format!("there is no mode {mode:?}; use one of {}", names.join(", ")))
        })
    }

    /// No mode at all.
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The modes there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a mode, or replaces it.
    pub fn set(&mut self, mode: String, class: WorkerClass) {
        self.0.insert(mode, class);
    }
}

impl Default for WorkerClasses {
    /// `screen_recording` → video; `transcript` → audio alone.
    fn default() -> Self {
        Self(BTreeMap::from([
            ("screen_recording".to_owned(), WorkerClass::new(Class::VideoComposite, LAYOUT)),
            ("transcript".to_owned(), WorkerClass::new(Class::AudioComposite, LAYOUT)),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_names_its_field() {
        let classes = WorkerClasses::default();
        let class = classes.of("screen_recording").unwrap();
        let odd = Encoding { width: Some(1281), ..Encoding::default() };
        assert_eq!(
            class.output(&odd, "options.").unwrap_err().message,
            "options.width: 1281 is odd; use an even number such as 1280"
        );
        let absurd = Encoding { video_bitrate: Some(9_000_000), ..Encoding::default() };
        assert!(class.output(&absurd, "options.").unwrap_err().message.starts_with("options.video_bitrate: 9000000"));
        let layout = Encoding { layout: Some("mosaic".into()), ..Encoding::default() };
        assert!(class.output(&layout, "options.").unwrap_err().message.contains("single-speaker"));
    }

    #[test]
    fn audio_alone_has_no_picture_to_set() {
        let classes = WorkerClasses::default();
        let class = classes.of("transcript").unwrap();
        assert!(class.output(&Encoding::default(), "").unwrap().video().is_none());
        let wide = Encoding { width: Some(640), ..Encoding::default() };
        assert!(class.output(&wide, "options.").unwrap_err().message.starts_with("options.width: this mode"));
    }

    #[test]
    fn an_unknown_mode_lists_the_known_ones() {
        let error = WorkerClasses::default().of("video").unwrap_err();
        assert_eq!(error.message, "mode: there is no mode \"video\"; use one of screen_recording, transcript");
    }
}
