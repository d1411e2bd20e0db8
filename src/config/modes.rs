//! Pure. The modes: `worker_classes`, and the encoding that holds for all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Warning;
use super::upstream::class as class_name;
use crate::document::checked;
use crate::error::{Error, Result};
use crate::recording::{
    AudioSettings, Class, Encoding as RpcRequest, LAYOUT, Preset, VideoSettings, WorkerClass, WorkerClasses, even,
    key_frame_interval, layout_named,
};
use crate::scene::{Even, Size};
use crate::storage;

/// The section `recording.encoding` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EncodingSection {
    enabled: bool,
    #[serde(deserialize_with = "side")]
    width: Option<Even>,
    #[serde(deserialize_with = "side")]
    height: Option<Even>,
    framerate: Option<u32>,
    video_bitrate_kbps: Option<u32>,
    audio_bitrate_kbps: Option<u32>,
    #[serde(deserialize_with = "seconds")]
    key_frame_interval_s: Option<Duration>,
}

/// What videos are made like, unless their mode or request says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    /// Its layout means nothing.
    video: VideoSettings,
    audio: AudioSettings,
}

impl Encoding {
    /// As `RECORDING_ENCODING_ENABLED` says, all of the values count or none.
    pub fn read(section: &EncodingSection, warnings: &mut Vec<Warning>) -> Self {
        let default = Self { video: VideoSettings::preset(LAYOUT), audio: AudioSettings::DEFAULT };
        let Size { width, height } = default.video.size;
        let video = VideoSettings {
            size: Size { width: section.width.unwrap_or(width), height: section.height.unwrap_or(height) },
            framerate: section.framerate.unwrap_or(default.video.framerate),
            bitrate: section.video_bitrate_kbps.unwrap_or(default.video.bitrate),
            key_frame_interval: section.key_frame_interval_s.unwrap_or(default.video.key_frame_interval),
            ..default.video
        };
        let bitrate = section.audio_bitrate_kbps.unwrap_or(default.audio.bitrate);
        let audio = AudioSettings { bitrate, ..default.audio };
        if section.enabled {
            return Self { video, audio };
        }
        if (video, audio) != (default.video, default.audio) {
            warnings.push(Warning::note("recording.encoding: has no effect while recording.encoding.enabled is false"));
        }
        default
    }
}

fn side<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Even>, D::Error> {
    let read = |n| even("", n).map_err(|e| e.why().to_owned());
    checked(value, |n: Option<u32>| n.map(read).transpose())
}

fn seconds<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Duration>, D::Error> {
    checked(value, |seconds: Option<f64>| seconds.map(key_frame_interval).transpose())
}

/// A mode of `worker_classes`: a class, or a class with its options. Meet's class paths are known.
#[derive(Debug, Default)]
pub(super) struct Mode(ModeSection);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModeSection {
    class: Option<String>,
    layout: Option<String>,
    preset: Option<String>,
    outputs: Option<Vec<String>>,
    storage: Option<storage::Section>,
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(value: D) -> std::result::Result<Self, D::Error> {
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = ModeSection;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a class, or an object")
            }

            fn visit_str<E>(self, class: &str) -> std::result::Result<ModeSection, E> {
                Ok(ModeSection { class: Some(class.to_owned()), ..ModeSection::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> std::result::Result<ModeSection, A::Error> {
                ModeSection::deserialize(MapAccessDeserializer::new(object))
            }
        }
        value.deserialize_any(TextOrObject).map(Self)
    }
}

/// The modes, and the storages of those that have one of their own.
pub(super) type Modes = (WorkerClasses, BTreeMap<String, storage::Settings>);

/// What the section `worker_classes` says.
pub(super) fn read(modes: BTreeMap<String, Mode>, encoding: &Encoding) -> Result<Modes> {
    let (mut classes, mut storages) = (WorkerClasses::none(), BTreeMap::new());
    for (name, Mode(mut mode)) in modes {
        let path = format!("worker_classes.{name}");
        let below = |e: Error| e.below(&format!("{path}."));
        if let Some(storage) = mode.storage.take() {
            storages.insert(name.clone(), storage::Settings::read(storage).map_err(below)?);
        }
        let class = mode_class(mode, encoding).map_err(below)?;
        // What cannot be encoded is said now and not at the first recording.
        class.output(&RpcRequest::default(), "").map_err(|e| at_encoding(&path, &e))?;
        classes.set(name, class);
    }
    if classes.names().next().is_none() {
        return Err(Error::invalid(
            "worker_classes",
            "names no mode; leave it out for screen_recording and transcript",
        ));
    }
    Ok((classes, storages))
}

fn mode_class(mode: ModeSection, encoding: &Encoding) -> Result<WorkerClass> {
    let names = "use video_composite or audio_composite";
    let name = mode.class.ok_or_else(|| Error::invalid("class", format!("missing; {names}")))?;
    let class = Class::named(class_name(&name))
        .ok_or_else(|| Error::invalid("class", format!("there is no class {name:?}; {names}")))?;
    let layout = layout_named("layout", mode.layout.as_deref().unwrap_or(LAYOUT.name()))?;
    let mut video = VideoSettings { layout, ..encoding.video };
    if let Some(name) = mode.preset {
        let known = || Preset::ALL.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let preset = Preset::named(&name)
            .ok_or_else(|| Error::invalid("preset", format!("there is no preset {name:?}; use one of {}", known())))?;
        video = VideoSettings { key_frame_interval: video.key_frame_interval, ..preset.video(video.layout) };
    }
    let extension = class.container().extension();
    if mode.outputs.is_some_and(|outputs| outputs != [extension]) {
        let why = format!("{name} makes exactly one file; use [{extension}] or leave it out");
        return Err(Error::invalid("outputs", why));
    }
    Ok(WorkerClass::new(class, video.layout).with(video, encoding.audio))
}

/// The encoding of this mode, under the names of `recording.encoding`.
fn at_encoding(mode: &str, error: &Error) -> Error {
    let (field, why) = (error.field().unwrap_or_default(), error.why());
    let unit = match field {
        "video_bitrate" | "audio_bitrate" => "_kbps",
        "key_frame_interval" => "_s",
        _ => "",
    };
    Error::invalid(&format!("recording.encoding.{field}{unit}"), format!("{why} (of {mode})"))
}
