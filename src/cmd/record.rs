//! `greffier record`: one recording in the foreground, with a status line.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::status_line::StatusLine;
use super::{LiveKitArgs, say, show};
use crate::config::length;
use crate::control;
use crate::error::{Error, ErrorKind, Result};
use crate::livekit::Server;
use crate::recorder::{Job, Left, Recorder, finish_interrupted};
use crate::recording::{
    Container, DiskMarks, Health, LAYOUT, Limit, Limits, Output, Report, Request, VideoSettings, even, layout_named,
};
use crate::scene::Size;
use crate::spool::{Beside, FreeSpace, Gauge};

/// What to record, and how.
#[derive(Args)]
pub struct RecordArgs {
    #[command(flatten)]
    livekit: LiveKitArgs,
    /// The room's name
    #[arg(long)]
    room: String,
    /// The file to write: .mp4, or for audio alone (--audio-only) .mp4 (AAC) or .ogg (Opus)
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file when it is there already
    #[arg(long)]
    force: bool,
    /// speaker, grid or single-speaker; each also with -light or -dark
    #[arg(long, default_value = "speaker")]
    layout: String,
    /// Audio alone, without ever subscribing to video; in .mp4 as AAC
    #[arg(long)]
    audio_only: bool,
    /// The picture alone, without ever subscribing to audio
    #[arg(long, conflicts_with = "audio_only")]
    video_only: bool,
    /// Stop by itself after this long, such as 90s, 30m or 1h30m; a plain number counts seconds
    #[arg(long)]
    duration: Option<String>,
    /// Pixels, even
    #[arg(long, default_value_t = USUAL.size.width.get())]
    width: u32,
    /// Pixels, even
    #[arg(long, default_value_t = USUAL.size.height.get())]
    height: u32,
    /// Frames per second
    #[arg(long, default_value_t = USUAL.framerate)]
    framerate: u32,
    /// kbit/s
    #[arg(long, default_value_t = USUAL.bitrate)]
    video_bitrate: u32,
}

/// What a video is like unless flags say otherwise; its layout means nothing.
const USUAL: VideoSettings = VideoSettings::preset(LAYOUT);

/// Records until Ctrl-C, the duration, or the end of the room; the file is finished in each case.
pub fn run(args: RecordArgs) -> Result<()> {
    let request = args.request()?;
    let server = args.livekit.clone().server()?;
    let (file, left) = Beside::claim(&args.output, args.force, "output")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start the runtime: {e}")))?;
    if let Some(left) = left {
        say(&rescued(request.output.container(), &left));
    }
    let done = runtime.block_on(record(request, server, file));
    runtime.shutdown_background();
    done
}

impl RecordArgs {
    /// What was asked, or the flag that is wrong.
    fn request(&self) -> Result<Request> {
        if self.room.trim().is_empty() {
            return Err(Error::invalid("room", "is empty; give the room's name"));
        }
        let extension = self.output.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let output = match (extension.as_str(), self.audio_only, self.video_only) {
            ("ogg", true, _) => Output::ogg(),
            ("mp4", true, _) => Output::audio_mp4(),
            ("mp4", false, true) => Output::silent_mp4(self.video()?)?,
            ("mp4", false, false) => Output::mp4(self.video()?)?,
            (_, audio_only, _) => {
                let hint = match (extension.as_str(), audio_only) {
                    ("ogg", _) => "does not end with .mp4; for audio only in .ogg add --audio-only",
                    (_, true) => "does not end with .ogg or .mp4",
                    (_, false) => "does not end with .mp4",
                };
                return Err(Error::invalid("output", format!("{} {hint}", self.output.display())));
            }
        };
        let max_duration = self.duration.as_deref().map(duration).transpose()?;
        Ok(Request { room: self.room.clone(), output, limits: Limits { max_duration, ..Limits::default() } })
    }

    fn video(&self) -> Result<VideoSettings> {
        Ok(VideoSettings {
            layout: layout_named("layout", &self.layout)?,
            size: Size { width: even("width", self.width)?, height: even("height", self.height)? },
            framerate: self.framerate,
            bitrate: self.video_bitrate,
            ..USUAL
        })
    }
}

/// Makes what an earlier recorder left whole, as far as it can be, and says what became of it.
fn rescued(container: Container, left: &Path) -> String {
    let shown = left.display();
    match finish_interrupted(container, left, &AtomicU64::new(0)) {
        Ok(Left { media, .. }) => {
            let seconds = media.duration_ns as f64 / 1e9;
            format!("an earlier recording was interrupted; what there is of it is now {shown}: {seconds:.1} s")
        }
        Err(e) => format!("an earlier recording was interrupted; what there is of it is now {shown}, unfinished ({e})"),
    }
}

