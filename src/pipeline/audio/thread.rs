//! The thread that owns the mixer: every 20 ms one block of audio, whatever came.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;

use super::attendance::Attendance;
use super::mixer::{BLOCK, CHANNELS, Mixer, RATE};
use crate::ids::TrackId;
use crate::pipeline::clock::{RecordingClock, span};
use crate::pipeline::command::Generation;
use crate::pipeline::stats::Counters;

/// How often it is looked whether what is waited for has come, or the output takes something again.
const AGAIN: Duration = Duration::from_millis(20);
/// A take that begins later than this after the one before writes the time in between before it listens.
const MISSED: Duration = Duration::from_secs(30);
/// How often losses are reported.
const REPORTING: Duration = Duration::from_secs(1);

/// What is requested of the mixer.
#[derive(Debug)]
pub enum MixerCommand {
    /// An input that decodes this track.
    Voice(Generation, TrackId),
    /// Interleaved stereo samples of one input; `position` counts from recording time zero, at 48 kHz.
    Piece {
        /// Whose.
        generation: Generation,
        /// Of the first sample.
        position: i64,
        /// Left and right in turn.
        samples: Vec<i16>,
    },
    /// This input says something from this sample on, which comes later.
    Expect(Generation, i64),
    /// This input says nothing more.
    Forget(Generation),
    /// Everything has arrived: write up to this many samples, at once, and end.
    Finish(u64),
}

/// The mixer and where its audio goes.
#[derive(Debug)]
pub struct MixerThread {
    /// Commands; the thread ends when nobody can give any.
    pub commands: Receiver<MixerCommand>,
    /// The output.
    pub sink: gst_app::AppSrc,
    /// The clock.
    pub clock: RecordingClock,
    /// Samples left out at the start for the encoder's own silence.
    pub priming: usize,
    /// Samples by which its audio begins before time zero.
    pub lead: i64,
    /// Figures.
    pub counters: Arc<Counters>,
}

impl MixerThread {
    /// Runs until the end.
    pub fn run(self) {
        let begin = -self.lead;
        let mut mixer = Mixer::from(begin);
        let mut attendance = Attendance::default();
        let mut out = Vec::new();
        let mut end = None;
        let mut written = 0;
        let mut reported = Instant::now();
        let mut missed = self.clock.resumes();
        loop {
            let now = Instant::now();
            // What is missed is written first; what is said meanwhile would lie too far ahead.
            missed = missed && now.saturating_duration_since(self.due(mixer.cursor())) > MISSED;
            if !missed && !self.listen(&mut attendance, &mut mixer, &mut end) {
                return;
            }
            if now.duration_since(reported) >= REPORTING || end.is_some() {
                reported = now;
                attendance.lost().into_iter().for_each(|lost| self.lost(lost));
            }
            let cursor = mixer.cursor();
            let left = end.map_or(BLOCK, |end: u64| {
                usize::try_from(i64::try_from(end).unwrap_or(i64::MAX) - cursor).unwrap_or(0)
            });
            if left == 0 {
                let _ = self.sink.end_of_stream();
                return;
            }
            if end.is_none()
                && let Some(wait) = self.wait(&mut attendance, mixer.cursor(), now)
            {
                std::thread::sleep(wait);
                continue;
            }
            // Whoever waits in the output hears nobody: what is said meanwhile would have to be kept voice by voice.
            if self.sink.current_level_bytes() + (BLOCK * CHANNELS * size_of::<f32>()) as u64 > self.sink.max_bytes() {
                std::thread::sleep(AGAIN);
                continue;
            }
            // At the start the encoder's own silence stands for our first samples.
            let skipped = self.priming.saturating_sub(usize::try_from(cursor - begin).unwrap_or(usize::MAX));
            let frames = left.min(BLOCK);
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
            self.counters.samples.store(mixer.cursor().max(0).unsigned_abs(), Ordering::Relaxed);
        }
    }

