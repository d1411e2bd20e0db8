//! The sound half of a track: packets wait until it is known where they belong, then go to the decoder.

use crate::ids::ParticipantId;
use crate::timeline::{Key, RecordingTime, Timeline};

use super::input::Input;
use super::pace::span;
use super::{Unit, opus};

/// Sound waits this long at its beginning, so that the least delayed packet decides where it lies.
const SETTLING_NS: i64 = 200_000_000;
/// Lost sound up to this long (48 kHz ticks, 120 ms) is made up by the decoder; more is silence.
const CONCEALABLE: u64 = 5760;

/// What is kept of a track's sound between packets.
#[derive(Debug)]
pub struct Voice {
    /// Sound that waits for the beginning to settle; `None` once it has.
    settling: Option<Vec<(Unit, RecordingTime)>>,
    /// Where the next packet should begin, in RTP time.
    expected: Option<u64>,
}

impl Voice {
    /// Nothing has come yet.
    pub const fn new() -> Self {
        Self { settling: Some(Vec::new()), expected: None }
    }

    /// Takes one packet.
    pub fn unit(
        &mut self,
        key: Key,
        unit: Unit,
        arrival: RecordingTime,
        input: Option<&mut Input>,
        timeline: &mut Timeline<ParticipantId>,
    ) {
        let Some(waiting) = &mut self.settling else {
            self.packet(key, unit, arrival, input, timeline);
            return;
        };
        timeline.observe(key, unit.rtp, arrival);
        waiting.push((unit, arrival));
        if waiting.first().is_some_and(|(_, first)| arrival - first >= SETTLING_NS) {
            self.flush(key, input, timeline);
        }
    }

    /// What still waits goes its way.
    pub fn flush(&mut self, key: Key, mut input: Option<&mut Input>, timeline: &mut Timeline<ParticipantId>) {
        for (unit, arrival) in self.settling.take().unwrap_or_default() {
            self.packet(key, unit, arrival, input.as_deref_mut(), timeline);
        }
    }

    fn packet(
        &mut self,
        key: Key,
        unit: Unit,
        arrival: RecordingTime,
        input: Option<&mut Input>,
        timeline: &mut Timeline<ParticipantId>,
    ) {
        let ticks = opus::ticks(&unit.data);
        let Some(time) = timeline.place(key, unit.rtp, ticks, arrival) else { return };
        let lost = self.expected.and_then(|expected| unit.rtp.checked_sub(expected)).unwrap_or(0);
        self.expected = Some(unit.rtp + u64::from(ticks));
        let Some(input) = input else { return };
        if !unit.contiguous && (1..=CONCEALABLE).contains(&lost) {
            let length = span(lost, 48_000);
            input.conceal(time - length, length);
        }
        input.push(unit.data, time, span(u64::from(ticks.max(1)), 48_000));
    }
}
