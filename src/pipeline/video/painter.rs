//! The thread that owns the compositor: every tick the newest picture of each tile in, one picture out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::compositor::{Canvas, Compositor, Frame, Plane, Tick};
use crate::ids::TrackId;
use crate::scene::{Face, Scene, Size};
use crate::timeline::RecordingTime;

use super::card::Card;
use super::fonts::system_fonts;
use super::overload::Overload;
use crate::pipeline::clock::{LATENCY, MOST_LATE, RecordingClock, nanos, span};
use crate::pipeline::command::Generation;
use crate::pipeline::input::frame_queue::FrameQueue;
use crate::pipeline::output::encoder::Encoder;
use crate::pipeline::stats::Counters;

/// The film may begin this much later than its first picture is due, so that it does not begin with initials where frames
/// are on their way.
const HEAD: Duration = Duration::from_millis(500);
/// A painter that began late has caught up when it is no later than this, and does not catch up when it is later by this than
/// it has been.
const CAUGHT_UP: Duration = Duration::from_millis(100);
/// Frames of this many seconds, left out at once, are a hole.
const HOLE_SECONDS: u64 = 5;

/// What is requested of the painter.
#[derive(Debug)]
pub enum PainterCommand {
    /// A track's frames come from here.
    Track(TrackId, Generation, Arc<FrameQueue>),
    /// No more frames come from there.
    Forget(TrackId, Generation),
    /// Show this from that time on; what was to come after it never comes.
    Show(Scene, RecordingTime),
    /// Everything has arrived: make frames up to this many, at once, and end.
    Finish(u64),
}

/// Where frames go.
#[derive(Debug)]
pub struct Outlet {
    /// To the encoder.
    pub sink: gst_app::AppSrc,
    /// Where a cheaper encoder can be put, if there is one.
    pub encoder: Option<Encoder>,
}

/// The painter and where its frames go.
pub struct Painter {
    commands: Receiver<PainterCommand>,
    outlet: Outlet,
    clock: RecordingClock,
    counters: Arc<Counters>,
    framerate: u64,
    size: Size,
    compositor: Compositor,
    tracks: HashMap<TrackId, Track>,
    visible: HashSet<TrackId>,
    /// Scenes whose time has not come, in their order.
    coming: VecDeque<(RecordingTime, Scene)>,
    /// The next tick.
    tick: u64,
    /// How many ticks are behind us: painted, or left out.
    done: u64,
    /// How many ticks there will be.
    end: Option<u64>,
    pool: gst::BufferPool,
    last: Option<gst::Buffer>,
    complained: Option<Instant>,
    overload: Overload,
    /// The least lateness so far, while the painter catches up with a late beginning: nothing is to be done less for that.
    head: Option<Duration>,
    /// What is shown of the time that nobody recorded, until the first frame of a further take is made.
    card: Option<Card>,
    /// Until then the card stays while those who are to be seen have no frame.
    card_until: RecordingTime,
}

#[derive(Default)]
struct Track {
    sources: Vec<(Generation, Arc<FrameQueue>)>,
    newest: Option<gst::Sample>,
}

/// Nobody gives commands any more, or the output takes nothing more.
struct Stop;

impl Painter {
    /// A painter of this size and rate. Slow the first time: fonts are read.
    pub fn new(
        commands: Receiver<PainterCommand>,
        outlet: Outlet,
        clock: RecordingClock,
        counters: Arc<Counters>,
        size: Size,
        framerate: u32,
    ) -> Result<Self, gst::glib::BoolError> {
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        let bytes = size.width.get() * size.height.get() * 3 / 2;
        config.set_params(outlet.sink.caps().as_ref(), bytes, 0, 0);
        pool.set_config(config)?;
        pool.set_active(true)?;
        Ok(Self {
            commands,
            outlet,
            clock,
            counters,
            framerate: u64::from(framerate),
            size,
            compositor: Compositor::new(size, &system_fonts()),
            tracks: HashMap::new(),
            visible: HashSet::new(),
            coming: VecDeque::new(),
            tick: 0,
            done: 0,
            end: None,
            pool,
            last: None,
            complained: None,
            overload: Overload::new(),
            head: Some(Duration::MAX),
            card: None,
            card_until: 0,
        })
    }

    /// Begins with a card that says this, if there is one, and goes on now: the time in between was missed.
    #[must_use]
    pub fn after(mut self, card: Option<Card>) -> Self {
        self.card = card;
        self
    }

    /// Runs until the end.
    pub fn run(mut self) {
        while self.step().is_ok() {}
        let _ = self.pool.set_active(false);
    }

