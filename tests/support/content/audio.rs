//! What is heard: the decoded samples at their true times, and the beeps among them.

use std::path::Path;

use super::probe::{AudioStream, json, seconds};

/// Samples a second.
const RATE: usize = 48_000;
/// 10 ms: whole periods of every tone and of every difference between two tones of 100 Hz, so none disturbs another.
const WINDOW: usize = RATE / 100;
/// A tone that lasts less is no beep (a whole one lasts 0.1 s): a beep with a hole in it must count as missing.
const SHORTEST: usize = RATE * 6 / 100;
/// Full scale is 1; below this there is no tone.
const FAINTEST: f64 = 0.01;

/// All audio of a recording, mixed to one channel, from time zero on.
pub struct Audio {
    samples: Vec<f32>,
    /// Where the file has no audio at all, seconds: from, to.
    pub holes: Vec<(f64, f64)>,
}

impl Audio {
    /// Seconds.
    pub fn duration(&self) -> f64 {
        at(self.samples.len())
    }

    /// Root mean square between two moments, 1 being full scale.
    pub fn rms(&self, from: f64, to: f64) -> f64 {
        let part = &self.samples[index(from).min(self.samples.len())..index(to).min(self.samples.len())];
        (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len().max(1) as f64).sqrt()
    }

    /// When each beep of this tone began, seconds, within 2 ms.
    pub fn beeps(&self, tone_hz: u32) -> Vec<f64> {
        let level = self.envelope(tone_hz);
        let threshold = FAINTEST.max(0.3 * usual(&level));
        let mut beeps = Vec::new();
        let mut from = 0;
        while let Some(start) = (from..level.len()).find(|i| level[*i] > threshold) {
            let end = (start..level.len()).find(|i| level[*i] <= threshold).unwrap_or(level.len());
            if end - start >= SHORTEST {
                beeps.push(onset(&level, start, end));
            }
            from = end;
        }
        beeps
    }

    /// The amplitude of one tone: for each sample, over the window that ends with it.
    fn envelope(&self, tone_hz: u32) -> Vec<f64> {
        let step = tone_hz as usize;
        let turn: Vec<(f64, f64)> =
            (0..RATE).map(|i| (std::f64::consts::TAU * i as f64 / RATE as f64).sin_cos()).collect();
        let product = |i: usize| {
            let (sin, cos) = turn[i * step % RATE];
            let sample = f64::from(self.samples[i]);
            (sample * sin, sample * cos)
        };
        let (mut sine, mut cosine) = (0.0, 0.0);
        let mut level = Vec::with_capacity(self.samples.len());
        for i in 0..self.samples.len() {
            let (s, c) = product(i);
            sine += s;
            cosine += c;
            if i >= WINDOW {
                let (s, c) = product(i - WINDOW);
                sine -= s;
                cosine -= c;
            }
            level.push(2.0 * f64::hypot(sine, cosine) / WINDOW as f64);
        }
        level
    }
}

/// How loud the tone is in its loudest moment of a second, in all but a quarter of the seconds in which it is heard. Not
/// the loudest of all: Opus may make one tone four times as loud as the next, after silence that was not sent.
fn usual(level: &[f64]) -> f64 {
    let loudest = |second: &[f64]| second.iter().copied().fold(0.0, f64::max);
    let mut peaks: Vec<f64> = level.chunks(RATE).map(loudest).filter(|peak| *peak > FAINTEST).collect();
    peaks.sort_by(f64::total_cmp);
    peaks.get(peaks.len() / 4).copied().unwrap_or(0.0)
}

/// A tone that sets in at `t` makes the level rise in a straight line from `t` to `t` + window; three points of that
/// line each tell `t`, and their mean is taken.
fn onset(level: &[f64], start: usize, end: usize) -> f64 {
    let mut middle: Vec<f64> = level[start + WINDOW..end - WINDOW].to_vec();
    middle.sort_by(f64::total_cmp);
    let full = middle[middle.len() / 2];
    let begin = start.saturating_sub(WINDOW);
    let quarter = |part: f64| {
        let over = (begin..end).find(|i| level[*i] >= part * full).unwrap_or(start);
        over as f64 - part * WINDOW as f64
    };
    [0.25, 0.5, 0.75].map(quarter).iter().sum::<f64>() / 3.0 / RATE as f64
}

pub(super) fn decode(path: &Path, stream: &AudioStream) -> Audio {
    assert_eq!(stream.rate as usize, RATE, "samples a second");
    let file = path.to_str().expect("a path in UTF-8");
    let raw = super::run("ffmpeg", &["-i", file, "-map", "0:a:0", "-ac", "1", "-f", "f32le", "-"]);
    let decoded: Vec<f32> = raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let frames = json(&["-select_streams", "a:0", "-show_entries", "frame=pts_time,nb_samples", file]);
    let (mut samples, mut holes, mut read) = (Vec::new(), Vec::new(), 0);
    for frame in frames["frames"].as_array().expect("a list of frames") {
        let length = frame["nb_samples"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number of samples");
        let start = index(seconds(&frame["pts_time"]).expect("a decoded frame has a time").max(0.0));
        // A container's time may be rounded to a millisecond: only more than that is a hole.
        if start > samples.len() + RATE / 500 {
            holes.push((at(samples.len()), at(start)));
            samples.resize(start, 0.0);
        }
        samples.extend_from_slice(decoded.get(read..read + length).expect("as many samples as the frames announce"));
        read += length;
    }
    assert_eq!(read, decoded.len(), "as many samples as the frames announce");
    Audio { samples, holes }
}

fn at(sample: usize) -> f64 {
    sample as f64 / RATE as f64
}

fn index(time: f64) -> usize {
    (time * RATE as f64).round() as usize
}
