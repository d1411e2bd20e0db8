//! One track: encoded units in, frames or samples out, in a small GStreamer pipeline of its own, so that a decoder that fails
//! loses this track alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use tokio::sync::mpsc::UnboundedSender;

use crate::ids::TrackId;
use crate::timeline::RecordingTime;

use super::frame_queue::FrameQueue;
use super::{headers, opus};
use crate::pipeline::audio::mixer;
use crate::pipeline::audio::thread::MixerCommand;
use crate::pipeline::clock::{LATENCY, LEAD, RecordingClock, nanos};
use crate::pipeline::command::{EngineCommand, Generation};
use crate::pipeline::launch::{bus, elements, plan, template};
use crate::pipeline::{Codec, Event};

/// GStreamer knows no negative times: the recording time at which a decoder is opened is this moment of its own.
const ZERO_NS: i64 = 10_000_000_000;
/// Encoded bytes that may wait for a decoder that cannot keep up.
const BACKLOG: u64 = 6_000_000;
/// Frames this small are what the server sends to flush a decoder (8×8 VP8, 2×2 H.264), never a camera.
const FLUSH_SIDE: u32 = 16;

/// What a decoder needs of the world around it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where failures and ends are reported.
    pub commands: Sender<EngineCommand>,
    /// Where samples go.
    pub mixer: Sender<MixerCommand>,
    /// Where `Decoding` is reported.
    pub events: UnboundedSender<Event>,
    /// The clock.
    pub clock: RecordingClock,
}

/// A running decoder. Dropping it stops it, on a thread of its own: a decoder that hangs holds up nobody.
#[derive(Debug)]
pub struct Decoder {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
    /// Its name.
    pub generation: Generation,
    zero: Zero,
    last: Option<gst::ClockTime>,
    mixer: Sender<MixerCommand>,
    /// When the piece of audio begins that was decoded last, if it is quiet.
    quiet_at: Arc<AtomicI64>,
}

impl Decoder {
    /// Opens the decoder of this codec, or says why there is none.
    pub fn open(
        track: &TrackId,
        codec: Codec,
        generation: Generation,
        frames: &Arc<FrameQueue>,
        around: &Surroundings,
    ) -> Result<Self, String> {
        let description = template::fill(plan::input(codec), &[]).map_err(|e| e.to_string())?;
        if let Some(missing) = elements::missing(&description) {
            return Err(missing);
        }
        let pipeline = bus::parse(&description)?;
        let source: gst_app::AppSrc = bus::element(&pipeline, "in")?;
        let sink: gst_app::AppSink = bus::element(&pipeline, "out")?;
        let clock = gst::SystemClock::obtain();
        let zero = Zero(around.clock.time(Instant::now()));
        pipeline.use_clock(Some(&clock));
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(clock.time());
        pipeline.set_latency(gst::ClockTime::ZERO);
        let quiet_at = Arc::new(AtomicI64::new(i64::MIN));
        if codec != Codec::Opus {
            sink.set_ts_offset(nanos(LATENCY) - nanos(LEAD) - ZERO_NS);
            let take = take_frames(track.clone(), Arc::clone(frames), around.clone(), zero);
            sink.set_callbacks(callbacks(generation, around.commands.clone(), take));
        } else {
            let _ = around.mixer.send(MixerCommand::Voice(generation, track.clone()));
            let take = take_samples(
                track.clone(),
                generation,
                (Arc::clone(frames), Arc::clone(&quiet_at)),
                around.clone(),
                zero,
            );
            sink.set_callbacks(callbacks(generation, around.commands.clone(), take));
        }
        let commands = around.commands.clone();
        if codec != Codec::Opus {
            let decoder: gst::Element = bus::element(&pipeline, "decoder")?;
            limit(&decoder, generation, commands.clone());
        }
        bus::watch(&pipeline, move |message| {
            if let bus::BusMessage::Error(reason) = message {
                // The engine may be gone already; then nobody cares.
                let _ = commands.send(EngineCommand::InputFailed(generation, reason));
            }
        });
        pipeline.set_state(gst::State::Playing).map_err(|_| format!("the {codec:?} decoder does not start"))?;
        Ok(Self { pipeline, source, sink, generation, zero, last: None, mixer: around.mixer.clone(), quiet_at })
    }