    fn step(&mut self) -> Result<(), Stop> {
        self.wait()?;
        if let Some(card) = self.card.take() {
            return self.begin_with(&card);
        }
        if self.last.is_none() {
            self.await_frames()?;
        }
        if let Some(end) = self.end {
            if self.tick >= end {
                let _ = self.outlet.sink.end_of_stream();
                return Err(Stop);
            }
        } else {
            self.keep_up();
        }
        self.change();
        self.collect();
        self.paint()?;
        self.done = self.tick + 1;
        self.counters.ticks.store(self.done, Ordering::Relaxed);
        let every = self.overload.quality().every();
        self.tick += every - self.tick % every;
        self.hold_end();
        Ok(())
    }

    /// The first frame of a further take stands for the time that was missed.
    fn begin_with(&mut self, card: &Card) -> Result<(), Stop> {
        let shown =
            card.behind().and_then(|sample| with_frame(&sample, |frame| self.compositor.card(&card.line, Some(frame))));
        if shown.is_none() {
            self.compositor.card(&card.line, None);
        }
        self.paint()?;
        let now = self.clock.time(Instant::now()) - nanos(LATENCY);
        self.done = 1;
        self.card_until = now + nanos(LATENCY) + nanos(HEAD);
        let ticks = u128::from(now.max(0).unsigned_abs()) * u128::from(self.framerate) / 1_000_000_000;
        self.tick = u64::try_from(ticks).unwrap_or(u64::MAX).max(1);
        self.counters.ticks.store(self.tick, Ordering::Relaxed);
        self.hold_end();
        Ok(())
    }

