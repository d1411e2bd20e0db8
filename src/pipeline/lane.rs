//! One attached track: what is kept of it between units, and what becomes of the next one.

use std::sync::Arc;

use crate::ids::ParticipantId;
use crate::timeline::{Key, Placing, RecordingTime, Timeline};

use super::frames::Frames;
use super::gate::Gate;
use super::input::Input;
use super::order::Generation;
use super::voice::{Step, Voice};
use super::{Codec, Unit};

/// A track that sends nothing for this long was muted.
const PAUSE_NS: i64 = 2_000_000_000;
/// Units, key frames among them, but no picture for this long: the stream is broken.
const HOPELESS_NS: i64 = 6_000_000_000;
/// A decoder that breaks is opened again this often within a minute.
const REOPENINGS: usize = 5;
const MINUTE_NS: i64 = 60_000_000_000;

/// The track.
#[derive(Debug)]
pub struct Lane {
    /// Its place in the timeline.
    pub key: Key,
    /// What it is encoded with.
    pub codec: Codec,
    /// Its decoder; `None` when that is missing or broke.
    pub input: Option<Input>,
    frames: Arc<Frames>,
    gate: Gate,
    voice: Voice,
    arrived: Option<RecordingTime>,
    passed_since: Option<RecordingTime>,
    reported: bool,
    reopened: Vec<i64>,
}

/// When a unit comes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// When it arrived.
    pub arrival: RecordingTime,
    /// Now.
    pub now: RecordingTime,
}

/// What else is to be done about a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Ask for a key frame.
    pub ask: bool,
    /// The track shows nothing, and why.
    pub undecodable: Option<&'static str>,
    /// Nanoseconds of sound that cannot be heard.
    pub lost_ns: u64,
}

impl Lane {
    /// A track without a decoder yet.
    pub fn new(key: Key, codec: Codec) -> Self {
        Self {
            key,
            codec,
            input: None,
            frames: Arc::new(Frames::new()),
            gate: Gate::default(),
            voice: Voice::new(key),
            arrived: None,
            passed_since: None,
            reported: false,
            reopened: Vec::new(),
        }
    }

    /// Its decoder is ready.
    pub fn opened(&mut self, input: Input, frames: Arc<Frames>) {
        self.input = Some(input);
        self.frames = frames;
        self.passed_since = None;
    }

    /// Its decoder broke.
    pub fn broken(&mut self) {
        self.input = None;
        self.gate.close();
    }

    /// The decoder's name.
    pub fn generation(&self) -> Option<Generation> {
        self.input.as_ref().map(|input| input.generation)
    }

    /// Whether another try is allowed at `now`; if so it counts.
    pub fn may_reopen(&mut self, now: RecordingTime) -> bool {
        self.reopened.retain(|at| now - at < MINUTE_NS);
        let may = self.reopened.len() < REOPENINGS;
        if may {
            self.reopened.push(now);
        }
        may
    }

    /// Takes one unit.
    pub fn unit(&mut self, unit: Unit, place: Place, timeline: &mut Timeline<ParticipantId>) -> Outcome {
        let paused = self.arrived.is_some_and(|before| place.arrival - before > PAUSE_NS);
        self.arrived = Some(place.arrival);
        if paused {
            self.gate.rest();
            self.passed_since = None;
            // Whoever showed something else meanwhile is told that there are pictures again.
            self.frames.forget();
        }
        if self.codec == Codec::Opus {
            let quiet = self.input.as_ref().is_some_and(Input::is_quiet);
            let steps = self.voice.unit(unit, place.arrival, quiet, timeline);
            return self.sound(steps);
        }
        self.picture(unit, place, timeline)
    }

    /// When sound that waits must go its way.
    pub const fn due(&self) -> Option<RecordingTime> {
        self.voice.due()
    }

    /// Sound that still waits goes its way.
    pub fn flush(&mut self, timeline: &mut Timeline<ParticipantId>) -> Outcome {
        let steps = self.voice.flush(timeline);
        self.sound(steps)
    }

    fn sound(&mut self, steps: Vec<Step>) -> Outcome {
        let mut outcome = Outcome::default();
        for step in steps {
            match (step, &mut self.input) {
                (Step::Lost(ns), _) => outcome.lost_ns += ns,
                (Step::Expect(time), Some(input)) => input.expect(time),
                (Step::Conceal(time, length), Some(input)) => input.conceal(time, length),
                (Step::Expect(_) | Step::Conceal(..), None) => {}
                (Step::Play(data, time, length), input) => {
                    let taken = input.as_mut().is_some_and(|input| input.push(data, time, length));
                    outcome.lost_ns += if taken { 0 } else { length.unsigned_abs() };
                }
            }
        }
        outcome
    }

    fn picture(&mut self, unit: Unit, place: Place, timeline: &mut Timeline<ParticipantId>) -> Outcome {
        let placing = Placing { rtp: unit.rtp, ticks: 0, arrival: place.arrival, quiet: false };
        let Some(time) = timeline.place(self.key, placing) else { return Outcome::default() };
        let decoded = self.frames.decoded_at();
        let verdict = self.gate.unit(unit.contiguous, unit.keyframe, decoded, place.now);
        let mut outcome = Outcome { ask: verdict.ask, ..Outcome::default() };
        let Some(input) = self.input.as_mut().filter(|_| verdict.pass) else { return outcome };
        if !input.push(unit.data, time, 0) {
            self.gate.close();
        }
        let since = *self.passed_since.get_or_insert(place.now);
        if decoded.is_some_and(|decoded| decoded > since) {
            self.passed_since = decoded;
            self.reported = false;
        } else if place.now - since > HOPELESS_NS && !self.reported {
            self.reported = true;
            self.frames.forget();
            outcome.undecodable = Some("its frames do not decode");
        }
        outcome
    }
}
