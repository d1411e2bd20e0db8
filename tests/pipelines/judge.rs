//! What is really in a recorded file, as ffmpeg decodes it.

use std::path::Path;
use std::process::Command;

/// A decoded file.
pub struct Judged {
    pub width: usize,
    /// Luma frames.
    pub frames: Vec<Vec<u8>>,
    /// Left channel at 48 kHz.
    pub audio: Vec<f32>,
}

impl Judged {
    pub fn of(path: &Path, width: usize, height: usize) -> Self {
        Self { audio: audio(path), ..Self::silent(path, width, height) }
    }

    /// The frames alone.
    pub fn silent(path: &Path, width: usize, height: usize) -> Self {
        // passthrough: no picture is invented or dropped.
        let video = run(path, &["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray"]);
        let frames = video.chunks_exact(width * height).map(<[u8]>::to_vec).collect();
        Self { width, frames, audio: Vec::new() }
    }

    /// Luma at a place of each picture.
    pub fn luma(&self, x: usize, y: usize) -> Vec<u8> {
        self.frames.iter().map(|f| f[y * self.width + x]).collect()
    }

    /// Numbers of the frames in which a flash begins there.
    pub fn flashes(&self, x: usize, y: usize) -> Vec<usize> {
        let luma = self.luma(x, y);
        (1..luma.len()).filter(|n| luma[*n] > 140 && luma[*n - 1] <= 140).collect()
    }
}

/// The left channel.
pub fn audio(path: &Path) -> Vec<f32> {
    let bytes = run(path, &["-map", "0:a", "-f", "f32le", "-ac", "2", "-ar", "48000"]);
    bytes.chunks_exact(8).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
}

/// Red, green and blue at a place of the last picture, as ffmpeg shows it.
pub fn rgb(path: &Path, x: usize, y: usize) -> [u8; 3] {
    let point = format!("crop=8:8:{x}:{y},scale=1:1:flags=area");
    let frames = run(path, &["-map", "0:v", "-vf", &point, "-f", "rawvideo", "-pix_fmt", "rgb24"]);
    frames[frames.len() - 3..].try_into().unwrap()
}

/// Seconds at which a tone begins: loud after at least 300 ms of quiet.
pub fn onsets(audio: &[f32]) -> Vec<f64> {
    let mut found = Vec::new();
    let mut quiet = 14_400;
    for (n, sample) in audio.iter().enumerate() {
        if sample.abs() > 0.2 {
            if quiet >= 14_400 {
                found.push(n as f64 / 48_000.0);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    found
}

/// What ffprobe says of one entry, one line per stream.
pub fn probe(path: &Path, entries: &str) -> Vec<String> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The kinds of the boxes at the top of an MP4.
pub fn boxes(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let mut kinds = Vec::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 16) {
        kinds.push(String::from_utf8_lossy(&head[4..8]).into_owned());
        let short = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        at += if short == 1 { u64::from_be_bytes(head[8..].try_into().unwrap()) as usize } else { short.max(8) };
    }
    kinds
}

fn run(path: &Path, args: &[&str]) -> Vec<u8> {
    let out = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(args).arg("-").output();
    let out = out.expect("ffmpeg is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}
