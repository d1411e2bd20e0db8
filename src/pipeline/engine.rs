//! The thread that owns the inputs, the timeline and the output, and sees them through to the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::ids::{ParticipantId, TrackId};
use crate::recording::HoleCause;
use crate::timeline::{MediaKind, RecordingTime, Timeline};

use super::audio::mixer;
use super::audio::thread::MixerCommand;
use super::clock::{Pulse, RecordingClock, span};
use super::command::{EngineCommand, Generation};
use super::input::budget::Budget;
use super::input::decoder::{Decoder, Surroundings};
use super::input::frame_queue::FrameQueue;
use super::input::track::{self, Arrival, TrackState};
use super::output::File;
use super::video::painter::PainterCommand;
use super::{Codec, Event, Unit};

/// How long inputs may take to play out at the end. Frames wait for their time at most `LATENCY - LEAD`.
const PLAY_OUT: Duration = Duration::from_millis(1200);
/// Inputs that may play out at the same time; beyond, the oldest is closed: it may be a decoder that hangs.
const MOST_ENDING: usize = 32;
/// How long the engine waits for a command before it looks around.
const IDLE: Duration = Duration::from_millis(500);
/// How long encoders and muxer may write nothing after that.
const WRITE_OUT: Duration = Duration::from_secs(30);

/// The engine and what it owns.
pub struct Engine {
    /// What is requested of it.
    pub commands: Receiver<EngineCommand>,
    /// What a decoder needs.
    pub around: Surroundings,
    /// To the owner.
    pub events: UnboundedSender<Event>,
    /// To the painter, unless it is audio alone.
    pub painter: Option<Sender<PainterCommand>>,
    /// To the mixer, if there is one.
    pub mixer: Sender<MixerCommand>,
    /// The file.
    pub file: File,
    /// Frames per second, unless it is audio alone.
    pub framerate: Option<u64>,
    /// When recording time zero was.
    pub clock: RecordingClock,
    /// The tracks.
    pub tracks: AttachedTracks,
}

/// All tracks: those attached, and those detached that still play out.
#[derive(Debug, Default)]
pub struct AttachedTracks {
    timeline: Timeline<ParticipantId>,
    attached: HashMap<TrackId, TrackState>,
    ending: Vec<(TrackId, Decoder)>,
    /// What their decoders may hold together.
    budget: Budget,
    generations: Generation,
}

/// How a phase ended.
enum Outcome {
    /// Go on with the next one.
    Next,
    /// The output broke.
    Broke(String),
}

impl Engine {
    /// Runs until the file is whole or broken.
    pub fn run(mut self) {
        let last = match self.record() {
            Ok(drained_at) => self.drain(drained_at),
            Err(why) => Event::Broke(why),
        };
        // Whatever runs is stopped before the owner hears of the end.
        self.tracks.attached.clear();
        self.tracks.ending.clear();
        let Self { file, events, .. } = self;
        drop(file);
        let _ = events.send(last);
    }

    /// Until the drain, whose instant it returns, or until the output breaks.
    fn record(&mut self) -> Result<Instant, String> {
        let mut pulse = Pulse::default();
        loop {
            let command = self.commands.recv_timeout(self.wait());
            let now = self.clock.time(Instant::now());
            if let Some(since) = pulse.beat(now) {
                self.stood_still(since, now);
            }
            match command {
                Ok(EngineCommand::Drain(at)) => return Ok(at),
                // The owner is gone: what there is, is kept.
                Err(RecvTimeoutError::Disconnected) => return Ok(Instant::now()),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Ok(command) => {
                    if let Outcome::Broke(why) = self.handle(command) {
                        return Err(why);
                    }
                }
            }
        }
    }

    fn stood_still(&self, from: RecordingTime, to: RecordingTime) {
        let (from_ns, to_ns) = (self.clock.recorded(from), self.clock.recorded(to));
        let why = "this process, or its machine, stood still".to_owned();
        let _ = self.events.send(Event::Hole { from_ns, to_ns, cause: HoleCause::Frozen, why });
    }

    /// Until audio that waits must go its way.
    fn wait(&self) -> Duration {
        let due = self.tracks.attached.values().filter_map(TrackState::due).min();
        let now = self.clock.time(Instant::now());
        due.map_or(IDLE, |due| Duration::from_nanos((due - now).max(0).unsigned_abs()).min(IDLE))
    }

    /// Audio whose time has come goes its way.
    fn flush(&mut self) {
        let now = self.clock.time(Instant::now());
        let tracks = &mut self.tracks;
        for (track, state) in &mut tracks.attached {
            if state.due().is_some_and(|due| due <= now) {
                let outcome = state.flush(&mut tracks.timeline);
                report(&self.events, track, outcome);
            }
        }
    }

