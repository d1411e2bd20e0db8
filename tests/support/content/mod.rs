//! What is really in a recorded file: decoded by ffmpeg, which shares nothing with the recorder, and judged here.

mod colour;
mod picture;
mod probe;
mod audio;
mod timing;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use audio::Audio;
pub use colour::Colour;
pub use picture::{Area, Picture, Span};
pub use probe::{AudioStream, VideoStream};
pub use timing::{Clock, Spread, cadence, missing, offsets};

/// A finished file.
pub struct Recording {
    path: PathBuf,
    /// The first video stream.
    pub video: Option<VideoStream>,
    /// The first audio stream.
    pub audio: Option<AudioStream>,
    /// The container's own idea of the length, seconds.
    pub duration: f64,
}

impl Recording {
    /// Reads what the container says of itself. Panics when it is no media file.
    pub fn open(path: &Path) -> Self {
        let (video, audio, duration) = probe::read(path);
        Self { path: path.to_owned(), video, audio, duration }
    }

    /// Every beep of a second that is in none of these times (from, to; seconds) is in the file, where it was said.
    pub fn lacks_only(&self, tone: u32, holes: &[(f64, f64)]) {
        let beeps = self.audio().beeps(tone);
        let phase = beeps.first().expect("a beep") % 1.0;
        let inside = |at: &f64| holes.iter().any(|(from, to)| (from - 0.1..to + 1.0).contains(at));
        let due = (1..).map(|n| phase + f64::from(n)).take_while(|at| *at < self.duration - 0.5);
        for at in due.filter(|at| !inside(at)) {
            assert!(beeps.iter().any(|beep| (beep - at).abs() < 0.05), "no beep at {at}: {beeps:.2?}, {holes:.2?}");
        }
    }

    /// Decodes every picture. Panics when there is no video or a picture is broken.
    pub fn picture(&self) -> Picture {
        picture::decode(&self.path, self.video.as_ref().expect("the file has a video stream"))
    }

    /// Decodes all audio. Panics when there is no audio.
    pub fn audio(&self) -> Audio {
        audio::decode(&self.path, self.audio.as_ref().expect("the file has an audio stream"))
    }
}

/// Runs one of ffmpeg's programs and returns what it wrote; it must succeed and have nothing to complain of.
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(["-nostdin", "-v", "error"].iter().filter(|a| program == "ffmpeg" || **a != "-nostdin"))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is missing: run `apt-get install ffmpeg` ({error})"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.trim().is_empty(),
        "{program} {arguments:?}: {}\n{complaints}",
        output.status
    );
    output.stdout
}
