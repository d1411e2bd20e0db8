//! The thread that owns the inputs, the timeline and the output, and sees them through to the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::ids::{ParticipantId, TrackId};
use crate::recording::HoleCause;
use crate::timeline::{Kind, RecordingTime, Timeline};

use super::budget::Budget;
use super::frames::Frames;
use super::input::{Input, Surroundings};
use super::lane::{self, Lane, Place};
use super::order::{Generation, Order};
use super::output::File;
use super::pace::{Pace, Pulse, span};
use super::{Codec, Event, Unit, mixer, painter, sound};

/// How long inputs may take to play out at the end. Pictures wait for their time at most `LATENCY - LEAD`.
const PLAY_OUT: Duration = Duration::from_millis(1200);
/// Inputs that may play out at the same time; beyond, the oldest is closed: it may be a decoder that hangs.
const MOST_ENDING: usize = 32;
/// How long the conductor waits for an order before it looks around.
const IDLE: Duration = Duration::from_millis(500);
/// How long encoders and muxer may write nothing after that.
const WRITE_OUT: Duration = Duration::from_secs(30);

/// The conductor and what it owns.
pub struct Conductor {
    /// Orders.
    pub orders: Receiver<Order>,
    /// What an input needs.
    pub around: Surroundings,
    /// To the owner.
    pub events: UnboundedSender<Event>,
    /// To the painter, unless it is sound alone.
    pub painter: Option<Sender<painter::Order>>,
    /// To the mixer, if there is one.
    pub sound: Sender<sound::Order>,
    /// The file.
    pub file: File,
    /// Pictures per second, unless it is sound alone.
    pub framerate: Option<u64>,
    /// The clock.
    pub pace: Pace,
    /// The tracks.
    pub tracks: Tracks,
}

/// All tracks: those attached, and those detached that still play out.
#[derive(Debug, Default)]
pub struct Tracks {
    timeline: Timeline<ParticipantId>,
    lanes: HashMap<TrackId, Lane>,
    ending: Vec<(TrackId, Input)>,
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

impl Conductor {
    /// Runs until the file is whole or broken.
    pub fn run(mut self) {
        let last = match self.record() {
            Ok(drained_at) => self.drain(drained_at),
            Err(why) => Event::Broke(why),
        };
        // Whatever runs is stopped before the owner hears of the end.
        self.tracks.lanes.clear();
        self.tracks.ending.clear();
        let Self { file, events, .. } = self;
        drop(file);
        let _ = events.send(last);
    }

    /// Until the drain, whose instant it returns, or until the output breaks.
    fn record(&mut self) -> Result<Instant, String> {
        let mut pulse = Pulse::default();
        loop {
            let order = self.orders.recv_timeout(self.wait());
            let now = self.pace.time(Instant::now());
            if let Some(since) = pulse.beat(now) {
                self.stood_still(since, now);
            }
            match order {
                Ok(Order::Drain(at)) => return Ok(at),
                // The owner is gone: what there is, is kept.
                Err(RecvTimeoutError::Disconnected) => return Ok(Instant::now()),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Ok(order) => {
                    if let Outcome::Broke(why) = self.handle(order) {
                        return Err(why);
                    }
                }
            }
        }
    }

    fn stood_still(&self, from: RecordingTime, to: RecordingTime) {
        let (from_ns, to_ns) = (from.max(0).unsigned_abs(), to.max(0).unsigned_abs());
        let why = "this process, or its machine, stood still".to_owned();
        let _ = self.events.send(Event::Hole { from_ns, to_ns, cause: HoleCause::Frozen, why });
    }

    /// Until sound that waits must go its way.
    fn wait(&self) -> Duration {
        let due = self.tracks.lanes.values().filter_map(Lane::due).min();
        let now = self.pace.time(Instant::now());
        due.map_or(IDLE, |due| Duration::from_nanos((due - now).max(0).unsigned_abs()).min(IDLE))
    }

    /// Sound whose time has come goes its way.
    fn flush(&mut self) {
        let now = self.pace.time(Instant::now());
        let tracks = &mut self.tracks;
        for (track, lane) in &mut tracks.lanes {
            if lane.due().is_some_and(|due| due <= now) {
                let outcome = lane.flush(&mut tracks.timeline);
                told(&self.events, track, outcome);
            }
        }
    }

