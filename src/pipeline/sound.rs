//! The thread that owns the mixer: every 20 ms one block of sound, whatever came.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use gstreamer as gst;
use gstreamer_app as gst_app;

use super::counters::Counters;
use super::mixer::{BLOCK, Mixer, RATE, Voice};
use super::order::Generation;
use super::pace::{Pace, span};

/// What the mixer is told.
#[derive(Debug)]
pub enum Order {
    /// Interleaved stereo samples of one input; `position` counts from recording time zero, at 48 kHz.
    Piece {
        /// Whose.
        generation: Generation,
        /// Of the first sample.
        position: i64,
        /// Left and right in turn.
        samples: Vec<i16>,
    },
    /// This input says nothing more.
    Forget(Generation),
    /// Everything has arrived: write up to this many samples, at once, and end.
    Finish(u64),
}

/// The mixer and where its sound goes.
#[derive(Debug)]
pub struct Sound {
    /// Orders; the thread ends when nobody can give any.
    pub orders: Receiver<Order>,
    /// The output.
    pub sink: gst_app::AppSrc,
    /// The clock.
    pub pace: Pace,
    /// Samples left out at the start for the encoder's own silence.
    pub priming: usize,
    /// Figures.
    pub counters: Arc<Counters>,
}

impl Sound {
    /// Runs until the end.
    pub fn run(self) {
        let mut mixer = Mixer::new();
        let mut voices: HashMap<Generation, Voice> = HashMap::new();
        let mut out = Vec::new();
        let mut end = None;
        let mut written = 0;
        loop {
            if end.is_none() {
                let block_end = mixer.cursor().unsigned_abs() + BLOCK as u64;
                let due = self.pace.due(span(block_end, RATE as u64));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            loop {
                match self.orders.try_recv() {
                    Ok(Order::Piece { generation, position, samples }) => {
                        mixer.add(voices.entry(generation).or_default(), position, &samples);
                    }
                    Ok(Order::Forget(generation)) => {
                        voices.remove(&generation);
                    }
                    Ok(Order::Finish(samples)) => end = Some(samples),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) if end.is_none() => return,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
            let cursor = mixer.cursor().unsigned_abs();
            let left = end.map_or(BLOCK as u64, |end| end.saturating_sub(cursor));
            if left == 0 {
                let _ = self.sink.end_of_stream();
                return;
            }
            // At the start the encoder's own silence stands for our first samples.
            let skipped = self.priming.saturating_sub(usize::try_from(cursor).unwrap_or(usize::MAX));
            let frames = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let frames = if skipped > 0 { frames.min(skipped) } else { frames };
            mixer.take(frames, &mut out);
            if skipped > 0 {
                continue;
            }
            if self.sink.push_buffer(buffer(&out, written, frames)).is_err() {
                // The output is closing or broken; its bus says so.
                return;
            }
            written += frames as u64;
            self.counters.flowing();
            self.counters.samples.store(mixer.cursor().unsigned_abs(), Ordering::Relaxed);
        }
    }
}

fn buffer(samples: &[f32], position: u64, frames: usize) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    if let Some(buffer) = buffer.get_mut() {
        let begin = span(position, RATE as u64).unsigned_abs();
        let end = span(position + frames as u64, RATE as u64).unsigned_abs();
        buffer.set_pts(gst::ClockTime::from_nseconds(begin));
        buffer.set_duration(gst::ClockTime::from_nseconds(end - begin));
    }
    buffer
}
