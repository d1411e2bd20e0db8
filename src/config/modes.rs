//! Pure. The modes: `worker_classes`, and the encoding that holds for all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Warning;
use super::upstream::class as class_name;
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::recording::{
    AudioSettings, Class, Encoding as RpcRequest, Preset, VideoSettings, WorkerClass, WorkerClasses, even, layout_named,
};
use crate::scene::Size;
use crate::storage;

/// A mode's layout unless told otherwise.
const LAYOUT: &str = "speaker-light";

/// The section `recording.encoding`: what videos are made like, unless their mode or request says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    /// Its layout means nothing.
    video: VideoSettings,
    audio: AudioSettings,
}

impl Encoding {
    /// As `RECORDING_ENCODING_ENABLED` says, all of the values count or none.
    pub fn read(fields: &mut Fields, warnings: &mut Vec<Warning>) -> Result<Self> {
        let default = VideoSettings::preset(layout_named("layout", LAYOUT)?);
        let enabled = fields.flag("enabled")?.unwrap_or(false);
        let Size { width, height } = default.size;
        let interval_path = fields.path_of("key_frame_interval_s");
        let size =
            Size { width: side(fields, "width")?.unwrap_or(width), height: side(fields, "height")?.unwrap_or(height) };
        let framerate = fields.number("framerate")?.unwrap_or(default.framerate);
        let bitrate = fields.number("video_bitrate_kbps")?.unwrap_or(default.bitrate);
        let audio = fields.number("audio_bitrate_kbps")?.unwrap_or(AudioSettings::DEFAULT.bitrate);
        let seconds = fields.real("key_frame_interval_s")?.unwrap_or(default.key_frame_interval.as_secs_f64());
        if !(0.001..=60.0).contains(&seconds) {
            let why = format!("{seconds} is out of range; use 0.001 to 60 seconds");
            return Err(Error::invalid(&interval_path, why));
        }
        let key_frame_interval = Duration::from_millis((seconds * 1000.0).round() as u64);
        let video = VideoSettings { size, framerate, bitrate, key_frame_interval, ..default };
        let audio = AudioSettings { bitrate: audio, ..AudioSettings::DEFAULT };
        if enabled {
            return Ok(Self { video, audio });
        }
        if video != default || audio != AudioSettings::DEFAULT {
            warnings.push(Warning::note("recording.encoding: has no effect while recording.encoding.enabled is false"));
        }
        Ok(Self { video: default, audio: AudioSettings::DEFAULT })
    }
}

fn side(fields: &mut Fields, key: &str) -> Result<Option<crate::scene::Even>> {
    let path = fields.path_of(key);
    fields.number(key)?.map(|n| even(&path, n)).transpose()
}

/// The modes, and the storages of those that have one of their own.
pub(super) type Modes = (WorkerClasses, BTreeMap<String, storage::Settings>);

/// The section `worker_classes`. A mode is a class, or a class with its options; Meet's class paths are known. `left` gets the
/// paths that nobody has read.
pub(super) fn read(modes: &mut Fields, encoding: &Encoding, left: &mut Vec<String>) -> Result<Modes> {
    let (mut classes, mut storages) = (WorkerClasses::none(), BTreeMap::new());
    for mode in modes.keys() {
        let path = modes.path_of(&mode);
        let mut fields = modes.section_or_text(&mode, "class")?;
        if let Some(storage) = fields.within("storage", storage::Settings::read)? {
            storages.insert(mode.clone(), storage);
        }
        let class = mode_class(&mut fields, encoding)?;
        // What cannot be encoded is said now and not at the first recording.
        class.output(&RpcRequest::default(), "").map_err(|e| at_encoding(&path, &e))?;
        left.extend(fields.left());
        classes.set(mode, class);
    }
    if classes.names().next().is_none() {
        return Err(Error::invalid(
            "worker_classes",
            "names no mode; leave it out for screen_recording and transcript",
        ));
    }
    Ok((classes, storages))
}

fn mode_class(fields: &mut Fields, encoding: &Encoding) -> Result<WorkerClass> {
    let path = fields.path_of("class");
    let names = "use video_composite or audio_composite";
    let name = fields.text("class")?.ok_or_else(|| Error::invalid(&path, format!("missing; {names}")))?;
    let class = Class::named(class_name(&name))
        .ok_or_else(|| Error::invalid(&path, format!("there is no class {name:?}; {names}")))?;
    let layout = fields.text("layout")?.unwrap_or_else(|| LAYOUT.to_owned());
    let mut video = VideoSettings { layout: layout_named(&fields.path_of("layout"), &layout)?, ..encoding.video };
    let path = fields.path_of("preset");
    if let Some(name) = fields.text("preset")? {
        let known = || Preset::ALL.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let preset = Preset::named(&name)
            .ok_or_else(|| Error::invalid(&path, format!("there is no preset {name:?}; use one of {}", known())))?;
        video = VideoSettings { key_frame_interval: video.key_frame_interval, ..preset.video(video.layout) };
    }
    let extension = class.container().extension();
    let path = fields.path_of("outputs");
    if fields.texts("outputs")?.is_some_and(|outputs| outputs != [extension]) {
        let why = format!("{name} makes exactly one file; use [{extension}] or leave it out");
        return Err(Error::invalid(&path, why));
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
