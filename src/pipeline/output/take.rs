//! Where a take begins: at zero in a new file, or where the file of the takes before it ends.
//!
//! A recording that is interrupted goes on in the same file: each take is a pipeline of its own, from where the file ends, and
//! what it writes is appended. What nobody recorded meanwhile is silence, and the frame that the take begins with.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

pub use super::mp4::LastGroup;
use super::mp4::{self, FileEnd};
use super::{ogg, salvage};
use crate::pipeline::audio::mixer::RATE;
use crate::pipeline::clock::span;
use crate::pipeline::command::EngineCommand;
use crate::recording::Container;
use crate::timeline::RecordingTime;

/// A further take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    file: End,
    begin: RecordingTime,
    whole: RecordingTime,
    audio_lead: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Mp4(FileEnd),
    Ogg(ogg::StreamEnd),
}

impl Take {
    /// Reopens the file of an interrupted recording: what is not whole at its end is cut off. `None` when nothing can be appended
    /// to it: it was finished, or nothing is in it yet.
    pub fn reopen(container: Container, path: &Path, steps: &AtomicU64) -> io::Result<Option<Self>> {
        match container {
            Container::Mp4 => Ok(mp4::reopen(path, steps)?.map(Self::of_mp4)),
            Container::Ogg => {
                let (tail, bytes) = salvage::tail(path)?;
                let Some(end) = ogg::reopen(&tail, bytes) else { return Ok(None) };
                std::fs::File::options().write(true).open(path)?.set_len(end.bytes)?;
                // What goes into the encoder comes out later by its priming, which is not played at the beginning of the stream.
                let begin = span(end.granule, RATE as u64);
                Ok(Some(Self { file: End::Ogg(end), begin, whole: begin, audio_lead: 0 }))
            }
        }
    }

    /// The take begins where the longest track ends. Video of the others goes on there too: a frame may last longer; audio goes
    /// on at once, without a gap.
    fn of_mp4(mut end: FileEnd) -> Self {
        let ends = || end.tracks.iter().map(mp4::TrackEnd::end_ns);
        let (whole, begin) = (ends().min().unwrap_or(0), ends().max().unwrap_or(0));
        let mut audio_lead = 0;
        for track in &mut end.tracks {
            let early = begin - track.end_ns();
            if &track.handler == b"soun" {
                audio_lead = early * RATE as i64 / 1_000_000_000;
            } else {
                track.end +=
                    u64::try_from(i128::from(early) * i128::from(track.timescale) / 1_000_000_000).unwrap_or(0);
            }
        }
        Self { file: End::Mp4(end), begin, whole, audio_lead }
    }

    /// Recording time at which the take's own time begins.
    pub const fn begin(&self) -> RecordingTime {
        self.begin
    }

    /// Recording time up to which the takes before have everything: their tracks end one after the other, up to a fragment apart.
    pub const fn whole(&self) -> RecordingTime {
        self.whole
    }

    /// When it begins, of a recording whose time zero is `start`.
    pub fn begins_at(&self, start: Instant) -> Instant {
        start + Duration::from_nanos(self.begin.max(0).unsigned_abs())
    }

    /// Where the last picture of the file is, if it has any.
    pub const fn picture(&self) -> Option<&LastGroup> {
        match &self.file {
            End::Mp4(end) => end.picture.as_ref(),
            End::Ogg(_) => None,
        }
    }

    /// Samples (of the mixer) by which its audio begins earlier.
    pub const fn audio_lead(&self) -> i64 {
        self.audio_lead
    }

    /// Lets what the muxer writes be appended; `sink` is where it arrives. What does not fit breaks the output.
    pub(super) fn append(&self, sink: &gst::Element, commands: Sender<EngineCommand>) -> Option<()> {
        let mut append = match &self.file {
            End::Mp4(end) => Append::Mp4(mp4::Append::new(end.clone())),
            End::Ogg(end) => Append::Ogg(ogg::Append::new(*end)),
        };
        let mut broken = false;
        let pad = sink.static_pad("sink")?;
        let mut append = move |buffer: &gst::BufferRef| {
            if broken {
                return Vec::new();
            }
            let fed = buffer.map_readable().map_err(|e| e.to_string()).and_then(|bytes| append.feed(&bytes));
            fed.unwrap_or_else(|why| {
                broken = true;
                let _ = commands.send(EngineCommand::OutputBroke(format!("a further take cannot be appended: {why}")));
                Vec::new()
            })
        };
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        let append = std::sync::Mutex::new(move |data: &gst::PadProbeData| {
            if let gst::PadProbeData::Buffer(buffer) = data {
                append(buffer)
            } else if let gst::PadProbeData::BufferList(list) = data {
                list.iter().flat_map(&mut append).collect()
            } else {
                Vec::new()
            }
        });
        pad.add_probe(kinds, move |_, info| {
            let mut append = append.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let bytes = info.data.as_ref().map_or_else(Vec::new, &mut *append);
            if bytes.is_empty() {
                return gst::PadProbeReturn::Handled;
            }
            info.data = Some(gst::PadProbeData::Buffer(gst::Buffer::from_mut_slice(bytes)));
            gst::PadProbeReturn::Ok
        });
        Some(())
    }
}

/// What rewrites the muxer's output.
enum Append {
    Mp4(mp4::Append),
    Ogg(ogg::Append),
}

impl Append {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Mp4(append) => append.feed(bytes),
            Self::Ogg(append) => append.feed(bytes),
        }
    }
}
