//! GStreamer: encoded media in, one file out.

mod audio;
mod clock;
mod command;
mod engine;
mod guard;
mod input;
mod launch;
mod output;
mod stats;
mod video;

pub use clock::{LATENCY, LEAD};
pub use launch::inventory::{Inventory, inventory};
pub use output::length;
pub use output::salvage::{Left, salvage};
pub use output::take::Take;
pub use video::fonts::system_fonts;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use gstreamer as gst;
use tokio::sync::mpsc::UnboundedSender;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ParticipantId, TrackId};
use crate::media::{Codec, SenderReport, Unit};
use crate::recording::{HoleCause, Output, Quality};
use crate::scene::Scene;

use audio::mixer;
use audio::thread::MixerThread;
use clock::RecordingClock;
use command::EngineCommand;
use engine::Engine;
use input::decoder::Surroundings;
use stats::Counters;
use video::card::Card;
use video::painter::{Outlet, Painter, PainterCommand};

/// What the pipeline tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first samples are on their way to the muxer.
    Flowing,
    /// Nothing can be decoded before a key frame comes: ask the publisher for one.
    NeedKeyframe(TrackId),
    /// A frame of this track was decoded for the first time, or again after `Undecodable`.
    Decoding(TrackId),
    /// This track cannot be decoded (missing decoder, broken stream): show initials instead.
    Undecodable(TrackId, String),
    /// This much of a track's audio is not in the file: it never came, came too late, or could not be decoded.
    AudioLost {
        /// Of this track.
        track: TrackId,
        /// Nanoseconds of it.
        ns: u64,
    },
    /// Nothing that arrived in this time could be written, or this process stood still.
    Hole {
        /// Recording time, nanoseconds.
        from_ns: u64,
        /// Recording time, nanoseconds.
        to_ns: u64,
        /// What happened.
        cause: HoleCause,
        /// For people.
        why: String,
    },
    /// The machine does not keep up, or does again: this much is done for the picture from now on.
    QualityChanged {
        /// What is done.
        quality: Quality,
        /// Milliseconds by which the picture was late.
        late_ms: u64,
    },
    /// The file is whole. Bytes, and nanoseconds of media. The last event.
    Drained {
        /// File size.
        bytes: u64,
        /// Length of the recording.
        duration_ns: u64,
    },
    /// The output broke: encoder, muxer or disk. The last event.
    Broke(String),
}

/// Figures for the status line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Nanoseconds of media written.
    pub duration_ns: u64,
    /// Video frames written.
    pub frames: u64,
    /// Video frames left out because the machine could not keep up.
    pub dropped: u64,
    /// Bytes in the file so far.
    pub bytes: u64,
    /// Nanoseconds of media that are not written before audio that is late has come.
    pub waiting_ns: u64,
    /// Steps of making the file whole, at the end.
    pub steps: u64,
}

/// One recording's media: inputs, painter, mixer, output. Calls never block. Dropping it drains it too.
#[derive(Debug)]
pub struct Pipeline {
    clock: RecordingClock,
    commands: Sender<EngineCommand>,
    painter: Option<Sender<PainterCommand>>,
    counters: Arc<Counters>,
    path: PathBuf,
    framerate: Option<u64>,
    /// There is a mixer.
    sounding: bool,
    steps: Arc<AtomicU64>,
}

impl Pipeline {
    /// Fails with a line naming the missing GStreamer element or the unwritable path. `path` is the file being written
    /// (the caller renames it once `Drained` has come). Recording time zero is `start`.
    pub fn start(output: &Output, path: PathBuf, start: Instant, events: UnboundedSender<Event>) -> Result<Self> {
        Self::open(output, path, start, None, events)
    }

    /// Goes on with a recording that was interrupted, in its file: `take` says where it ends. Recording time zero is `start`, long
    /// ago. The time between is silence, and a card with a line of text over the last picture.
    pub fn resume(
        output: &Output,
        path: PathBuf,
        start: Instant,
        (take, card): (Take, String),
        events: UnboundedSender<Event>,
    ) -> Result<Self> {
        Self::open(output, path, start, Some((take, card)), events)
    }

    /// What may be done before anything is to be recorded, so that it begins at once: GStreamer is started. `FailedPrecondition` when
    /// it does not start.
    pub fn prepare() -> Result<()> {
        gst::init().map_err(|e| Error::new(ErrorKind::FailedPrecondition, format!("GStreamer does not start: {e}")))
    }

    fn open(
        output: &Output,
        path: PathBuf,
        start: Instant,
        further: Option<(Take, String)>,
        events: UnboundedSender<Event>,
    ) -> Result<Self> {
        Self::prepare()?;
        let (take, line) = further.unzip();
        let clock = match &take {
            None => RecordingClock::new(start),
            Some(take) => RecordingClock::of_take(take.begins_at(start), take.begin()),
        };
        let card = |line| {
            let picture = take.as_ref().and_then(Take::picture).cloned();
            Card { line, file: path.clone(), picture }
        };
        let card = line.map(card);
        let (commands, to_engine) = channel();
        let file = output::File::open(output, path.clone(), take.as_ref(), commands.clone())?;
        Self::with(file, output, path, (clock, card), (commands, to_engine), events)
    }

