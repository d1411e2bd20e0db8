//! Pure. The audio half of a track: packets wait until it is known where they belong, then go to the decoder.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::ids::ParticipantId;
use crate::timeline::{AUDIO_TOLERANCE_NS, Hearing, Placing, RecordingTime, Timeline, TrackKey};

use super::opus;
use crate::pipeline::Unit;
use crate::pipeline::clock::span;

/// Lost audio up to this long (48 kHz ticks, 120 ms) is made up by the decoder; more is silence.
const CONCEALABLE: u64 = 5760;

/// So many packets back, what comes twice is told from what comes too late for the decoder.
const RECENT: usize = 100;
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
    /// RTP times of what was decoded lately.
    recent: VecDeque<u64>,
    /// Something since the last packet that was decoded could not be.
    spoilt: bool,
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
        Self { key, waiting: Vec::new(), due: None, expected: None, recent: VecDeque::new(), spoilt: false }
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
            // Twice, or behind its successor: the decoder has passed it. A clock that was set back has its audio after it.
            if unit.rtp < expected && time + length <= end {
                if !self.recent.contains(&unit.rtp) {
                    steps.push(AudioStep::Lost(length.unsigned_abs()));
                }
                return;
            }
            // Cut so that it is in step again: what lies over what was said is not heard. Smaller cuts repair a drift.
            let over = end - time;
            if unit.rtp >= expected && over > AUDIO_TOLERANCE_NS && !quiet {
                steps.push(AudioStep::Lost(over.unsigned_abs()));
            }
            let lost = unit.rtp.saturating_sub(expected);
            if (self.spoilt || !unit.contiguous) && (1..=CONCEALABLE).contains(&lost) && time > end {
                let length = span(lost, 48_000).min(time - end);
                steps.push(AudioStep::Conceal(time - length, length));
            }
        }
        self.spoilt = false;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(unit.rtp);
        self.expected = Some((unit.rtp.saturating_add(u64::from(ticks)), time + length));
        steps.push(AudioStep::Play(unit.data, time, length));
    }
}
