//! Pure. The audio half of a track: packets wait until it is known where they belong, then go to the decoder.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use crate::ids::ParticipantId;
use crate::timeline::{AUDIO_TOLERANCE_NS, Hearing, Placing, RecordingTime, Timeline, TrackKey};

use super::opus;
use crate::pipeline::Unit;
use crate::pipeline::clock::span;

/// Lost audio up to this long (48 kHz ticks, 120 ms) is made up by the decoder; more is silence.
const CONCEALABLE: u64 = 5760;

/// So many packets back, what comes again is known: 20 s of the usual ones.
const REMEMBERED: usize = 1000;
/// Audio that waits is placed by the least delayed packet, which may be this much before the arrival of the first.
const EARLY_NS: i64 = 200_000_000;

/// What is kept of a track's audio between packets.
#[derive(Debug)]
pub struct JitterBuffer {
    key: TrackKey,
    /// Audio whose place is not known yet.
    waiting: Vec<(Unit, RecordingTime)>,
    /// When it must be decided.
    due: Option<RecordingTime>,
    /// Where the next packet should begin, in RTP time, and in the recording.
    expected: Option<(u64, RecordingTime)>,
    /// What came lately: its RTP time, and a hash of its content.
    recent: VecDeque<(u64, u64)>,
    /// What is said now lies over what was said before, until it is past that.
    cut: bool,
    /// Something since the last packet that was decoded could not be.
    spoilt: bool,
    /// So many packets since then never came.
    missing: u32,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioStep {
    /// Something is said from about here on, but it is not known yet where exactly: the output should wait for it.
    Expect(RecordingTime),
    /// The decoder makes up for this much, from there on.
    Conceal(RecordingTime, i64),
    /// This packet is to be heard from there on, for so long.
    Play(Bytes, RecordingTime, i64),
    /// So many nanoseconds cannot be heard.
    Lost(u64),
}

impl JitterBuffer {
    /// Nothing has come yet.
    pub const fn new(key: TrackKey) -> Self {
        Self {
            key,
            waiting: Vec::new(),
            due: None,
            expected: None,
            recent: VecDeque::new(),
            cut: false,
            spoilt: false,
            missing: 0,
        }
    }

    /// When [`flush`](Self::flush) must be called, if nothing comes before.
    pub const fn due(&self) -> Option<RecordingTime> {
        self.due
    }

    /// Takes one packet. `quiet`: what was said last is so quiet that a piece of it may be left out.
    pub fn unit(
        &mut self,
        unit: Unit,
        arrival: RecordingTime,
        quiet: bool,
        timeline: &mut Timeline<ParticipantId>,
    ) -> Vec<AudioStep> {
        // Nothing was said, not even silence.
        if unit.data.is_empty() {
            return Vec::new();
        }
        let mut steps = match self.due {
            Some(due) if due <= arrival => self.flush(timeline),
            Some(_) | None => Vec::new(),
        };
        if self.is_copy(&unit) {
            return steps;
        }
        let heard = timeline.hear(self.key, unit.rtp, arrival);
        match heard {
            Hearing::Anew(_) => self.release(false, timeline, &mut steps),
            Hearing::Sure | Hearing::Wait(_) => {}
        }
        if self.waiting.is_empty() && heard != Hearing::Sure {
            steps.push(AudioStep::Expect(arrival - EARLY_NS));
        }
        self.waiting.push((unit, arrival));
        match heard {
            Hearing::Anew(due) | Hearing::Wait(due) => self.due = Some(due),
            Hearing::Sure => self.release(quiet, timeline, &mut steps),
        }
        steps
    }

    /// Whether this very packet came before. A sender whose clock was set back says something else at the same RTP time.
    fn is_copy(&mut self, unit: &Unit) -> bool {
        let mut hasher = DefaultHasher::new();
        unit.data.hash(&mut hasher);
        let packet = (unit.rtp, hasher.finish());
        if self.recent.contains(&packet) {
            return true;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(packet);
        false
    }

    /// What still waits goes its way.
    pub fn flush(&mut self, timeline: &mut Timeline<ParticipantId>) -> Vec<AudioStep> {
        let mut steps = Vec::new();
        timeline.decide(self.key);
        self.release(false, timeline, &mut steps);
        steps
    }

    fn release(&mut self, quiet: bool, timeline: &mut Timeline<ParticipantId>, steps: &mut Vec<AudioStep>) {
        self.due = None;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(unit, _)| unit.rtp);
        // How loud the one before is, is known of those alone that come one by one.
        let quiet = quiet && waiting.len() == 1;
        for (unit, arrival) in waiting {
            self.packet(unit, arrival, quiet, timeline, steps);
        }
    }

    fn packet(
        &mut self,
        unit: Unit,
        arrival: RecordingTime,
        quiet: bool,
        timeline: &mut Timeline<ParticipantId>,
        steps: &mut Vec<AudioStep>,
    ) {
        self.missing = self.missing.saturating_add(unit.missing);
        let ticks = opus::ticks(&unit.data);
        let length = span(u64::from(ticks.unwrap_or(opus::USUAL)), 48_000);
        let placing = Placing { rtp: unit.rtp, ticks: ticks.unwrap_or(0), arrival, quiet };
        let Some(time) = timeline.place(self.key, placing) else {
            steps.push(AudioStep::Lost(length.unsigned_abs()));
            return;
        };
        let Some(ticks) = ticks else {
            self.spoilt = true;
            steps.push(AudioStep::Lost(length.unsigned_abs()));
            return;
        };
        if let Some((expected, end)) = self.expected {
            // Behind its successor: the decoder has passed it. A clock that was set back has its audio after it.
            if unit.rtp < expected && time + length <= end {
                // Something else of that RTP time was heard: a server ends a track with such a packet of silence.
                if self.recent.iter().filter(|(rtp, _)| *rtp == unit.rtp).count() < 2 {
                    steps.push(AudioStep::Lost(length.unsigned_abs()));
                }
                return;
            }
            // Cut so that it is in step again: what lies over what was said is not heard. Smaller cuts repair a drift.
            let over = end - time;
            self.cut = over > 0 && (self.cut || unit.rtp >= expected && over > AUDIO_TOLERANCE_NS && !quiet);
            if self.cut {
                steps.push(AudioStep::Lost(over.min(length).unsigned_abs()));
            }
            let gap = (time - end).max(0);
            // What never came lasted as long as there is room for it: a server may leave out what a clock that was set back says.
            let mut absent = gap.min(length * i64::from(self.missing));
            let lost = unit.rtp.saturating_sub(expected);
            if (self.spoilt || !unit.contiguous) && (1..=CONCEALABLE).contains(&lost) && gap > 0 {
                let length = span(lost, 48_000).min(gap);
                absent -= length;
                steps.push(AudioStep::Conceal(time - length, length));
            }
            // A server that ends a track leaves a number out, and a lost packet or two is what a decoder conceals.
            if absent > span(CONCEALABLE, 48_000) {
                steps.push(AudioStep::Lost(absent.unsigned_abs()));
            }
        }
        (self.spoilt, self.missing) = (false, 0);
        let end = self.expected.map_or(time + length, |(_, end)| end.max(time + length));
        self.expected = Some((unit.rtp.saturating_add(u64::from(ticks)), end));
        steps.push(AudioStep::Play(unit.data, time, length));
    }
}
