//! Looks at recordings while they run: how much of each has been written when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::wall;
use crate::world::item;

/// How often.
const POLL: Duration = Duration::from_millis(100);

/// What was seen once.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// On the wall clock, seconds.
    pub at: f64,
    /// The recording's place in the plan.
    pub nth: usize,
    /// Seconds of media that had been written.
    pub written: f64,
}

/// Somebody who looks.
pub struct Watch {
    enough: Arc<AtomicBool>,
    looking: JoinHandle<Vec<Sample>>,
}

impl Watch {
    /// Looks at these recordings of the sidecar at this address.
    pub fn start(url: &str, ids: &[String]) -> Self {
        let (url, ids, enough) = (url.to_owned(), ids.to_vec(), Arc::new(AtomicBool::new(false)));
        let until = enough.clone();
        let looking = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !until.load(Relaxed) {
                for (nth, id) in ids.iter().enumerate() {
                    let written = item(&url, id).and_then(|item| item["progress"]["duration"].as_f64());
                    samples.extend(written.map(|written| Sample { at: wall(), nth, written }));
                }
                std::thread::sleep(POLL);
            }
            samples
        });
        Self { enough, looking }
    }

    /// What has been seen.
    pub fn end(self) -> Vec<Sample> {
        self.enough.store(true, Relaxed);
        self.looking.join().expect("nothing is wrong with looking")
    }
}

/// How long after `back` the first of more than what had been written before `gone` was seen of this recording.
pub fn rejoined(samples: &[Sample], nth: usize, gone: f64, back: f64) -> Option<f64> {
    let of = || samples.iter().filter(|sample| sample.nth == nth);
    let before = of().filter(|sample| sample.at < gone).map(|sample| sample.written).fold(0.0, f64::max);
    of().find(|sample| sample.at > back && sample.written > before + 0.05).map(|sample| sample.at - back)
}