    /// Takes all commands there are; false when nobody will give any more.
    fn listen(&self, attendance: &mut Attendance, mixer: &mut Mixer, end: &mut Option<u64>) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(MixerCommand::Voice(generation, track)) => attendance.enter(generation, track),
                Ok(MixerCommand::Piece { generation, position, samples }) => {
                    attendance.say(generation, position, &samples, mixer);
                }
                Ok(MixerCommand::Expect(generation, position)) => attendance.expect(generation, position),
                Ok(MixerCommand::Forget(generation)) => {
                    attendance.leave(generation).into_iter().for_each(|lost| self.lost(lost));
                }
                Ok(MixerCommand::Finish(samples)) => *end = Some(samples),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return end.is_some(),
            }
        }
    }

    /// How long to wait before the block at `cursor` is looked at again; `None`: it is to be written now.
    fn wait(&self, attendance: &mut Attendance, cursor: i64, now: Instant) -> Option<Duration> {
        let end = cursor + BLOCK as i64;
        let due = self.due(end);
        if due > now {
            return Some(due.duration_since(now));
        }
        (!attendance.is_ready(end, now.duration_since(due))).then_some(AGAIN)
    }

    /// When the samples before this one are to be written.
    fn due(&self, sample: i64) -> Instant {
        self.clock.due(span(sample.max(0).unsigned_abs(), RATE as u64))
    }

    fn lost(&self, (track, samples): (TrackId, u64)) {
        self.counters.audio_lost(track, span(samples, RATE as u64).unsigned_abs());
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use gst::prelude::*;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::pipeline::Event;
    use crate::pipeline::launch::bus;

    /// Seconds of audio for an output that holds half a second of it and takes nothing for a while.
    #[test]
    fn an_output_that_hangs_loses_no_audio() {
        gst::init().unwrap();
        let text = "appsrc name=in format=time block=true max-bytes=200000 \
                    caps=\"audio/x-raw,format=F32LE,rate=48000,channels=2,layout=interleaved\" \
                    ! appsink name=out sync=false max-buffers=1";
        let pipeline = bus::parse(text).unwrap();
        let sink: gst_app::AppSrc = bus::element(&pipeline, "in").unwrap();
        let out: gst_app::AppSink = bus::element(&pipeline, "out").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let ((give, commands), (events, mut reported)) = (channel(), unbounded_channel());
        let start = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let clock = RecordingClock::new(start);
        let counters = Arc::new(Counters::new(events, clock));
        let audio =
            MixerThread { commands, sink: sink.clone(), clock, priming: 0, lead: 0, counters: Arc::clone(&counters) };
        let track = TrackId::new("TR_ann");
        give.send(MixerCommand::Voice(1, track.clone())).unwrap();
        let piece = |at: i64| MixerCommand::Piece { generation: 1, position: at * 960, samples: vec![1000; 1920] };
        give.send(piece(0)).unwrap();
        let thread = std::thread::spawn(move || audio.run());
        // It is full, and there it stays.
        while sink.current_level_bytes() < 190_000 {
            std::thread::sleep(AGAIN);
        }
        let full = i64::try_from(counters.samples.load(Ordering::Relaxed)).unwrap() / 960 + 1;
        for n in full..full + 1000 {
            give.send(piece(n)).unwrap();
        }
        // Too late.
        give.send(piece(1)).unwrap();
        give.send(MixerCommand::Finish((full + 1000).unsigned_abs() * 960)).unwrap();
        let mut heard = Vec::new();
        while let Ok(sample) = out.pull_sample() {
            let map = sample.buffer().unwrap().map_readable().unwrap();
            heard.extend(map.chunks_exact(8).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        thread.join().unwrap();
        bus::close(&pipeline);
        assert_eq!(heard.len() as i64, (full + 1000) * 960);
        assert!(heard.iter().skip(full as usize * 960).all(|sample| *sample == 1000.0 / 32768.0));
        drop(counters);
        assert_eq!(reported.blocking_recv(), Some(Event::Flowing));
        assert_eq!(reported.blocking_recv(), Some(Event::AudioLost { track, ns: 20_000_000 }));
    }
}