    /// Lets everything that arrived through, then ends the streams and the file.
    fn drain(&mut self, at: Instant) -> Event {
        let mut playing = self.end_inputs();
        let deadline = Instant::now() + PLAY_OUT;
        while !playing.is_empty() {
            match self.commands.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(EngineCommand::InputEnded(generation) | EngineCommand::InputFailed(generation, _)) => {
                    playing.remove(&generation);
                }
                Ok(EngineCommand::OutputBroke(why)) => return Event::Broke(why),
                Ok(EngineCommand::OutputEnded) => return Event::Broke("the output ended by itself".into()),
                // Too late.
                Ok(
                    EngineCommand::Attach(..)
                    | EngineCommand::Detach(_)
                    | EngineCommand::Unit(..)
                    | EngineCommand::Report(..)
                    | EngineCommand::Drain(_),
                ) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.tracks.attached.clear();
        self.tracks.ending.clear();
        let duration_ns = self.finish(at);
        let (mut deadline, mut written) = (Instant::now() + WRITE_OUT, self.file.length());
        loop {
            match self.commands.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(EngineCommand::OutputEnded) => break,
                Ok(EngineCommand::OutputBroke(why)) => return Event::Broke(why),
                Ok(
                    EngineCommand::Attach(..)
                    | EngineCommand::Detach(_)
                    | EngineCommand::Unit(..)
                    | EngineCommand::Report(..)
                    | EngineCommand::Drain(_)
                    | EngineCommand::InputEnded(_)
                    | EngineCommand::InputFailed(..),
                ) => {}
                // A slow machine or disk is waited for as long as something comes.
                Err(RecvTimeoutError::Timeout) if self.file.length() > written => {
                    (deadline, written) = (Instant::now() + WRITE_OUT, self.file.length());
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Event::Broke(format!("the encoders wrote nothing for {} s", WRITE_OUT.as_secs()));
                }
            }
        }
        match self.file.close() {
            Ok(bytes) => Event::Drained { bytes, duration_ns },
            Err(why) => Event::Broke(why),
        }
    }

    /// Tells painter and mixer where the recording ends: at the same moment, a whole number of frames.
    fn finish(&self, at: Instant) -> u64 {
        let time = i128::from(self.clock.time(at).max(0));
        let rate = mixer::RATE as u64;
        // At least one sample besides those that the encoder's own silence stands for: the muxer wants something of each track.
        let least = self.file.priming as u64 + 1;
        let samples = match (self.framerate, &self.painter) {
            (Some(framerate), Some(painter)) => {
                let ticks = (time * i128::from(framerate) + 500_000_000) / 1_000_000_000;
                let ticks = u64::try_from(ticks).unwrap_or(0).max((least * framerate).div_ceil(rate));
                let _ = painter.send(PainterCommand::Finish(ticks));
                ticks * rate / framerate
            }
            (Some(_) | None, _) => u64::try_from(time * i128::from(rate) / 1_000_000_000).unwrap_or(0).max(least),
        };
        let _ = self.mixer.send(MixerCommand::Finish(samples));
        self.clock.recorded(span(samples, rate))
    }

    /// Ends every decoder; returns those that still play out.
    fn end_inputs(&mut self) -> HashSet<Generation> {
        let tracks: Vec<TrackId> = self.tracks.attached.keys().cloned().collect();
        for track in tracks {
            self.detach(&track);
        }
        for (_, decoder) in &self.tracks.ending {
            decoder.hurry();
        }
        self.tracks.ending.iter().map(|(_, decoder)| decoder.generation).collect()
    }

    fn handle(&mut self, command: EngineCommand) -> Outcome {
        match command {
            EngineCommand::Attach(track, participant, codec) => self.attach(track, participant, codec),
            EngineCommand::Detach(track) => self.detach(&track),
            EngineCommand::Unit(track, unit) => self.unit(&track, unit),
            EngineCommand::Report(track, report) => {
                if let Some(state) = self.tracks.attached.get(&track) {
                    self.tracks.timeline.report(state.key, report.rtp, report.ntp_ns);
                }
            }
            EngineCommand::Drain(_) => {}
            EngineCommand::InputFailed(generation, why) => self.failed(generation, why),
            EngineCommand::InputEnded(generation) => self.ended(generation),
            EngineCommand::OutputBroke(why) => return Outcome::Broke(why),
            EngineCommand::OutputEnded => return Outcome::Broke("the output ended by itself".into()),
        }
        Outcome::Next
    }

    fn attach(&mut self, track: TrackId, participant: ParticipantId, codec: Codec) {
        self.detach(&track);
        let is_audio = codec == Codec::Opus;
        let recorded = if is_audio { self.file.audio.is_some() } else { self.painter.is_some() };
        if !recorded {
            return;
        }
        let kind = if is_audio { MediaKind::Audio } else { MediaKind::Video };
        let key = self.tracks.timeline.add(participant, kind);
        self.tracks.attached.insert(track.clone(), TrackState::new(key, codec));
        self.open(&track);
    }

