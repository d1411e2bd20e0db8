//! Pure. The sum of all voices: samples laid at their exact place, taken out in blocks, kept below full scale.

use std::collections::VecDeque;

/// Samples per second and channel.
pub const RATE: usize = 48_000;
/// Interleaved channels.
pub const CHANNELS: usize = 2;
/// Samples per channel taken at a time: 20 ms.
pub const BLOCK: usize = 960;

/// How far ahead of the cursor audio is kept, samples per channel: two minutes in which nothing can be written (46 MB, however many
/// voices; usually a second).
const AHEAD: i64 = 120 * RATE as i64;
/// A voice that is set back by more than this, samples per channel, began anew.
const ANEW: i64 = 4 * RATE as i64;
/// What stays below this is quiet: -40 dBFS.
pub const QUIET: u16 = 328;
/// What a sum of voices is brought down to.
const CEILING: f32 = 0.985;
/// The gain comes back this much per block: 0 to 1 in one second.
const RECOVERY: f32 = 0.02;

/// One voice's place in the sum: where it has been written up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice {
    end: Option<i64>,
    /// Where it was last louder than [`QUIET`]: what comes after that may be laid over.
    said: Option<i64>,
}

impl Voice {
    /// Where the next sample of it would lie, once it has spoken.
    pub const fn end(&self) -> Option<i64> {
        self.end
    }
}

/// The sum of the voices from the cursor on.
#[derive(Debug)]
pub struct Mixer {
    /// Interleaved, from the cursor to where something was laid last.
    sum: VecDeque<f32>,
    cursor: i64,
    gain: f32,
}

impl Mixer {
    /// Silence, from sample zero on.
    pub const fn new() -> Self {
        Self::from(0)
    }

    /// Silence, from this sample on.
    pub const fn from(cursor: i64) -> Self {
        Self { sum: VecDeque::new(), cursor, gain: 1.0 }
    }

    /// The next sample that will be taken.
    pub const fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Adds interleaved samples of one voice, the first one at `position`. What lies behind the cursor, too far ahead, or over
    /// what this voice said already (unless that is quiet), is left out. Returns how many samples per channel were left out that
    /// it had not said.
    pub fn add(&mut self, voice: &mut Voice, position: i64, samples: &[i16]) -> u64 {
        let length = i64::try_from(samples.len() / CHANNELS).unwrap_or(0);
        let limit = self.cursor + AHEAD;
        let said = voice.said.filter(|end| *end - position < ANEW).unwrap_or(i64::MIN);
        let new = position.max(said);
        let from = new.max(self.cursor);
        let to = (position + length).min(limit);
        let wanted = (position + length - new).max(0).unsigned_abs();
        if to <= from {
            return wanted;
        }
        let place = |at: i64, origin: i64| usize::try_from(at - origin).unwrap_or(0) * CHANNELS;
        let end = place(to, self.cursor);
        if self.sum.len() < end {
            self.sum.resize(end, 0.0);
        }
        let places = self.sum.range_mut(place(from, self.cursor)..end);
        for (sum, sample) in places.zip(samples.iter().skip(place(from, position))) {
            *sum += f32::from(*sample) / 32768.0;
        }
        voice.end = Some(to);
        if !is_quiet(samples) {
            voice.said = Some(to);
        }
        wanted - (to - from).unsigned_abs()
    }

    /// Takes `frames` (at most a block) from the cursor on into `out`, interleaved. One voice passes unchanged; a sum above full
    /// scale is turned down, smoothly, and beginning one block before.
    pub fn take(&mut self, frames: usize, out: &mut Vec<f32>) {
        let frames = frames.min(BLOCK);
        let next = frames..frames + BLOCK;
        let end = self.allowed(0..frames).min(self.allowed(next)).min(self.gain + RECOVERY).min(1.0);
        let begin = self.gain;
        out.clear();
        for n in 0..frames {
            let gain = if end >= 1.0 && begin >= 1.0 { 1.0 } else { begin + (end - begin) * n as f32 / frames as f32 };
            for _ in 0..CHANNELS {
                // The clamp only matters for audio that arrives after the block before it was taken.
                out.push((self.sum.pop_front().unwrap_or(0.0) * gain).clamp(-1.0, 1.0));
            }
        }
        self.cursor += frames as i64;
        self.gain = end;
        if self.sum.is_empty() {
            // What a stall needed is given back.
            self.sum.shrink_to(RATE * CHANNELS);
        }
    }

    /// The gain that keeps these frames (counted from the cursor) below full scale.
    fn allowed(&self, frames: std::ops::Range<usize>) -> f32 {
        let sums = self.sum.iter().skip(frames.start * CHANNELS).take(frames.len() * CHANNELS);
        let peak = sums.fold(0.0_f32, |peak, sum| peak.max(sum.abs()));
        if peak > 1.0 { CEILING / peak } else { 1.0 }
    }
}

