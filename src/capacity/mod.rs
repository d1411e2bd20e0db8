//! Whether another recording fits on this machine, from what recordings were measured to cost here.

mod stratified_jitter;
mod estimate;
mod files;
mod probe;

pub use estimate::{CostClass, Estimate, Headroom};
pub use files::allow_files;

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
        let estimate = Arc::new(Mutex::new(Estimate::new(probe::cores(), share, rand::random())));
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

    /// Would a recording of this class find its place?
    pub fn verdict(&self, class: CostClass) -> Headroom {
        lock(&self.estimate).verdict(class, Instant::now())
    }

    /// What to bid for this egress; see [`Estimate::bid`].
    pub fn bid(&self, id: &str, class: CostClass) -> f32 {
        lock(&self.estimate).bid(id, class, Instant::now())
    }

    /// Another node has got it.
    pub fn lost(&self, id: &str) {
        lock(&self.estimate).lost(id, Instant::now());
    }

    /// A place for what is to be recorded here: it counts from now on. `Err` with free cores and those that it would take.
    pub fn admit(&self, id: &str, class: CostClass) -> Result<Slot, (f64, f64)> {
        match lock(&self.estimate).admit(id, class, Instant::now()) {
            Headroom::Idle | Headroom::Fits(_) => Ok(Slot { capacity: self.clone(), id: id.to_owned() }),
            Headroom::Full { free, cost } => Err((free, cost)),
        }
    }

    /// It begins; it counts with what it is expected to cost until it shows in the measurements. Dropped, it has ended.
    pub fn reserve(&self, id: &str, class: CostClass) -> Reservation {
        lock(&self.estimate).began(id, class, Instant::now());
        Reservation { capacity: self.clone(), class }
    }

    /// Whether a recording here does not keep up; as long as one does not, no other may begin.
    pub fn overloaded(&self, overloaded: bool) {
        lock(&self.estimate).overloaded(overloaded);
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

/// A place for a recording that has not begun. Dropped, it is free, unless the recording has taken it.
#[derive(Debug)]
#[must_use = "the place is kept as long as this lives"]
pub struct Slot {
    capacity: Capacity,
    id: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.capacity.estimate).forget(&self.id);
    }
}

/// A recording that runs.
#[derive(Debug)]
pub struct Reservation {
    capacity: Capacity,
    class: CostClass,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.capacity.estimate).ended(self.class);
    }
}

fn lock(estimate: &Mutex<Estimate>) -> std::sync::MutexGuard<'_, Estimate> {
    estimate.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