    /// Writes into this file.
    fn with(
        file: output::File,
        output: &Output,
        path: PathBuf,
        (clock, card): (RecordingClock, Option<Card>),
        (commands, to_engine): (Sender<EngineCommand>, Receiver<EngineCommand>),
        events: UnboundedSender<Event>,
    ) -> Result<Self> {
        let (to_mixer, receiver) = channel();
        let counters = Arc::new(Counters::new(events.clone(), clock));
        let mut painter = None;
        if let (Some(video), Some(sink)) = (output.video(), file.video.clone()) {
            let (to_painter, receiver) = channel();
            let (size, framerate, counters) = (video.size, video.framerate, Arc::clone(&counters));
            let (broke, outlet) = (commands.clone(), Outlet { sink, encoder: file.encoder.clone() });
            guard::spawn("painter", guard::ends(&commands), move || {
                match Painter::new(receiver, outlet, clock, counters, size, framerate) {
                    Ok(painter) => painter.after(card).run(),
                    Err(e) => drop(broke.send(EngineCommand::OutputBroke(format!("the painter does not start: {e}")))),
                }
            })?;
            painter = Some(to_painter);
        }
        // Without audio nobody listens, and what is said to the mixer is lost.
        let sounding = file.audio.is_some();
        if let Some(sink) = file.audio.clone() {
            let (priming, lead, counters) = (file.priming, file.audio_lead, Arc::clone(&counters));
            let mixer = MixerThread { commands: receiver, sink, clock, priming, lead, counters };
            guard::spawn("mixer", guard::ends(&commands), move || mixer.run())?;
        }
        let around =
            Surroundings { commands: commands.clone(), mixer: to_mixer.clone(), events: events.clone(), clock };
        let framerate = output.video().map(|v| u64::from(v.framerate));
        let steps = Arc::clone(&file.steps);
        let to_painter = painter.clone();
        let tracks = engine::AttachedTracks::default();
        let engine = Engine {
            commands: to_engine,
            around,
            events: events.clone(),
            painter: to_painter,
            mixer: to_mixer,
            file,
            framerate,
            clock,
            tracks,
        };
        // Nobody reads commands any more when it is the engine that stops.
        let owner = events.clone();
        guard::spawn("engine", move |why| drop(owner.send(Event::Broke(why))), move || engine.run())?;
        Ok(Self { clock, commands, painter, counters, path, framerate, sounding, steps })
    }

    /// From now on units of this track are accepted. AttachedTracks of one participant are kept in lip-sync. Video is not accepted by
    /// an audio-only pipeline, nor audio by a silent one.
    pub fn attach(&mut self, track: &TrackId, participant: &ParticipantId, codec: Codec) {
        self.send(EngineCommand::Attach(track.clone(), participant.clone(), codec));
    }

    /// The track is gone; what has been decoded still plays.
    pub fn detach(&mut self, track: &TrackId) {
        self.send(EngineCommand::Detach(track.clone()));
    }

    /// One unit; ignored when the track is not attached.
    pub fn push(&mut self, track: &TrackId, unit: Unit) {
        self.send(EngineCommand::Unit(track.clone(), unit));
    }

    /// One sender report; ignored when the track is not attached.
    pub fn report(&mut self, track: &TrackId, report: SenderReport) {
        self.send(EngineCommand::Report(track.clone(), report));
    }

    /// Shows this scene from what arrives at `from` on; what was to be shown after that no longer is. The output runs
    /// [`LATENCY`] behind, so up to that much may lie in the past. Without effect in an audio-only pipeline.
    pub fn show(&mut self, scene: Scene, from: Instant) {
        if let Some(painter) = &self.painter {
            let _ = painter.send(PainterCommand::Show(scene, self.clock.time(from)));
        }
    }

    /// Figures so far.
    pub fn stats(&self) -> Stats {
        let frames = self.counters.frames.load(Ordering::Relaxed);
        let dropped = self.counters.dropped.load(Ordering::Relaxed);
        let ticks = self.counters.ticks.load(Ordering::Relaxed);
        let samples = self.counters.samples.load(Ordering::Relaxed);
        let duration = match self.framerate {
            Some(framerate) => clock::span(ticks, framerate),
            None => clock::span(samples, mixer::RATE as u64),
        };
        let behind = self.clock.time(Instant::now()) - clock::nanos(LATENCY) - clock::span(samples, mixer::RATE as u64);
        let waiting_ns = if self.sounding { behind.max(0).unsigned_abs() } else { 0 };
        let (bytes, steps) = (output::length(&self.path), self.steps.load(Ordering::Relaxed));
        Stats { duration_ns: self.clock.recorded(duration), frames, dropped, bytes, waiting_ns, steps }
    }

    /// What counts the steps of making the file whole.
    pub fn steps(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.steps)
    }

    /// Writes everything that arrived up to now, ends the streams; `Drained` or `Broke` follows. Nothing can be pushed any more.
    pub fn drain(&mut self) {
        self.send(EngineCommand::Drain(Instant::now()));
    }

    /// The engine is gone only after it has told the last event, and then nothing matters any more.
    fn send(&self, command: EngineCommand) {
        let _ = self.commands.send(command);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.drain();
    }
}

#[cfg(test)]
mod tests;
