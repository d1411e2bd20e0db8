//! The file: video and audio into encoders, muxer and disk.

pub mod encoder;
mod mp4;
mod ogg;
pub mod salvage;
pub mod take;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Container, Output};

use encoder::Encoder;
use take::Take;

use crate::pipeline::command::EngineCommand;
use crate::pipeline::launch::{bus, elements, plan};

/// The running output. Dropping it stops it as it is.
#[derive(Debug)]
pub struct File {
    pipeline: gst::Pipeline,
    path: PathBuf,
    container: Container,
    /// Where frames go, unless it is audio alone.
    pub video: Option<gst_app::AppSrc>,
    /// Where audio goes, unless it is the picture alone.
    pub audio: Option<gst_app::AppSrc>,
    /// Where a cheaper video encoder can be put, if there is one.
    pub encoder: Option<Encoder>,
    /// Samples (of the mixer) that the audio encoder puts before the audio.
    pub priming: usize,
    /// Samples (of the mixer) by which audio begins before time zero of this take.
    pub audio_lead: i64,
    /// Steps of making the file whole: it goes on as long as they grow.
    pub steps: Arc<AtomicU64>,
}

impl File {
    /// Opens the file and starts the encoders; what becomes of them is reported to `commands`. A further `take` is appended to the
    /// file that is there.
    pub fn open(output: &Output, path: PathBuf, take: Option<&Take>, commands: Sender<EngineCommand>) -> Result<Self> {
        let plan = plan::output(output, elements::installed).map_err(|e| internal(e.to_string()))?;
        if let Some(missing) = elements::missing(&plan.description) {
            return Err(Error::new(ErrorKind::FailedPrecondition, missing));
        }
        let mut options = std::fs::File::options();
        options.write(true).create(true).truncate(take.is_none());
        options
            .open(&path)
            .map_err(|e| Error::new(ErrorKind::FailedPrecondition, format!("cannot write {}: {e}", path.display())))?;
        let pipeline = bus::parse(&plan.description).map_err(internal)?;
        let source = |name| bus::element(&pipeline, name).map_err(internal);
        let video = output.video().map(|_| source("video")).transpose()?;
        let audio = output.audio().map(|_| source("audio")).transpose()?;
        let sink: gst::Element = bus::element(&pipeline, "sink").map_err(internal)?;
        let location = path.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("{}: the path is not UTF-8", path.display()))
        })?;
        sink.set_property("location", location);
        if let Some(take) = take {
            sink.set_property("append", true);
            take.append(&sink, commands.clone()).ok_or_else(|| internal("the sink has no pad".to_owned()))?;
        }
        let written = path.clone();
        bus::watch(&pipeline, move |message| {
            // The engine may be gone already; then nobody cares.
            let _ = commands.send(match message {
                bus::BusMessage::Error(why) => {
                    EngineCommand::OutputBroke(format!("writing {}: {why}", written.display()))
                }
                bus::BusMessage::End => EngineCommand::OutputEnded,
            });
        });
        if pipeline.set_state(gst::State::Playing).is_err() {
            bus::close(&pipeline);
            return Err(internal(format!("writing {}: the encoders do not start", path.display())));
        }
        let encoder = plan.encoder.zip(plan.fast_encoder);
        let encoder = encoder.map(|(factory, (usual, fast))| Encoder::new(&pipeline, factory, usual, fast));
        tracing::info!(encoder = plan.encoder, path = %path.display(), "output opened");
        Ok(Self {
            pipeline,
            path,
            container: output.container(),
            video,
            audio,
            encoder,
            priming: plan.priming,
            audio_lead: take.map_or(0, Take::audio_lead),
            steps: Arc::default(),
        })
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        length(&self.path)
    }

    /// After the end of the streams: makes the file whole and says how many bytes it has.
    pub fn close(&self) -> std::result::Result<u64, String> {
        bus::close(&self.pipeline);
        let length = match self.container {
            Container::Mp4 => mp4::finalise(&self.path, &self.steps).map(|made| made.bytes),
            Container::Ogg => std::fs::metadata(&self.path).map(|m| m.len()),
        };
        length.map_err(|e| format!("finishing {}: {e}", self.path.display()))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        bus::close(&self.pipeline);
    }
}

/// Bytes of a file now; 0 when it is not there.
pub fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

fn internal(message: String) -> Error {
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Codec;
    use crate::pipeline::launch::template;
    use crate::recording::VideoSettings;
    use crate::scene::{Arrangement, Layout, Theme};

    fn mp4() -> Output {
        let layout = Layout { arrangement: Arrangement::Speaker, theme: Theme::Dark };
        Output::mp4(VideoSettings::preset(layout)).unwrap()
    }

    #[test]
    fn every_file_parses() {
        gst::init().unwrap();
        for codec in [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            let text = template::fill(plan::input(codec), &[]).unwrap();
            assert_eq!(elements::missing(&text), None, "{codec:?}");
            let pipeline = bus::parse(&text).unwrap();
            bus::element::<gst_app::AppSrc>(&pipeline, "in").unwrap();
            bus::element::<gst_app::AppSink>(&pipeline, "out").unwrap();
        }
        let silent = || Output::silent_mp4(*mp4().video().unwrap()).unwrap();
        for (output, absent, encoder) in [
            (mp4(), "", Some("x264enc")),
            (mp4(), "x264enc", Some("openh264enc")),
            (silent(), "", Some("x264enc")),
            (Output::audio_mp4(), "", None),
            (Output::ogg(), "", None),
        ] {
            let plan = plan::output(&output, |e| e != absent).unwrap();
            assert_eq!(plan.encoder, encoder);
            assert_eq!(elements::missing(&plan.description), None);
            let pipeline = bus::parse(&plan.description).unwrap();
            assert_eq!(bus::element::<gst_app::AppSrc>(&pipeline, "video").is_ok(), output.video().is_some());
            assert_eq!(bus::element::<gst_app::AppSrc>(&pipeline, "audio").is_ok(), output.audio().is_some());
            bus::element::<gst::Element>(&pipeline, "sink").unwrap();
        }
    }

    #[test]
    fn an_absent_element_is_named_with_its_package() {
        gst::init().unwrap();
        let line = elements::missing("appsrc ! nosuchenc ! fakesink").unwrap();
        assert!(line.contains("nosuchenc"), "{line}");
        assert_eq!(elements::package("x264enc"), "gstreamer1.0-plugins-ugly");
    }

    #[test]
    fn an_unwritable_path_is_named() {
        gst::init().unwrap();
        let (commands, _kept) = std::sync::mpsc::channel();
        let error = File::open(&mp4(), "/nowhere/at/all.mp4".into(), None, commands).unwrap_err();
        assert_eq!(error.kind, ErrorKind::FailedPrecondition);
        assert!(error.message.contains("/nowhere/at/all.mp4"), "{error}");
    }
}
