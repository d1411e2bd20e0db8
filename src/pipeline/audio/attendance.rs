//! Pure. Who speaks, up to when it is known what he said, and what was lost of it.
//!
//! Audio that is late is in the file where it was said as long as that place has not been written. So the output waits for those
//! who were heard lately; whoever sends nothing for too long is waited for again when he is back.

use std::collections::HashMap;
use std::time::Duration;

use crate::ids::TrackId;

use super::mixer::{Mixer, Voice};
use crate::pipeline::clock::LATENCY;
use crate::pipeline::command::Generation;

/// What is late is waited for this long after it should have arrived, so that packets which a network kept for three seconds stand
/// where they were said. Meanwhile nothing is written, frames included, and a kill loses that much more; when everybody's
/// packets come in time, it is [`LATENCY`] as for frames. It costs what the encoded frames of that time take: 2 MB.
pub const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// All voices.
#[derive(Debug, Default)]
pub struct Attendance {
    speakers: HashMap<Generation, Speaker>,
}

#[derive(Debug)]
struct Speaker {
    track: TrackId,
    voice: Voice,
    /// What he said is known up to there, samples; `None`: nobody waits for him.
    until: Option<i64>,
    /// Samples that came too late.
    lost: u64,
}

impl Attendance {
    /// Somebody who has said nothing yet.
    pub fn enter(&mut self, generation: Generation, track: TrackId) {
        self.speakers.insert(generation, Speaker { track, voice: Voice::default(), until: None, lost: 0 });
    }

    /// He says something from this sample on, which comes later.
    pub fn expect(&mut self, generation: Generation, position: i64) {
        if let Some(speaker) = self.speakers.get_mut(&generation) {
            speaker.until = speaker.until.or(Some(position));
        }
    }

    /// What he says, from this sample on.
    pub fn say(&mut self, generation: Generation, position: i64, samples: &[i16], mixer: &mut Mixer) {
        let Some(speaker) = self.speakers.get_mut(&generation) else { return };
        speaker.lost += mixer.add(&mut speaker.voice, position, samples);
        let end = speaker.voice.end();
        speaker.until = end.filter(|end| *end > mixer.cursor()).or(speaker.until);
    }

    /// He says nothing more. Returns whose samples are lost, if there are any that were not told.
    pub fn leave(&mut self, generation: Generation) -> Option<(TrackId, u64)> {
        let gone = self.speakers.remove(&generation)?;
        (gone.lost > 0).then_some((gone.track, gone.lost))
    }

    /// Whether what was said before `end` can be written, when that could have been done `overdue` ago.
    pub fn is_ready(&mut self, end: i64, overdue: Duration) -> bool {
        let waited = overdue >= LONGEST_WAIT.saturating_sub(LATENCY);
        if waited {
            for speaker in self.speakers.values_mut() {
                speaker.until = speaker.until.filter(|until| *until >= end);
            }
        }
        waited || self.speakers.values().all(|speaker| speaker.until.is_none_or(|until| until >= end))
    }

    /// Samples lost since this was asked last, by track.
    pub fn lost(&mut self) -> Vec<(TrackId, u64)> {
        let losers = self.speakers.values_mut().filter(|speaker| speaker.lost > 0);
        losers.map(|speaker| (speaker.track.clone(), std::mem::take(&mut speaker.lost))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::audio::mixer::{BLOCK, CHANNELS};

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn the_output_waits_for_who_was_heard_lately() {
        let (mut mixer, mut all, mut out) = (Mixer::new(), Attendance::default(), Vec::new());
        let piece = [1000_i16; BLOCK * CHANNELS];
        let block = BLOCK as i64;
        all.enter(1, TrackId::new("TR_ann"));
        all.enter(2, TrackId::new("TR_bob"));
        assert!(all.is_ready(block, NONE), "nobody has spoken");
        all.say(1, 0, &piece, &mut mixer);
        assert!(all.is_ready(block, NONE) && !all.is_ready(2 * block, NONE), "Ann goes on, perhaps");
        assert!(all.is_ready(2 * block, LONGEST_WAIT), "but not for ever");
        assert!(all.is_ready(9 * block, NONE), "she has stopped");
        mixer.take(BLOCK, &mut out);
        mixer.take(BLOCK, &mut out);
        all.say(1, block, &piece, &mut mixer);
        assert!(all.is_ready(9 * block, NONE), "what is too late keeps nobody waiting");
        all.say(1, 2 * block, &piece, &mut mixer);
        assert!(!all.is_ready(9 * block, NONE), "she is back");
        assert!(all.is_ready(9 * block, LONGEST_WAIT));
        all.expect(1, 5 * block);
        assert!(all.is_ready(5 * block, NONE) && !all.is_ready(6 * block, NONE), "she has begun again");
        assert_eq!(all.lost(), [(TrackId::new("TR_ann"), BLOCK as u64)]);
        assert_eq!(all.lost(), []);
        assert_eq!(all.leave(1), None);
        assert!(all.is_ready(9 * block, NONE), "she is gone");
    }
}