/// Whether a piece of this may be left out, or laid over, and nobody would hear it.
pub fn is_quiet(samples: &[i16]) -> bool {
    samples.iter().all(|sample| sample.unsigned_abs() < QUIET)
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stereo(from: i16, frames: usize) -> Vec<i16> {
        (0..frames).flat_map(|n| [from + n as i16, -(from + n as i16)]).collect()
    }

    fn take(mixer: &mut Mixer, blocks: usize) -> Vec<f32> {
        let mut all = Vec::new();
        let mut out = Vec::new();
        for _ in 0..blocks {
            mixer.take(BLOCK, &mut out);
            all.extend_from_slice(&out);
        }
        all
    }

    #[test]
    fn one_voice_passes_unchanged_at_its_place() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        mixer.add(&mut voice, 100, &stereo(1, 960));
        mixer.add(&mut voice, 1060, &stereo(961, 960));
        let all = take(&mut mixer, 3);
        for n in 0..all.len() / 2 {
            let expected = if (100..2020).contains(&n) { (n - 99) as f32 / 32768.0 } else { 0.0 };
            assert_eq!(all[2 * n], expected, "{n}");
            assert_eq!(all[2 * n + 1], -expected, "{n}");
        }
    }

    #[test]
    fn late_audio_is_cut_not_lost() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        take(&mut mixer, 1);
        assert_eq!(mixer.add(&mut voice, 0, &stereo(0, 1920)), 960, "what was cut is counted");
        let all = take(&mut mixer, 1);
        assert_eq!(all[0], 960.0 / 32768.0);
        assert_eq!(mixer.add(&mut voice, 10, &stereo(0, 100)), 0, "it was said before");
        assert!(take(&mut mixer, 1).iter().all(|s| *s == 0.0));
    }

    #[test]
    fn a_voice_never_lies_over_itself() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        mixer.add(&mut voice, 0, &[1000; 1000]);
        mixer.add(&mut voice, 400, &[1000; 1000]);
        let all = take(&mut mixer, 1);
        assert!(all.iter().take(1800).all(|s| *s == 1000.0 / 32768.0));
    }

    #[test]
    fn quiet_gives_way_to_what_follows() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        mixer.add(&mut voice, 0, &[1000; 1000]);
        mixer.add(&mut voice, 500, &[10; 1000]);
        mixer.add(&mut voice, 700, &[1000; 1000]);
        let all = take(&mut mixer, 2);
        assert!(all.iter().take(1000).all(|s| *s == 1000.0 / 32768.0));
        assert!(all.iter().skip(1400).take(1000).all(|s| *s >= 1000.0 / 32768.0), "no word is cut at its beginning");
    }

    #[test]
    fn what_cannot_be_written_yet_is_kept() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        let second = vec![100; RATE * CHANNELS];
        for n in 0..100 {
            assert_eq!(mixer.add(&mut voice, n * RATE as i64, &second), 0, "{n}");
        }
        assert!(take(&mut mixer, 5000).iter().all(|s| *s == 100.0 / 32768.0));
        assert_eq!(mixer.add(&mut voice, mixer.cursor() + AHEAD - 10, &second), RATE as u64 - 10, "minutes, not hours");
    }

    #[test]
    fn loud_sums_stay_below_full_scale_without_steps() {
        let mut mixer = Mixer::new();
        let mut voices = [Voice::default(); 3];
        for n in 0..40_i64 {
            for (v, voice) in voices.iter_mut().enumerate() {
                if v == 0 || (10..15).contains(&n) {
                    let tone: Vec<i16> = (0..BLOCK)
                        .flat_map(|i| {
                            let t = (n * BLOCK as i64 + i as i64) as f32 / RATE as f32;
                            let s = ((t * 440.0 * std::f32::consts::TAU).sin() * 32000.0) as i16;
                            [s, s]
                        })
                        .collect();
                    mixer.add(voice, n * BLOCK as i64, &tone);
                }
            }
        }
        let all = take(&mut mixer, 40);
        let left: Vec<f32> = all.iter().copied().step_by(2).collect();
        assert!(left.iter().all(|s| s.abs() <= 1.0));
        // Nothing steeper than the loudest tone allowed can be: 2π·440/48000, and a little for the ramps.
        assert!(left.windows(2).skip(11 * BLOCK).take(3 * BLOCK).all(|w| (w[1] - w[0]).abs() < 0.07));
        let first: Vec<f32> = left.iter().copied().take(9 * BLOCK).collect();
        assert!(first.iter().any(|s| s.abs() > 0.97), "one voice alone keeps its level");
    }
}
