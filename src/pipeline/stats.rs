//! Figures that the threads count and the owner reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::Event;
use super::clock::RecordingClock;
use crate::ids::TrackId;
use crate::recording::{HoleCause, Quality};
use crate::timeline::RecordingTime;

/// What has been made so far.
#[derive(Debug)]
pub struct Counters {
    /// Samples per channel given to the output.
    pub samples: AtomicU64,
    /// Frames given to the output.
    pub frames: AtomicU64,
    /// Frames that could have been made in the time that is covered.
    pub ticks: AtomicU64,
    /// Frames left out because they were too late.
    pub dropped: AtomicU64,
    flowing: AtomicBool,
    clock: RecordingClock,
    events: UnboundedSender<Event>,
}

impl Counters {
    /// Nothing yet.
    pub const fn new(events: UnboundedSender<Event>, clock: RecordingClock) -> Self {
        Self {
            samples: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            flowing: AtomicBool::new(false),
            clock,
            events,
        }
    }

    /// From now on this much is done for the picture; the owner is notified.
    pub fn quality_changed(&self, quality: Quality, late: Duration) {
        let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        let _ = self.events.send(Event::QualityChanged { quality, late_ms });
    }

    /// The output took nothing in this time, and what was made meanwhile is lost.
    pub fn hole(&self, from: RecordingTime, to: RecordingTime, why: &str) {
        let (from_ns, to_ns) = (self.clock.recorded(from), self.clock.recorded(to));
        let _ = self.events.send(Event::Hole { from_ns, to_ns, cause: HoleCause::Output, why: why.to_owned() });
    }

    /// This much of a track came too late; the owner is notified.
    pub fn audio_lost(&self, track: TrackId, ns: u64) {
        let _ = self.events.send(Event::AudioLost { track, ns });
    }

    /// Something was given to the output; the first time, the owner is notified.
    pub fn flowing(&self) {
        if !self.flowing.swap(true, Ordering::Relaxed) {
            let _ = self.events.send(Event::Flowing);
        }
    }
}
