//! Decoded frames of one track on their way to the painter: a short queue that loses its oldest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gstreamer as gst;

use crate::timeline::RecordingTime;

/// Frames kept. In step there are about three; more only at the beginning, which is waited for, and while draining.
const CAPACITY: usize = 30;
/// Bytes of them: frames may be large, and many tracks have some.
const BYTES: usize = 64_000_000;
/// So many are kept in any case: one is shown, others are on their way.
const LEAST: usize = 4;
/// No picture has been decoded yet.
const NEVER: i64 = i64::MIN;

/// The queue, shared by a decoder's thread and the painter.
#[derive(Debug)]
pub struct FrameQueue {
    queue: Mutex<VecDeque<(RecordingTime, gst::Sample)>>,
    decoded_at: AtomicI64,
    announced: AtomicBool,
}

impl FrameQueue {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            decoded_at: AtomicI64::new(NEVER),
            announced: AtomicBool::new(false),
        }
    }

    /// A picture to be shown at `time`, decoded at `now`. True when it is the first one, or the first after `forget`.
    pub fn push(&self, time: RecordingTime, now: i64, sample: gst::Sample) -> bool {
        let mut queue = self.lock();
        let bytes = sample.buffer().map_or(0, gst::BufferRef::size);
        while queue.len() >= CAPACITY || queue.len() >= LEAST && (queue.len() + 1).saturating_mul(bytes) > BYTES {
            queue.pop_front();
        }
        queue.push_back((time, sample));
        drop(queue);
        self.note(now)
    }

    /// Something was decoded at `now`; true when it is the first.
    pub fn note(&self, now: i64) -> bool {
        self.decoded_at.store(now, Ordering::Relaxed);
        !self.announced.swap(true, Ordering::Relaxed)
    }

    /// The next picture counts as the first one again.
    pub fn forget(&self) {
        self.announced.store(false, Ordering::Relaxed);
    }

    /// When a picture was decoded last.
    pub fn decoded_at(&self) -> Option<i64> {
        Some(self.decoded_at.load(Ordering::Relaxed)).filter(|at| *at != NEVER)
    }

    /// The newest picture whose time has come; the ones before it are lost.
    pub fn take(&self, time: RecordingTime) -> Option<gst::Sample> {
        let mut queue = self.lock();
        let due = queue.iter().take_while(|(at, _)| *at <= time).count();
        queue.drain(..due).next_back().map(|(_, sample)| sample)
    }

    /// The next picture, whose time may be yet to come. It stays in the queue.
    pub fn first(&self) -> Option<gst::Sample> {
        self.lock().front().map(|(_, sample)| sample.clone())
    }

    /// There is no picture.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(RecordingTime, gst::Sample)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