async fn record(request: Request, server: Server, file: Beside) -> Result<()> {
    let no_signals = |e| Error::new(ErrorKind::Internal, format!("cannot listen for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let (reports, mut queue) = mpsc::unbounded_channel();
    let room = request.room.clone();
    let recorder =
        Recorder::start(Job::new(control::new_id(), request, server.access(), file.part().to_owned()), reports);
    let mut progress = recorder.progress();
    let mut line = StatusLine::new();
    let mut lost = None;
    let mut health = Health::default();
    let mut disk = poll_disk(Gauge::of(folder_of(file.part())));
    loop {
        tokio::select! {
            report = queue.recv() => match report.map(|(_, report)| report) {
                Some(Report::MediaFlowing) => line.say(&format!("recording room {room:?} into {}", file.output().display())),
                Some(Report::RoomClosed(why)) => line.say(&format!("{why}; finishing the file")),
                Some(Report::ConnectionLost(why)) => {
                    line.say(&format!("{why}; finishing the file"));
                    lost = Some(why);
                }
                Some(Report::LimitHit(Limit::Duration)) => line.say("the duration is over; finishing the file"),
                Some(Report::LimitHit(Limit::Size)) => line.say("the file is as large as it may be; finishing it"),
                Some(Report::Drained { bytes, duration_ns }) => {
                    line.clear();
                    let figures = seal(file, bytes, duration_ns)?;
                    if let Some(words) = health.words() {
                        line.say(&format!("not everything was recorded: {words}"));
                    }
                    return match lost {
                        None => show(&figures),
                        Some(why) => Err(kept(&why, &figures)),
                    };
                }
                Some(Report::Broke { failure, salvaged: None }) => {
                    line.clear();
                    if let Some(left) = file.discard() {
                        line.say(&format!("what there is of it, which may not play, is {}", left.display()));
                    }
                    return Err(Error::new(ErrorKind::Unavailable, failure.words));
                }
                Some(Report::Broke { failure, salvaged: Some((bytes, duration_ns)) }) => {
                    line.clear();
                    return Err(kept(&failure.words, &seal(file, bytes, duration_ns)?));
                }
                // Told by whoever keeps recordings; here that is us.
                Some(Report::Health(now)) => health = *now,
                Some(Report::Joined | Report::DiskLow(_) | Report::GaveUp(_) | Report::LayoutChanged(_) | Report::Stored | Report::StoreLost(_) | Report::TakenOver(_) | Report::LimitNear(_) | Report::Notified | Report::Expired | Report::Removed) => {}
                None => return Err(Error::new(ErrorKind::Internal, "the recorder ended without a word")),
            },
            Some(room) = disk.recv(), if lost.is_none() => if let Some(why) = nearly_full(room) {
                line.say(&format!("{why}; finishing the file"));
                recorder.drain();
                lost = Some(why);
            },
            Ok(()) = progress.changed() => line.show(&progress.borrow_and_update()),
            _ = interrupt.recv() => stop(&recorder, &line),
            _ = terminate.recv() => stop(&recorder, &line),
        }
    }
}

/// Where the file is: of a bare name, here.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the disk answers, as long as it is listened to. One that hangs does not answer, and holds nobody up.
fn poll_disk(gauge: Gauge) -> mpsc::Receiver<FreeSpace> {
    let (answers, disk) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut poll = tokio::time::interval(DiskMarks::POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = answers.closed() => return,
                _ = poll.tick() => {}
            }
            let gauge = gauge.clone();
            if let Ok(Ok(room)) = tokio::task::spawn_blocking(move || gauge.read()).await
                && answers.send(room).await.is_err()
            {
                return;
            }
        }
    });
    disk
}

/// How little is left of the file's disk, when that is too little to go on.
fn nearly_full(room: FreeSpace) -> Option<String> {
    (room.free < DiskMarks::default().reserve(room.total)).then(|| format!("only {} MiB are free", room.free >> 20))
}

fn stop(recorder: &Recorder, line: &StatusLine) {
    line.say("finishing the file");
    recorder.drain();
}

/// Gives the file its name; a line with its figures.
fn seal(file: Beside, bytes: u64, duration_ns: u64) -> Result<String> {
    let (part, output) = (file.part().display().to_string(), file.output().to_owned());
    let name = file.seal().map_err(|e| {
        let output = output.display();
        Error::new(ErrorKind::Internal, format!("output: cannot rename {part} to {output}: {e}; it plays as it is"))
    })?;
    if name != output {
        say(&format!("{} has come to be there meanwhile; the recording has another name", output.display()));
    }
    let seconds = duration_ns as f64 / 1e9;
    Ok(format!("{}: {seconds:.1} s, {}\n", name.display(), indicatif::HumanBytes(bytes)))
}

/// It broke, and what was recorded is kept.
fn kept(why: &str, figures: &str) -> Error {
    Error::new(ErrorKind::DataLoss, format!("{why}; kept what was recorded: {}", figures.trim_end()))
}

/// How long; never nothing.
fn duration(text: &str) -> Result<Duration> {
    let duration = length("duration", text)?;
    if duration.is_zero() {
        return Err(Error::invalid("duration", "0 would record nothing; use for example 90s, 30m or 1h30m"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc::channel};

    use super::*;

    #[test]
    fn the_disk_of_a_bare_name_is_asked_too() {
        for file in ["a.mp4", "./a.mp4", "/tmp/a.mp4"] {
            assert!(Gauge::of(folder_of(Path::new(file))).read().is_ok(), "{file}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_nobody_up() {
        let (asks, mut requested) = mpsc::unbounded_channel();
        let (let_go, until) = channel();
        let until = Mutex::new(until);
        let mut disk = poll_disk(Gauge::new(move || {
            let _ = asks.send(());
            let _ = until.lock().map(|until| until.recv());
            Ok(FreeSpace { free: 1, total: 1 << 40 })
        }));
        requested.recv().await.unwrap();
        // This task is on the only thread that tasks have here: it goes on while the disk hangs.
        tokio::task::yield_now().await;
        assert!(disk.try_recv().is_err());
        let_go.send(()).unwrap();
        let room = tokio::time::timeout(Duration::from_secs(20), disk.recv()).await.unwrap().unwrap();
        assert_eq!(nearly_full(room).as_deref(), Some("only 0 MiB are free"));
    }
}
