//! The table: medians, and ratios to the limit of the same round.

use std::fmt;

use super::Variant;
use super::meter::Reading;

/// What was measured, by round.
#[derive(Debug, Default)]
pub struct Table {
    rounds: Vec<Vec<(Variant, Reading)>>,
}

impl Table {
    /// One round; reading the finished picture is no part of the limit.
    pub fn add(&mut self, mut round: Vec<(Variant, Reading)>) {
        let read = find(&round, Variant::Read).map_or(0.0, |reading| reading.core);
        for (_, reading) in round.iter_mut().filter(|(variant, _)| *variant == Variant::Limit) {
            reading.core -= read;
        }
        self.rounds.push(round);
    }

    fn median(&self, figure: impl Fn(&[(Variant, Reading)]) -> Option<f64>) -> Option<f64> {
        let mut figures: Vec<f64> = self.rounds.iter().filter_map(|round| figure(round)).collect();
        figures.sort_by(f64::total_cmp);
        let (low, high) = (figures.get(figures.len().checked_sub(1)? / 2)?, figures.get(figures.len() / 2)?);
        Some(f64::midpoint(*low, *high))
    }
}

fn find(round: &[(Variant, Reading)], wanted: Variant) -> Option<Reading> {
    round.iter().find_map(|(variant, reading)| (*variant == wanted && reading.whole).then_some(*reading))
}

/// What is aimed at, and what the row is.
const fn about(variant: Variant) -> (&'static str, &'static str) {
    match variant {
        Variant::Limit => ("", "decoding and encoding alone"),
        Variant::Read => ("", "reading the finished picture, subtracted from the limit"),
        Variant::Ours => ("ratio ≤ 1.25, ≤ 250 MB", "this project's pipeline without a network"),
        Variant::Compositor => ("", "the same through GStreamer's compositor"),
        Variant::Record => ("≤ 250 MB", "`greffier record` in a room, the whole process"),
        Variant::Audio => ("core ≤ 0.05, ≤ 40 MB", "`greffier record --audio-only` in the same room"),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "core: CPU seconds per second of media. Medians of {} rounds.", self.rounds.len())?;
        writeln!(f, "{:<12}{:>7}{:>7}{:>6}{:>9}  {:<24}what", "", "core", "ratio", "MB", "start s", "target")?;
        for variant in Variant::ALL {
            let of = |figure: fn(Reading) -> f64| self.median(|round| find(round, variant).map(figure));
            let (Some(core), Some(mb), Some(start)) = (of(|r| r.core), of(|r| r.megabytes), of(|r| r.start)) else {
                continue;
            };
            let ratio = |round: &[_]| Some(find(round, variant)?.core / find(round, Variant::Limit)?.core);
            let ratio = self.median(ratio).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let (target, what) = about(variant);
            writeln!(f, "{:<12}{core:>7.3}{ratio:>7}{mb:>6.0}{start:>9.2}  {target:<24}{what}", variant.name())?;
        }
        Ok(())
    }
}
