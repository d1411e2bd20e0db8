//! One attached track: what is kept of it between units, and what becomes of the next one.

use std::sync::Arc;

use crate::ids::ParticipantId;
use crate::timeline::{Placing, RecordingTime, Timeline, TrackKey};

use super::admission::{DecoderAdmission, UnitFacts};
use super::budget::{self, Budget, Claim};
use super::decoder::Decoder;
use super::frame_queue::FrameQueue;
use super::headers::{self, Extent, Heading};
use super::jitter_buffer::{AudioStep, JitterBuffer};
use super::retry::Retry;
use crate::pipeline::command::Generation;
use crate::pipeline::{Codec, Unit};

/// A track that sends nothing for this long was muted.
const PAUSE_NS: i64 = 2_000_000_000;

/// The track.
#[derive(Debug)]
pub struct TrackState {
    /// Its place in the timeline.
    pub key: TrackKey,
    /// What it is encoded with.
    pub codec: Codec,
    /// Its decoder; `None` when that is missing or broke.
    pub decoder: Option<Decoder>,
    frames: Arc<FrameQueue>,
    /// What a decoder of frames is given.
    admission: DecoderAdmission,
    /// How large its frames were said to be last.
    extent: Option<Extent>,
    /// When a decoder of audio is opened anew.
    retry: Retry,
    audio: JitterBuffer,
    arrived: Option<RecordingTime>,
}

/// When a unit comes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When it arrived.
    pub arrival: RecordingTime,
    /// Now.
    pub now: RecordingTime,
}

/// What else is to be done about a unit.
#[derive(Debug, Default)]
pub struct UnitOutcome {
    /// Ask for a key frame.
    pub request: bool,
    /// The track shows nothing, and why.
    pub undecodable: Option<String>,
    /// A decoder that made nothing of what it was given, or for which there is no room.
    pub closed: Option<Decoder>,
    /// Decoders that are to be closed, because smaller frames go before theirs.
    pub evicted: Vec<Generation>,
    /// Nanoseconds of audio that cannot be heard.
    pub lost_ns: u64,
}

impl TrackState {
    /// A track without a decoder yet.
    pub fn new(key: TrackKey, codec: Codec) -> Self {
        Self {
            key,
            codec,
            decoder: None,
            frames: Arc::new(FrameQueue::new()),
            admission: DecoderAdmission::default(),
            extent: None,
            retry: Retry::default(),
            audio: JitterBuffer::new(key),
            arrived: None,
        }
    }

    /// Its decoder is ready.
    pub fn opened(&mut self, decoder: Decoder, frames: Arc<FrameQueue>) {
        self.decoder = Some(decoder);
        self.frames = frames;
    }

    /// Its decoder broke, or could not be opened. The reason comes back when the owner is to be notified now.
    pub fn broke(&mut self, now: RecordingTime, why: &str) -> Option<String> {
        self.decoder = None;
        if self.codec != Codec::Opus {
            return self.admission.broke(now, why);
        }
        self.retry.failed(now);
        Some(why.to_owned())
    }

    /// The decoder's name.
    pub fn generation(&self) -> Option<Generation> {
        self.decoder.as_ref().map(|decoder| decoder.generation)
    }

    /// Whether a decoder is to be opened for this unit, because there is none.
    pub fn wants_decoder(&self, unit: &Unit, now: RecordingTime, budget: &Budget) -> bool {
        self.decoder.is_none()
            && match self.codec {
                Codec::Opus => self.retry.is_due(now),
                Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => {
                    self.admission.may_open(unit.keyframe, now)
                        && match headers::read(self.codec, &unit.data) {
                            Heading::Declares(extent) => budget.has_room(budget::needs(extent)),
                            Heading::Same | Heading::Unreadable => self.has_room(budget),
                        }
                }
            }
    }

    /// Takes one unit.
    pub fn unit(
        &mut self,
        unit: Unit,
        at: Arrival,
        timeline: &mut Timeline<ParticipantId>,
        budget: &mut Budget,
    ) -> UnitOutcome {
        let paused = self.arrived.is_some_and(|before| at.arrival - before > PAUSE_NS);
        self.arrived = Some(at.arrival);
        if paused {
            self.admission.rest();
            self.retry.forget();
            // Whoever showed something else meanwhile is told that there are frames again.
            self.frames.forget();
        }
        if self.codec == Codec::Opus {
            let quiet = self.decoder.as_ref().is_some_and(Decoder::is_quiet);
            let steps = self.audio.unit(unit, at.arrival, quiet, timeline);
            return self.heard(steps);
        }
        self.picture(unit, at, timeline, budget)
    }

