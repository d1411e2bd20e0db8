//! One attached track: what is kept of it between units, and what becomes of the next one.

use std::sync::Arc;

use crate::ids::ParticipantId;
use crate::timeline::{Key, RecordingTime, Timeline};

use super::frames::Frames;
use super::gate::Gate;
use super::input::Input;
use super::order::Generation;
use super::voice::Voice;
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
            voice: Voice::new(),
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
            self.voice.unit(self.key, unit, place.arrival, self.input.as_mut(), timeline);
            return Outcome::default();
        }
        self.picture(unit, place, timeline)
    }

    /// Sound that still waits goes its way.
    pub fn flush(&mut self, timeline: &mut Timeline<ParticipantId>) {
        self.voice.flush(self.key, self.input.as_mut(), timeline);
    }

    fn picture(&mut self, unit: Unit, place: Place, timeline: &mut Timeline<ParticipantId>) -> Outcome {
        let Some(time) = timeline.place(self.key, unit.rtp, 0, place.arrival) else { return Outcome::default() };
        let decoded = self.frames.decoded_at();
        let verdict = self.gate.unit(unit.contiguous, unit.keyframe, decoded, place.now);
        let mut outcome = Outcome { ask: verdict.ask, undecodable: None };
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
