//! A random day: commands with their times, the same for the same seed.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

/// What may happen: commands with the time after the beginning, seconds; `N` is whoever misbehaves. Each ends calm.
const SCENES: &[&[(f64, &str)]] = &[
    &[(0.0, "pause mic N 300ms 8")],
    &[(0.0, "pause mic N 700ms 6")],
    &[(0.0, "pause mic N 1700ms 3")],
    &[(0.0, "pause mic N 900ms"), (0.0, "pause camera N 900ms"), (3.0, "pause camera N 2500ms")],
    &[(0.0, "jump mic N +5s"), (3.0, "jump mic N -7s"), (6.0, "jump mic N +20ms")],
    &[(0.0, "jump camera N +30s"), (3.0, "jump camera N -60s"), (6.0, "jump mic N +600s")],
    &[(0.0, "drift mic N 300"), (0.0, "drift camera N -300"), (8.0, "calm N")],
    &[(0.0, "drift mic N 20000"), (6.0, "drift mic N -20000"), (10.0, "calm N")],
    &[(0.0, "delay mic N 700ms"), (5.0, "delay mic N 1200ms"), (10.0, "delay mic N 0")],
    &[(0.0, "delay mic N 300ms"), (0.0, "delay camera N 300ms"), (5.0, "delay camera N 0"), (5.0, "delay mic N 0")],
    &[(0.0, "hold mic N 800ms"), (3.0, "hold mic N 1500ms"), (6.0, "hold mic N 3s")],
    &[(0.0, "hold camera N 1500ms"), (0.0, "hold mic N 1500ms")],
    &[(0.0, "loss mic N 10"), (0.0, "loss camera N 5"), (6.0, "calm N")],
    &[(0.0, "duplicate mic N 30"), (0.0, "reorder mic N 20"), (0.0, "reorder camera N 20"), (5.0, "calm N")],
    &[(0.0, "garbage mic N any 40"), (2.0, "garbage mic N noise 25")],
    &[(0.0, "codec N h264"), (2.0, "garbage camera N any 30"), (5.0, "garbage camera N any 30")],
    &[(0.0, "codec N av1"), (2.0, "garbage camera N any 30"), (5.0, "garbage camera N any 30")],
    &[(0.0, "codec N vp9"), (2.0, "garbage camera N any 30")],
    &[(0.0, "codec N vp8"), (2.0, "garbage camera N any 30")],
    &[(0.0, "size camera N 16383x16383"), (3.0, "size camera N 8192x4320"), (6.0, "size camera N true")],
    &[(0.0, "codec N h264"), (1.0, "size camera N 16383x16383"), (4.0, "size camera N true")],
    &[(0.0, "codec N av1"), (1.0, "size camera N 65535x65535"), (4.0, "size camera N true")],
    &[(0.0, "codec N vp9"), (1.0, "size camera N 65535x65535"), (4.0, "size camera N true")],
    &[(0.0, "codec N vp8"), (1.0, "size camera N changing"), (5.0, "size camera N true")],
    &[(0.0, "scramble camera N on"), (0.0, "scramble mic N on"), (4.0, "calm N")],
    &[
        (0.0, "encrypt mic N on"),
        (1.0, "encrypt camera N on"),
        (6.0, "encrypt mic N off"),
        (7.0, "encrypt camera N off"),
    ],
    &[(0.0, "codec N vp8"), (1.0, "keys camera N rare"), (12.0, "keys camera N usual")],
    &[(0.0, "switch N h264"), (4.0, "switch N vp8")],
    &[(0.0, "switch N vp9"), (4.0, "switch N av1")],
    &[(0.0, "second N on"), (5.0, "second N off")],
    &[(0.0, "unknown N on"), (6.0, "unknown N off")],
    &[(0.0, "name N escapes"), (5.0, "name N joiners"), (10.0, "name N plain")],
    &[(0.0, "name N controls"), (5.0, "name N long"), (10.0, "name N plain")],
    &[(0.0, "flood N 20"), (5.0, "flood N 0")],
    &[(0.0, "flap N 20")],
    &[(0.0, "churn N 4")],
];

/// Between two scenes, in seconds.
const REST: f64 = 2.0;
/// At the end everybody behaves for this long, so that what stayed broken is seen.
const CALM: f64 = 5.0;

/// Every hostile participant plays all scenes in a random order, and again, for `length`.
pub fn schedule(seed: u64, length: Duration, hostile: &[usize]) -> Vec<(Duration, String)> {
    let mut orders = Vec::new();
    for who in hostile {
        let mut rng = StdRng::seed_from_u64(seed ^ (*who as u64) << 32);
        let mut deck: Vec<usize> = Vec::new();
        // They do not all begin at once.
        let mut at = *[1.0, 1.5, 2.0, 2.5, 3.0].choose(&mut rng).unwrap_or(&1.0);
        loop {
            if deck.is_empty() {
                deck = (0..SCENES.len()).collect();
                deck.shuffle(&mut rng);
            }
            let scene = deck.pop().map_or(SCENES[0], |nth| SCENES[nth]);
            let lasts = scene.last().map_or(0.0, |(after, _)| *after) + 4.0;
            if at + lasts + CALM > length.as_secs_f64() {
                break;
            }
            for (after, order) in scene {
                orders.push((at + after, order.replace(" N", &format!(" {who}"))));
            }
            at += lasts + REST;
            orders.push((at - REST, format!("calm {who}")));
        }
    }
    let mut orders: Vec<_> = orders.into_iter().map(|(at, order)| (Duration::from_secs_f64(at), order)).collect();
    orders.sort();
    orders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    #[test]
    fn a_seed_gives_one_schedule_of_commands_that_exist() {
        let of = |seed| schedule(seed, Duration::from_secs(600), &[1, 2]);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        for (at, order) in of(7) {
            assert!(at <= Duration::from_secs(595), "{order} at {at:?}");
            Command::parse(&order).unwrap_or_else(|e| panic!("`{order}`: {e}"));
        }
        assert!(of(7).iter().any(|(_, order)| order.ends_with("calm 2")));
    }
}