    /// Lets everything that arrived through, then ends the streams and the file.
    fn drain(&mut self, at: Instant) -> Event {
        let mut playing = self.end_inputs();
        let deadline = Instant::now() + PLAY_OUT;
        while !playing.is_empty() {
            match self.orders.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Order::InputEnded(generation) | Order::InputFailed(generation, _)) => {
                    playing.remove(&generation);
                }
                Ok(Order::OutputBroke(why)) => return Event::Broke(why),
                Ok(Order::OutputEnded) => return Event::Broke("the output ended by itself".into()),
                // Too late.
                Ok(Order::Attach(..) | Order::Detach(_) | Order::Unit(..) | Order::Report(..) | Order::Drain(_)) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.tracks.lanes.clear();
        self.tracks.ending.clear();
        let duration_ns = self.finish(at);
        let (mut deadline, mut written) = (Instant::now() + WRITE_OUT, self.file.length());
        loop {
            match self.orders.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Order::OutputEnded) => break,
                Ok(Order::OutputBroke(why)) => return Event::Broke(why),
                Ok(
                    Order::Attach(..)
                    | Order::Detach(_)
                    | Order::Unit(..)
                    | Order::Report(..)
                    | Order::Drain(_)
                    | Order::InputEnded(_)
                    | Order::InputFailed(..),
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

    /// Tells painter and mixer where the recording ends: at the same moment, a whole number of pictures.
    fn finish(&self, at: Instant) -> u64 {
        let time = i128::from(self.pace.time(at).max(0));
        let rate = mixer::RATE as u64;
        // At least one sample besides those that the encoder's own silence stands for: the muxer wants something of each track.
        let least = self.file.priming as u64 + 1;
        let samples = match (self.framerate, &self.painter) {
            (Some(framerate), Some(painter)) => {
                let ticks = (time * i128::from(framerate) + 500_000_000) / 1_000_000_000;
                let ticks = u64::try_from(ticks).unwrap_or(0).max((least * framerate).div_ceil(rate));
                let _ = painter.send(painter::Order::Finish(ticks));
                ticks * rate / framerate
            }
            (Some(_) | None, _) => u64::try_from(time * i128::from(rate) / 1_000_000_000).unwrap_or(0).max(least),
        };
        let _ = self.sound.send(sound::Order::Finish(samples));
        span(samples, rate).unsigned_abs()
    }

    /// Ends every input; returns those that still play out.
    fn end_inputs(&mut self) -> HashSet<Generation> {
        let tracks: Vec<TrackId> = self.tracks.lanes.keys().cloned().collect();
        for track in tracks {
            self.detach(&track);
        }
        for (_, input) in &self.tracks.ending {
            input.hurry();
        }
        self.tracks.ending.iter().map(|(_, input)| input.generation).collect()
    }

    fn handle(&mut self, order: Order) -> Outcome {
        match order {
            Order::Attach(track, participant, codec) => self.attach(track, participant, codec),
            Order::Detach(track) => self.detach(&track),
            Order::Unit(track, unit) => self.unit(&track, unit),
            Order::Report(track, report) => {
                if let Some(lane) = self.tracks.lanes.get(&track) {
                    self.tracks.timeline.report(lane.key, report.rtp, report.ntp_ns);
                }
            }
            Order::Drain(_) => {}
            Order::InputFailed(generation, why) => self.failed(generation, why),
            Order::InputEnded(generation) => self.ended(generation),
            Order::OutputBroke(why) => return Outcome::Broke(why),
            Order::OutputEnded => return Outcome::Broke("the output ended by itself".into()),
        }
        Outcome::Next
    }

    fn attach(&mut self, track: TrackId, participant: ParticipantId, codec: Codec) {
        self.detach(&track);
        let is_sound = codec == Codec::Opus;
        let recorded = if is_sound { self.file.audio.is_some() } else { self.painter.is_some() };
        if !recorded {
            return;
        }
        let kind = if is_sound { Kind::Audio } else { Kind::Video };
        let key = self.tracks.timeline.add(participant, kind);
        self.tracks.lanes.insert(track.clone(), Lane::new(key, codec));
        self.open(&track);
    }

    /// Opens a decoder for a lane that has none.
    fn open(&mut self, track: &TrackId) {
        self.tracks.generations += 1;
        let generation = self.tracks.generations;
        let Some(lane) = self.tracks.lanes.get_mut(track) else { return };
        let frames = Arc::new(Frames::new());
        match Input::open(track, lane.codec, generation, &frames, &self.around) {
            Ok(input) => {
                if let (Some(painter), false) = (&self.painter, lane.codec == Codec::Opus) {
                    let _ = painter.send(painter::Order::Track(track.clone(), generation, Arc::clone(&frames)));
                }
                lane.opened(input, frames);
            }
            Err(why) => {
                tracing::debug!(%track, why, "a decoder cannot be opened");
                lane.broke(self.pace.time(Instant::now()), &why);
                let _ = self.events.send(Event::Undecodable(track.clone(), why));
            }
        }
    }

    fn detach(&mut self, track: &TrackId) {
        let Some(mut lane) = self.tracks.lanes.remove(track) else { return };
        let outcome = lane.flush(&mut self.tracks.timeline);
        told(&self.events, track, outcome);
        self.tracks.timeline.remove(lane.key);
        if let Some(input) = lane.input.take() {
            input.end();
            self.tracks.ending.push((track.clone(), input));
        }
        if let Some((_, oldest)) = self.tracks.ending.first()
            && self.tracks.ending.len() > MOST_ENDING
        {
            self.ended(oldest.generation);
        }
    }

    fn unit(&mut self, track: &TrackId, unit: Unit) {
        let Some(lane) = self.tracks.lanes.get_mut(track) else { return };
        let now = self.pace.time(Instant::now());
        let arrival = self.pace.time(unit.arrival);
        if lane.wants_decoder(&unit, now, &self.tracks.budget) {
            self.open(track);
        }
        let Some(lane) = self.tracks.lanes.get_mut(track) else { return };
        let place = Place { arrival, now };
        let mut outcome = lane.unit(unit, place, &mut self.tracks.timeline, &mut self.tracks.budget);
        if let Some(input) = &outcome.closed {
            self.forget(track, input.generation);
        }
        for generation in std::mem::take(&mut outcome.evicted) {
            self.evict(generation);
        }
        told(&self.events, track, outcome);
    }

    /// Closes a decoder, because smaller pictures need its room.
    fn evict(&mut self, generation: Generation) {
        let found = self.tracks.lanes.iter_mut().find(|(_, lane)| lane.generation() == Some(generation));
        let Some((track, lane)) = found else {
            // It was about to end anyway.
            self.ended(generation);
            return;
        };
        let track = track.clone();
        let told = lane.evict();
        self.forget(&track, generation);
        if let Some(why) = told {
            let _ = self.events.send(Event::Undecodable(track, why));
        }
    }

    fn failed(&mut self, generation: Generation, why: String) {
        if self.tracks.ending.iter().any(|(_, input)| input.generation == generation) {
            self.ended(generation);
            return;
        }
        let found = self.tracks.lanes.iter_mut().find(|(_, lane)| lane.generation() == Some(generation));
        let Some((track, lane)) = found else { return };
        let track = track.clone();
        let told = lane.broke(self.pace.time(Instant::now()), &why);
        tracing::info!(%track, why, "a track's decoder broke");
        self.forget(&track, generation);
        if let Some(why) = told {
            let _ = self.events.send(Event::Undecodable(track, why));
        }
    }

    fn ended(&mut self, generation: Generation) {
        let Some(at) = self.tracks.ending.iter().position(|(_, input)| input.generation == generation) else { return };
        let (track, input) = self.tracks.ending.remove(at);
        drop(input);
        self.forget(&track, generation);
    }

    fn forget(&mut self, track: &TrackId, generation: Generation) {
        self.tracks.budget.release(generation);
        let _ = self.sound.send(sound::Order::Forget(generation));
        if let Some(painter) = &self.painter {
            let _ = painter.send(painter::Order::Forget(track.clone(), generation));
        }
    }
}

/// Tells the owner what became of a track's units.
fn told(events: &UnboundedSender<Event>, track: &TrackId, outcome: lane::Outcome) {
    if outcome.ask {
        let _ = events.send(Event::NeedKeyframe(track.clone()));
    }
    if let Some(why) = outcome.undecodable {
        let _ = events.send(Event::Undecodable(track.clone(), why));
    }
    if outcome.lost_ns > 0 {
        let _ = events.send(Event::AudioLost { track: track.clone(), ns: outcome.lost_ns });
    }
}