    /// Waits for the next tick, taking commands meanwhile.
    fn wait(&mut self) -> Result<(), Stop> {
        loop {
            let due = self.clock.due(span(self.tick, self.framerate));
            let wait = due.saturating_duration_since(Instant::now());
            let command = if wait.is_zero() || self.end.is_some() {
                match self.commands.try_recv() {
                    Ok(command) => command,
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) if self.end.is_some() => return Ok(()),
                    Err(TryRecvError::Disconnected) => return Err(Stop),
                }
            } else {
                match self.commands.recv_timeout(wait) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Err(Stop),
                }
            };
            self.take(command);
        }
    }

    /// Before the first picture: waits until every track on screen has one, for a while.
    fn await_frames(&mut self) -> Result<(), Stop> {
        let deadline = self.clock.due(0) + HEAD;
        while self.end.is_none() && self.lacks_frames() {
            let wait = deadline.saturating_duration_since(Instant::now()).min(CAUGHT_UP / 5);
            if wait.is_zero() {
                break;
            }
            match self.commands.recv_timeout(wait) {
                Ok(command) => self.take(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Stop),
            }
        }
        Ok(())
    }

    /// Something is to be shown from the beginning, and has no picture yet.
    fn lacks_frames(&self) -> bool {
        let begins = |(at, _): &&(RecordingTime, Scene)| *at <= nanos(HEAD) / 2;
        let first = self.coming.iter().take_while(begins).last().or(self.coming.front());
        let Some((_, first)) = first else { return true };
        first.tiles.iter().any(|tile| match &tile.face {
            Face::Track(track) => {
                self.tracks.get(track).is_none_or(|t| t.sources.iter().all(|(_, frames)| frames.is_empty()))
            }
            Face::Initials(_) => false,
        })
    }

    fn take(&mut self, command: PainterCommand) {
        match command {
            PainterCommand::Track(track, generation, frames) => {
                self.tracks.entry(track).or_default().sources.push((generation, frames));
            }
            PainterCommand::Forget(track, generation) => {
                if let Some(found) = self.tracks.get_mut(&track) {
                    found.sources.retain(|(g, _)| *g != generation);
                    // What is visible keeps its last picture: another decoder may be on its way.
                    if found.sources.is_empty() && !self.visible.contains(&track) {
                        self.tracks.remove(&track);
                    }
                }
            }
            PainterCommand::Show(scene, from) => {
                self.coming.retain(|(at, _)| *at < from);
                self.coming.push_back((from, scene));
            }
            PainterCommand::Finish(end) => {
                self.end = Some(end.max(1));
                self.hold_end();
            }
        }
    }

    /// Shows the scene of this tick. The first one counts from the beginning: there is nothing else to show.
    fn change(&mut self) {
        let time = span(self.tick, self.framerate);
        if time < self.card_until && self.lacks_frames() {
            return;
        }
        self.card_until = 0;
        let mut nothing = self.last.is_none();
        while self.coming.front().is_some_and(|(at, _)| *at <= time || std::mem::take(&mut nothing)) {
            if let Some((_, scene)) = self.coming.pop_front() {
                self.show(scene);
            }
        }
    }

    fn show(&mut self, scene: Scene) {
        self.visible = scene
            .tiles
            .iter()
            .filter_map(|tile| match &tile.face {
                Face::Track(track) => Some(track.clone()),
                Face::Initials(_) => None,
            })
            .collect();
        self.tracks.retain(|track, state| !state.sources.is_empty() || self.visible.contains(track));
        self.compositor.show(scene);
        for track in self.compositor.wants() {
            if let Some(sample) = self.tracks.get(&track).and_then(|t| t.newest.as_ref()) {
                draw(&mut self.compositor, &track, sample);
            }
        }
    }

    /// The last picture is always made: the file's picture ends with its audio.
    fn hold_end(&mut self) {
        if let Some(end) = self.end {
            self.tick = self.tick.min(end - 1).max(self.done);
        }
    }

    /// Does less when the machine does not keep up, and more when there is room again.
    fn keep_up(&mut self) {
        let now = Instant::now();
        let late = now.saturating_duration_since(self.clock.due(span(self.tick, self.framerate)));
        self.head = self.head.filter(|least| late > CAUGHT_UP && late.saturating_sub(*least) <= CAUGHT_UP);
        if let Some(least) = &mut self.head {
            *least = late.min(*least);
            return;
        }
        let fast = self.overload.quality().fast();
        if let Some(quality) = self.overload.late(late, now) {
            self.counters.quality_changed(quality, late);
            if let Some(encoder) = self.outlet.encoder.as_ref().filter(|_| quality.fast() != fast) {
                encoder.exchange(quality.fast());
            }
        }
        self.catch_up(late);
    }

    /// Leaves out ticks when doing less is not enough.
    fn catch_up(&mut self, late: Duration) {
        // The first picture is never left out: the file begins with it.
        if late <= MOST_LATE || self.tick == 0 {
            return;
        }
        let ticks = nanos(late).unsigned_abs() * self.framerate / 1_000_000_000;
        if ticks >= HOLE_SECONDS * self.framerate {
            let (from, to) = (span(self.tick, self.framerate), span(self.tick + ticks, self.framerate));
            self.counters.hole(from, to, "video frames could not be written");
        }
        self.tick += ticks;
        self.counters.dropped.fetch_add(ticks / self.overload.quality().every(), Ordering::Relaxed);
        if self.complained.is_none_or(|at| at.elapsed() >= MOST_LATE) {
            self.complained = Some(Instant::now());
            tracing::warn!(frames = ticks, "the machine does not keep up: video frames are dropped");
        }
    }

    /// Takes each track's picture of this tick: the one whose time is nearest, so that no picture is more than half a tick
    /// early or late against the audio.
    fn collect(&mut self) {
        let time = span(self.tick * 2 + 1, self.framerate * 2);
        let begins = self.last.is_none();
        for (track, state) in &mut self.tracks {
            let due = state.sources.iter().filter_map(|(_, frames)| frames.take(time)).next_back();
            // A film begins with its first frames, although they were made a little later.
            let first = || state.sources.iter().find_map(|(_, frames)| frames.first());
            let Some(sample) = due.or_else(|| if begins { first() } else { None }) else { continue };
            if self.visible.contains(track) {
                draw(&mut self.compositor, track, &sample);
            }
            state.newest = Some(sample);
        }
    }

    /// Sends this tick's picture.
    fn paint(&mut self) -> Result<(), Stop> {
        let mut buffer = match (self.compositor.tick(), &self.last) {
            // Shares the memory: nothing is copied.
            (Tick::Same, Some(last)) => last.copy(),
            (Tick::Same, None) => copied(&self.pool, self.compositor.canvas(), self.size)?,
            (Tick::Changed(canvas), _) => copied(&self.pool, canvas, self.size)?,
        };
        let begin = span(self.tick, self.framerate).unsigned_abs();
        let end = span(self.tick + 1, self.framerate).unsigned_abs();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(begin));
            buffer.set_duration(gst::ClockTime::from_nseconds(end - begin));
        }
        self.last = Some(buffer.clone());
        // Waits while the encoder has enough to do; an error is told on the output's bus too.
        self.outlet.sink.push_buffer(buffer).map_err(|_| Stop)?;
        self.counters.flowing();
        self.counters.frames.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// The canvas in a buffer from the pool.
fn copied(pool: &gst::BufferPool, canvas: &Canvas, size: Size) -> Result<gst::Buffer, Stop> {
    let mut buffer = pool.acquire_buffer(None).map_err(|_| Stop)?;
    let (width, height) = (size.width.get(), size.height.get());
    let writable = buffer.make_mut();
    if let Ok(mut map) = writable.map_writable() {
        let (to, from) = (map.as_mut_slice(), canvas.bytes());
        let length = to.len().min(from.len());
        if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
            to.copy_from_slice(from);
        }
    }
    // GStreamer would take rows of another width for padded; ours never are.
    if width % 8 != 0 {
        let (w, h) = (width as usize, height as usize);
        let offsets = [0, w * h, w * h * 5 / 4];
        let strides = [width.cast_signed(), width.cast_signed() / 2, width.cast_signed() / 2];
        let flags = gst_video::VideoFrameFlags::empty();
        let format = gst_video::VideoFormat::I420;
        gst_video::VideoMeta::add_full(writable, flags, format, width, height, &offsets, &strides).map_err(|_| Stop)?;
    }
    Ok(buffer)
}