    /// Its decoder is closed: smaller frames need its room. The reason comes back when the owner is to be notified now.
    pub fn evict(&mut self) -> Option<String> {
        self.decoder = None;
        self.extent.and_then(|extent| self.admission.evicted(extent))
    }

    /// When audio that waits must go its way.
    pub const fn due(&self) -> Option<RecordingTime> {
        self.audio.due()
    }

    /// Audio that still waits goes its way.
    pub fn flush(&mut self, timeline: &mut Timeline<ParticipantId>) -> UnitOutcome {
        let steps = self.audio.flush(timeline);
        self.heard(steps)
    }

    fn heard(&mut self, steps: Vec<AudioStep>) -> UnitOutcome {
        let mut outcome = UnitOutcome::default();
        for step in steps {
            match (step, &mut self.decoder) {
                (AudioStep::Lost(ns), _) => outcome.lost_ns += ns,
                (AudioStep::Expect(time), Some(decoder)) => decoder.expect(time),
                (AudioStep::Conceal(time, length), Some(decoder)) => decoder.conceal(time, length),
                (AudioStep::Expect(_) | AudioStep::Conceal(..), None) => {}
                (AudioStep::Play(data, time, length), decoder) => {
                    let taken = decoder.as_mut().is_some_and(|decoder| decoder.push(data, time, length));
                    outcome.lost_ns += if taken { 0 } else { length.unsigned_abs() };
                }
            }
        }
        outcome
    }

    /// Whether frames as large as they were said to be last would find room.
    fn has_room(&self, budget: &Budget) -> bool {
        self.extent.is_none_or(|extent| budget.has_room(budget::needs(extent)))
    }

    /// Claims what frames of a new size need. Returns the size for which there is no room, and whose decoders have to go.
    fn claim(&mut self, heading: Heading, budget: &mut Budget) -> (Option<Extent>, Vec<Generation>) {
        let declared = match heading {
            // What is too large for any decoder is no claim: it is refused for that.
            Heading::Declares(extent) if headers::fits(extent.width, extent.height) => Some(extent),
            Heading::Declares(_) | Heading::Same | Heading::Unreadable => None,
        };
        self.extent = declared.or(self.extent);
        match (&self.decoder, declared) {
            (Some(decoder), Some(extent)) => match budget.claim(decoder.generation, budget::needs(extent)) {
                Claim::Granted => (None, Vec::new()),
                Claim::Instead(evicted) => (None, evicted),
                Claim::Refused => (Some(extent), Vec::new()),
            },
            (Some(_), None) => (None, Vec::new()),
            (None, _) => (self.extent.filter(|_| !self.has_room(budget)), Vec::new()),
        }
    }

    fn picture(
        &mut self,
        unit: Unit,
        at: Arrival,
        timeline: &mut Timeline<ParticipantId>,
        budget: &mut Budget,
    ) -> UnitOutcome {
        let placing = Placing { rtp: unit.rtp, ticks: 0, arrival: at.arrival, quiet: false };
        let Some(time) = timeline.place(self.key, placing) else { return UnitOutcome::default() };
        let heading = headers::read(self.codec, &unit.data);
        let (crowded, evicted) = self.claim(heading, budget);
        let facts = UnitFacts {
            heading,
            crowded,
            contiguous: unit.contiguous,
            keyframe: unit.keyframe,
            open: self.decoder.is_some(),
            decoded: self.decoder.as_ref().and_then(|_| self.frames.decoded_at()),
            now: at.now,
        };
        let verdict = self.admission.unit(facts);
        if verdict.undecodable.is_some() && !verdict.close && self.decoder.is_some() {
            // Whoever shows something else from now on is told that there are frames again.
            self.frames.forget();
        }
        let data = if self.codec == Codec::Vp9 { headers::superframe(unit.data) } else { unit.data };
        if let Some(decoder) = self.decoder.as_mut().filter(|_| verdict.pass)
            && !decoder.push(data, time, 0)
        {
            self.admission.overrun();
        }
        let closed = if verdict.close { self.decoder.take() } else { None };
        UnitOutcome { request: verdict.request, undecodable: verdict.undecodable, closed, evicted, lost_ns: 0 }
    }
}