    /// Opens a decoder for a state that has none.
    fn open(&mut self, track: &TrackId) {
        self.tracks.generations += 1;
        let generation = self.tracks.generations;
        let Some(state) = self.tracks.attached.get_mut(track) else { return };
        let frames = Arc::new(FrameQueue::new());
        match Decoder::open(track, state.codec, generation, &frames, &self.around) {
            Ok(decoder) => {
                if let (Some(painter), false) = (&self.painter, state.codec == Codec::Opus) {
                    let _ = painter.send(PainterCommand::Track(track.clone(), generation, Arc::clone(&frames)));
                }
                state.opened(decoder, frames);
            }
            Err(why) => {
                tracing::debug!(%track, why, "a decoder cannot be opened");
                state.broke(self.clock.time(Instant::now()), &why);
                let _ = self.events.send(Event::Undecodable(track.clone(), why));
            }
        }
    }

    fn detach(&mut self, track: &TrackId) {
        let Some(mut state) = self.tracks.attached.remove(track) else { return };
        let outcome = state.flush(&mut self.tracks.timeline);
        report(&self.events, track, outcome);
        self.tracks.timeline.remove(state.key);
        if let Some(decoder) = state.decoder.take() {
            decoder.end();
            self.tracks.ending.push((track.clone(), decoder));
        }
        if let Some((_, oldest)) = self.tracks.ending.first()
            && self.tracks.ending.len() > MOST_ENDING
        {
            self.ended(oldest.generation);
        }
    }

    fn unit(&mut self, track: &TrackId, unit: Unit) {
        let Some(state) = self.tracks.attached.get_mut(track) else { return };
        let now = self.clock.time(Instant::now());
        let arrival = self.clock.time(unit.arrival);
        if state.wants_decoder(&unit, now, &self.tracks.budget) {
            self.open(track);
        }
        let Some(state) = self.tracks.attached.get_mut(track) else { return };
        let at = Arrival { arrival, now };
        let mut outcome = state.unit(unit, at, &mut self.tracks.timeline, &mut self.tracks.budget);
        if let Some(decoder) = &outcome.closed {
            self.forget(track, decoder.generation);
        }
        for generation in std::mem::take(&mut outcome.evicted) {
            self.evict(generation);
        }
        report(&self.events, track, outcome);
    }

    /// Closes a decoder, because smaller frames need its room.
    fn evict(&mut self, generation: Generation) {
        let found = self.tracks.attached.iter_mut().find(|(_, state)| state.generation() == Some(generation));
        let Some((track, state)) = found else {
            // It was about to end anyway.
            self.ended(generation);
            return;
        };
        let track = track.clone();
        let reported = state.evict();
        self.forget(&track, generation);
        if let Some(why) = reported {
            let _ = self.events.send(Event::Undecodable(track, why));
        }
    }

    fn failed(&mut self, generation: Generation, why: String) {
        if self.tracks.ending.iter().any(|(_, decoder)| decoder.generation == generation) {
            self.ended(generation);
            return;
        }
        let found = self.tracks.attached.iter_mut().find(|(_, state)| state.generation() == Some(generation));
        let Some((track, state)) = found else { return };
        let track = track.clone();
        let reported = state.broke(self.clock.time(Instant::now()), &why);
        tracing::info!(%track, why, "a track's decoder broke");
        self.forget(&track, generation);
        if let Some(why) = reported {
            let _ = self.events.send(Event::Undecodable(track, why));
        }
    }

    fn ended(&mut self, generation: Generation) {
        let Some(at) = self.tracks.ending.iter().position(|(_, decoder)| decoder.generation == generation) else {
            return;
        };
        let (track, decoder) = self.tracks.ending.remove(at);
        drop(decoder);
        self.forget(&track, generation);
    }

    fn forget(&mut self, track: &TrackId, generation: Generation) {
        self.tracks.budget.release(generation);
        let _ = self.mixer.send(MixerCommand::Forget(generation));
        if let Some(painter) = &self.painter {
            let _ = painter.send(PainterCommand::Forget(track.clone(), generation));
        }
    }
}

/// Tells the owner what became of a track's units.
fn report(events: &UnboundedSender<Event>, track: &TrackId, outcome: track::UnitOutcome) {
    if outcome.request {
        let _ = events.send(Event::NeedKeyframe(track.clone()));
    }
    if let Some(why) = outcome.undecodable {
        let _ = events.send(Event::Undecodable(track.clone(), why));
    }
    if outcome.lost_ns > 0 {
        let _ = events.send(Event::AudioLost { track: track.clone(), ns: outcome.lost_ns });
    }
}
