//! Moments compared: picture with audio, beeps with the clock, the file with the wall.

/// How far apart a flash and its beep may be, seconds; beyond that they belong to different seconds.
const NEAR: f64 = 0.45;

/// Some durations in brief, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// With its sign.
    pub median: f64,
    /// 95 % are no larger, without sign.
    pub p95: f64,
    /// The largest, without sign.
    pub worst: f64,
}

impl Spread {
    /// Panics when there is nothing to describe: no figure must ever pass because nothing was seen.
    pub fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing to measure");
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let rank = (sizes.len() as f64 * 0.95).ceil() as usize;
        Self { count: sizes.len(), median, p95: sizes[rank.max(1) - 1], worst: sizes[sizes.len() - 1] }
    }
}

/// Each flash against its beep; positive: the picture comes after the audio.
pub fn offsets(flashes: &[f64], beeps: &[f64]) -> Spread {
    let pair = |flash: &f64| {
        let offset = beeps.iter().map(|beep| flash - beep).min_by(|a, b| a.abs().total_cmp(&b.abs()))?;
        Some(offset).filter(|offset| offset.abs() < NEAR)
    };
    Spread::of(flashes.iter().filter_map(pair).collect())
}

/// Each beep against the even second that fits all of them best.
pub fn cadence(beeps: &[f64]) -> Spread {
    let first = *beeps.first().expect("at least one beep");
    let fraction = |beep: f64| (beep - first) - (beep - first).round();
    let mut fractions: Vec<f64> = beeps.iter().map(|beep| fraction(*beep)).collect();
    fractions.sort_by(f64::total_cmp);
    let phase = fractions[fractions.len() / 2];
    Spread::of(beeps.iter().map(|beep| fraction(*beep) - phase).collect())
}

/// Seconds that should have had a beep and had none. `phase`: any moment at which one is due (or would be).
pub fn missing(beeps: &[f64], phase: f64, from: f64, to: f64) -> Vec<f64> {
    let first = phase + (from - phase).ceil();
    (0..)
        .map(|n| first + f64::from(n))
        .take_while(|due| *due < to)
        .filter(|due| !beeps.iter().any(|beep| (beep - due).abs() < 0.25))
        .collect()
}

/// The wall time of a recording's first moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    zero: f64,
}

impl Clock {
    /// From when it was stopped and how long it is, which is right to less than half a second, and from a mark
    /// (flash or beep) that was published exactly on a whole second.
    pub fn new(stopped: f64, duration: f64, mark: f64) -> Self {
        let rough = stopped - duration;
        Self { zero: (rough + mark).round() - mark }
    }

    /// Wall time → recording time, both in seconds.
    pub fn in_file(self, wall: f64) -> f64 {
        wall - self.zero
    }
}
