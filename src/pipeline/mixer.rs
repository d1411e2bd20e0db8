//! Pure. The sum of all voices: samples laid at their exact place, taken out in blocks, kept below full scale.

/// Samples per second and channel.
pub const RATE: usize = 48_000;
/// Interleaved channels.
pub const CHANNELS: usize = 2;
/// Samples per channel taken at a time: 20 ms.
pub const BLOCK: usize = 960;

/// How far ahead of the cursor sound is kept, samples per channel: the latency, and what clocks may disagree by.
const AHEAD: usize = 4 * RATE;
/// What a sum of voices is brought down to.
const CEILING: f32 = 0.985;
/// The gain comes back this much per block: 0 to 1 in one second.
const RECOVERY: f32 = 0.02;

/// One voice's place in the sum: where it has been written up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice {
    end: Option<i64>,
}

/// The sum of the voices from the cursor on.
#[derive(Debug)]
pub struct Mixer {
    /// A ring of `AHEAD` frames; the cursor's frame is at `cursor % AHEAD`.
    ring: Vec<f32>,
    cursor: i64,
    gain: f32,
}

impl Mixer {
    /// Silence, from sample zero on.
    pub fn new() -> Self {
        Self { ring: vec![0.0; AHEAD * CHANNELS], cursor: 0, gain: 1.0 }
    }

    /// The next sample that will be taken.
    pub const fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Adds interleaved samples of one voice, the first one at `position`. What lies behind the cursor, too far ahead, or over
    /// what this voice said already, is left out.
    pub fn add(&mut self, voice: &mut Voice, position: i64, samples: &[i16]) {
        let length = i64::try_from(samples.len() / CHANNELS).unwrap_or(0);
        let limit = self.cursor + AHEAD as i64;
        // A voice that was set back by more than the ring holds began anew.
        let said = voice.end.filter(|end| *end - position < AHEAD as i64).unwrap_or(i64::MIN);
        let from = position.max(self.cursor).max(said);
        let to = (position + length).min(limit);
        for at in from..to {
            let source = (at - position) as usize * CHANNELS;
            let place = (at.rem_euclid(AHEAD as i64)) as usize * CHANNELS;
            for channel in 0..CHANNELS {
                if let (Some(sum), Some(sample)) = (self.ring.get_mut(place + channel), samples.get(source + channel)) {
                    *sum += f32::from(*sample) / 32768.0;
                }
            }
        }
        if to > from {
            voice.end = Some(to);
        }
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
            let place = self.place(n);
            for sum in self.ring.iter_mut().skip(place).take(CHANNELS) {
                // The clamp only matters for sound that arrives after the block before it was taken.
                out.push((*sum * gain).clamp(-1.0, 1.0));
                *sum = 0.0;
            }
        }
        self.cursor += frames as i64;
        self.gain = end;
    }

    /// The gain that keeps these frames (counted from the cursor) below full scale.
    fn allowed(&self, frames: std::ops::Range<usize>) -> f32 {
        let mut peak = 0.0_f32;
        for n in frames {
            let place = self.place(n);
            for sum in self.ring.iter().skip(place).take(CHANNELS) {
                peak = peak.max(sum.abs());
            }
        }
        if peak > 1.0 { CEILING / peak } else { 1.0 }
    }

    fn place(&self, n: usize) -> usize {
        ((self.cursor + n as i64).rem_euclid(AHEAD as i64)) as usize * CHANNELS
    }
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
    fn late_sound_is_cut_not_lost() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        take(&mut mixer, 1);
        mixer.add(&mut voice, 0, &stereo(0, 1920));
        let all = take(&mut mixer, 1);
        assert_eq!(all[0], 960.0 / 32768.0);
        mixer.add(&mut voice, 10, &stereo(0, 100));
        assert!(take(&mut mixer, 1).iter().all(|s| *s == 0.0));
    }

    #[test]
    fn a_voice_never_lies_over_itself() {
        let (mut mixer, mut voice) = (Mixer::new(), Voice::default());
        mixer.add(&mut voice, 0, &[100; 1000]);
        mixer.add(&mut voice, 400, &[100; 1000]);
        let all = take(&mut mixer, 1);
        assert!(all.iter().take(1800).all(|s| *s == 100.0 / 32768.0));
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
