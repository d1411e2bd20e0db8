//! Whether another recording fits on this machine, from what recordings were measured to cost here.

mod estimate;
mod probe;

pub use estimate::{Class, Estimate, Verdict};

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often is measured.
const EVERY: Duration = Duration::from_secs(1);

/// Shared by whoever admits recordings.
#[derive(Clone, Debug)]
pub struct Capacity {
    estimate: Arc<Mutex<Estimate>>,
}

impl Capacity {
    /// Starts measuring. `share` of all cores may be used by everything on this machine. Must be called within a tokio
    /// runtime; it ends with the last handle.
    pub fn start(share: f64) -> Self {
        let estimate = Arc::new(Mutex::new(Estimate::new(probe::cores(), share)));
        let shared = Arc::downgrade(&estimate);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            let mut before = probe::read();
            loop {
                ticks.tick().await;
                let Some(estimate) = shared.upgrade() else { return };
                let now = probe::read();
                if let (Some(before), Some(now)) = (&before, &now) {
                    lock(&estimate).measured(now.since(before), Instant::now());
                }
                before = now;
            }
        });
        Self { estimate }
    }

    /// May a recording of this class begin?
    pub fn verdict(&self, class: Class) -> Verdict {
        lock(&self.estimate).verdict(class, Instant::now())
    }

    /// One begins; it counts with what it is expected to cost until it shows in the measurements. Dropped, it has ended.
    pub fn reserve(&self, class: Class) -> Reservation {
        lock(&self.estimate).began(class, Instant::now());
        Reservation { capacity: self.clone(), class }
    }

    /// Whether a recording here does not keep up; as long as one does not, no other may begin.
    pub fn strained(&self, strained: bool) {
        lock(&self.estimate).strained(strained);
    }

    /// How much of the machine is in use, by whatever, from 0 to 1.
    pub fn load(&self) -> f64 {
        lock(&self.estimate).load()
    }

    /// Cores that are free for recordings now.
    pub fn available(&self) -> f64 {
        lock(&self.estimate).available(Instant::now())
    }
}

/// A recording that runs.
#[derive(Debug)]
pub struct Reservation {
    capacity: Capacity,
    class: Class,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.capacity.estimate).ended(self.class);
    }
}

fn lock(estimate: &Mutex<Estimate>) -> std::sync::MutexGuard<'_, Estimate> {
    estimate.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