    /// One unit to be seen or heard at `time`. False when the decoder is too far behind to take it.
    pub fn push(&mut self, data: Bytes, time: RecordingTime, length_ns: i64) -> bool {
        if self.source.current_level_bytes() > BACKLOG {
            return false;
        }
        let mut pts = self.zero.pts(time);
        if length_ns == 0 {
            // Decoders take frames that step back in time for reordered ones; a correction must not look like that.
            pts = self.last.map_or(pts, |last| pts.max(last));
        }
        self.last = Some(pts);
        let mut buffer = gst::Buffer::from_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(pts);
            if length_ns > 0 {
                buffer.set_duration(gst::ClockTime::from_nseconds(length_ns.unsigned_abs()));
            }
        }
        // An error here is reported on the bus too.
        self.source.push_buffer(buffer).is_ok()
    }

    /// Whether what was pushed last has been decoded already, and is quiet.
    pub fn is_quiet(&self) -> bool {
        let decoded = self.quiet_at.load(Ordering::Relaxed);
        // Decoders round times.
        self.last.is_some_and(|last| decoded.abs_diff(self.zero.time(last)) < 1_000_000)
    }

    /// Lets the mixer wait for what is said from `time` on.
    pub fn expect(&self, time: RecordingTime) {
        let _ = self.mixer.send(MixerCommand::Expect(self.generation, position(time)));
    }

    /// Lets the decoder make up for audio that was lost.
    pub fn conceal(&self, time: RecordingTime, length_ns: i64) {
        let length = gst::ClockTime::from_nseconds(length_ns.unsigned_abs());
        let gap = gst::event::Gap::builder(self.zero.pts(time)).duration(length).build();
        self.source.send_event(gap);
    }

    /// No more units: what is inside comes out, and `InputEnded` follows.
    pub fn end(&self) {
        let _ = self.source.end_of_stream();
    }

    /// From now on nothing waits for its time.
    pub fn hurry(&self) {
        self.sink.set_sync(false);
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        bus::close_apart(&self.pipeline);
    }
}

/// Lets no picture pass that is larger than its headers may say: a decoder that makes one all the same is closed before
/// anything else is made of it.
fn limit(decoder: &gst::Element, generation: Generation, commands: Sender<EngineCommand>) {
    let Some(pad) = decoder.static_pad("src") else { return };
    let too_large = AtomicBool::new(false);
    let kinds = gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER;
    pad.add_probe(kinds, move |_, info| {
        if let Some(event) = info.event()
            && let gst::EventView::Caps(caps) = event.view()
            && let Ok(video) = gst_video::VideoInfo::from_caps(caps.caps())
        {
            let (width, height) = (video.width(), video.height());
            if headers::fits(width, height) {
                too_large.store(false, Ordering::Relaxed);
            } else if !too_large.swap(true, Ordering::Relaxed) {
                let _ =
                    commands.send(EngineCommand::InputFailed(generation, format!("its frames are {width}×{height}")));
            }
        }
        if too_large.load(Ordering::Relaxed) { gst::PadProbeReturn::Handled } else { gst::PadProbeReturn::Ok }
    });
}

/// The recording time at which a decoder was opened, from which its own times count. (They do not count from recording time zero,
/// which may lie before the machine was started.)
#[derive(Clone, Copy, Debug)]
struct Zero(RecordingTime);

impl Zero {
    fn pts(self, time: RecordingTime) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(time.saturating_sub(self.0).saturating_add(ZERO_NS).max(0).unsigned_abs())
    }

    fn time(self, pts: gst::ClockTime) -> RecordingTime {
        i64::try_from(pts.nseconds()).unwrap_or(i64::MAX).saturating_sub(ZERO_NS).saturating_add(self.0)
    }
}

/// The nearest sample of the mixer.
fn position(time: RecordingTime) -> i64 {
    let position = (i128::from(time) * mixer::RATE as i128 + 500_000_000).div_euclid(1_000_000_000);
    i64::try_from(position).unwrap_or(i64::MAX / 2)
}

/// Takes what the decoder gives until it has played out.
fn callbacks(
    generation: Generation,
    commands: Sender<EngineCommand>,
    mut take: impl FnMut(gst::Sample) + Send + 'static,
) -> gst_app::AppSinkCallbacks {
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            take(sink.pull_sample().map_err(|_| gst::FlowError::Eos)?);
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(move |_| {
            let _ = commands.send(EngineCommand::InputEnded(generation));
        })
        .build()
}

/// Decoded frames go into the queue of their track.
fn take_frames(
    track: TrackId,
    frames: Arc<FrameQueue>,
    around: Surroundings,
    zero: Zero,
) -> impl FnMut(gst::Sample) + Send + 'static {
    move |sample| {
        let info = sample.caps().and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
        let small = info.is_none_or(|i| i.width() <= FLUSH_SIDE || i.height() <= FLUSH_SIDE);
        if let (false, Some(time)) = (small, sample.buffer().and_then(|buffer| buffer.pts()).map(|pts| zero.time(pts)))
            && frames.push(time, around.clock.time(Instant::now()), sample)
        {
            let _ = around.events.send(Event::Decoding(track.clone()));
        }
    }
}

/// Decoded samples go to the mixer, with their exact place.
fn take_samples(
    track: TrackId,
    generation: Generation,
    (frames, quiet_at): (Arc<FrameQueue>, Arc<AtomicI64>),
    around: Surroundings,
    zero: Zero,
) -> impl FnMut(gst::Sample) + Send + 'static {
    move |sample| {
        let Some(buffer) = sample.buffer() else { return };
        let (Some(time), Ok(map)) = (buffer.pts().map(|pts| zero.time(pts)), buffer.map_readable()) else { return };
        let samples: Vec<i16> = map.as_slice().chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        quiet_at.store(if mixer::is_quiet(&samples) { time } else { i64::MIN }, Ordering::Relaxed);
        let position = position(time) - opus::ENCODER_DELAY;
        let _ = around.mixer.send(MixerCommand::Piece { generation, position, samples });
        if frames.note(around.clock.time(Instant::now())) {
            let _ = around.events.send(Event::Decoding(track.clone()));
        }
    }
}
