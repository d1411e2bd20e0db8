//! The file: pictures and sound into encoders, muxer and disk.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Container, Output};

use super::conductor::Order;
use super::{bus, elements, mp4, plan};

/// The running output. Dropping it stops it as it is.
#[derive(Debug)]
pub struct File {
    pipeline: gst::Pipeline,
    path: PathBuf,
    container: Container,
    /// Where pictures go, unless it is sound alone.
    pub video: Option<gst_app::AppSrc>,
    /// Where sound goes.
    pub audio: gst_app::AppSrc,
    /// Samples the audio encoder puts before the sound.
    pub priming: usize,
}

impl File {
    /// Opens the file and starts the encoders; what becomes of them is told to `orders`.
    pub fn open(output: &Output, path: PathBuf, orders: Sender<Order>) -> Result<Self> {
        let plan = plan::output(output, elements::installed).map_err(|e| internal(e.to_string()))?;
        if let Some(missing) = elements::missing(&plan.description) {
            return Err(Error::new(ErrorKind::FailedPrecondition, missing));
        }
        std::fs::File::create(&path).map_err(|e| {
            Error::new(ErrorKind::FailedPrecondition, format!("cannot write {}: {e}", path.display()))
        })?;
        let pipeline = bus::parse(&plan.description).map_err(internal)?;
        let video = match output.video() {
            Some(_) => Some(bus::element(&pipeline, "video").map_err(internal)?),
            None => None,
        };
        let audio = bus::element(&pipeline, "audio").map_err(internal)?;
        let sink: gst::Element = bus::element(&pipeline, "sink").map_err(internal)?;
        sink.set_property("location", path.to_string_lossy().as_ref());
        let written = path.clone();
        bus::watch(&pipeline, move |message| {
            // The conductor may be gone already; then nobody cares.
            let _ = orders.send(match message {
                bus::Message::Error(why) => Order::OutputBroke(format!("writing {}: {why}", written.display())),
                bus::Message::End => Order::OutputEnded,
            });
        });
        if pipeline.set_state(gst::State::Playing).is_err() {
            bus::close(&pipeline);
            return Err(internal(format!("writing {}: the encoders do not start", path.display())));
        }
        tracing::info!(encoder = plan.encoder, path = %path.display(), "output opened");
        Ok(Self { pipeline, path, container: output.container(), video, audio, priming: plan.priming })
    }

    /// After the end of the streams: makes the file whole and says how many bytes it has.
    pub fn close(&self) -> std::result::Result<u64, String> {
        bus::close(&self.pipeline);
        let length = match self.container {
            Container::Mp4 => mp4::finalise(&self.path),
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