/// Paints a decoded picture.
fn draw(compositor: &mut Compositor, track: &TrackId, sample: &gst::Sample) {
    with_frame(sample, |frame| compositor.paint(track, frame));
}

/// Does this with a decoded picture, if it is one.
fn with_frame(sample: &gst::Sample, mut deed: impl FnMut(Frame<'_>)) -> Option<()> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let stride = |n: usize| frame.plane_stride().get(n).and_then(|s| usize::try_from(*s).ok());
    let plane = |n: u32| Some(Plane { data: frame.plane_data(n).ok()?, stride: stride(n as usize)? });
    let planes = [plane(0)?, plane(1)?, plane(2)?];
    deed(Frame { width: frame.width(), height: frame.height(), planes });
    Some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::pipeline::{Event, Pipeline, output};
    use crate::recording::{Output, Quality, VideoSettings};
    use crate::scene::Layout;

    /// Longer than anything here takes on the slowest machine.
    const AT_MOST: Duration = Duration::from_secs(300);

    /// Seconds of each stream, and how many frames.
    fn probe(path: &Path) -> (f64, f64, u64) {
        let of = |stream: &str| {
            let out = Command::new("ffprobe")
                .args(["-v", "error", "-select_streams", stream, "-of", "csv=p=0"])
                .args(["-show_entries", "stream=duration,nb_frames"])
                .arg(path)
                .output()
                .expect("ffprobe is installed: apt install ffmpeg");
            let text = String::from_utf8(out.stdout).unwrap();
            let (seconds, frames) = text.trim().split_once(',').unwrap();
            (seconds.parse::<f64>().unwrap(), frames.parse::<u64>().unwrap())
        };
        (of("v").0, of("a").0, of("v").1)
    }

    #[tokio::test]
    async fn a_slow_output_gets_fewer_frames_until_it_is_quick_again() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slow.mp4");
        let size = Size::new(320, 180).unwrap();
        let video = VideoSettings { size, framerate: 30, ..VideoSettings::preset(Layout::from_name("speaker")) };
        let output = Output::mp4(video).unwrap();
        let (commands, to_engine) = channel();
        let (report, mut events) = tokio::sync::mpsc::unbounded_channel();
        let file = output::File::open(&output, path.clone(), None, commands.clone()).unwrap();
        // The encoder takes this many milliseconds longer for each picture.
        let load = Arc::new(AtomicU64::new(80));
        let slow = Arc::clone(&load);
        let pad = file.video.as_ref().unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            std::thread::sleep(Duration::from_millis(slow.load(Ordering::Relaxed)));
            gst::PadProbeReturn::Ok
        });
        let clock = RecordingClock::new(Instant::now());
        let mut pipeline =
            Pipeline::with(file, &output, path.clone(), (clock, None), (commands, to_engine), report).unwrap();
        let mut way = Vec::new();
        let last = loop {
            let event = tokio::time::timeout(AT_MOST, events.recv()).await.expect("an event").unwrap();
            match event {
                Event::QualityChanged { quality, late_ms } => {
                    eprintln!("{quality:?} at {late_ms} ms");
                    way.push(quality);
                    if quality == Quality::FastPreset {
                        load.store(0, Ordering::Relaxed);
                    }
                    if quality == Quality::Full {
                        pipeline.drain();
                    }
                }
                Event::Drained { .. } | Event::Broke(_) => break event,
                Event::Flowing
                | Event::NeedKeyframe(_)
                | Event::Decoding(_)
                | Event::Undecodable(..)
                | Event::AudioLost { .. }
                | Event::Hole { .. } => {}
            }
        };
        assert!(way.starts_with(&[Quality::HalfRate, Quality::FastPreset]), "{way:?}");
        assert!(way.ends_with(&[Quality::HalfRate, Quality::Full]), "{way:?}");
        let Event::Drained { duration_ns, .. } = last else { panic!("{last:?}") };
        let (stats, seconds) = (pipeline.stats(), duration_ns as f64 / 1e9);
        let (picture, audio, frames) = probe(&path);
        eprintln!("{seconds} s, picture {picture} s, sound {audio} s, {frames} pictures, {stats:?}");
        assert!((audio - seconds).abs() < 0.03 && (picture - seconds).abs() < 0.01, "{picture} {audio} {seconds}");
        assert_eq!(stats.duration_ns, duration_ns);
        assert_eq!(frames, stats.frames);
        assert!((frames as f64) < seconds * 30.0 * 0.8, "{frames} pictures in {seconds} s");
    }
}
