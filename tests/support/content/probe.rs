//! What the container says: streams, formats, and the moment of every packet.

use std::path::Path;

use serde_json::Value;

/// A video stream as ffprobe names things.
#[derive(Clone, Debug)]
pub struct VideoStream {
    /// `h264`.
    pub codec: String,
    /// `Main`.
    pub profile: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `yuv420p`.
    pub pixel_format: String,
    /// `color_primaries`, `color_transfer`, `color_space`; empty when not signalled.
    pub colours: [String; 3],
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub duration: f64,
    /// The presentation time of each picture, seconds, in order; those that the edit list hides are left out.
    pub times: Vec<f64>,
    /// The times of those that can be decoded alone.
    pub keyframes: Vec<f64>,
}

impl VideoStream {
    /// Whether each picture follows the last by exactly one frame time (within the container's rounding), from zero.
    pub fn is_cfr(&self, fps: f64) -> bool {
        let even = |pair: &[f64]| (pair[1] - pair[0] - 1.0 / fps).abs() < 0.0011;
        self.times.windows(2).all(even) && self.times.first().is_some_and(|t| t.abs() < 0.0011)
    }
}

/// An audio stream as ffprobe names things.
#[derive(Clone, Debug)]
pub struct AudioStream {
    /// `aac`, `opus`.
    pub codec: String,
    /// `LC`.
    pub profile: String,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u32,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub duration: f64,
}

pub(super) fn read(path: &Path) -> (Option<VideoStream>, Option<AudioStream>, f64) {
    let file = path.to_str().expect("a path in UTF-8");
    let all = json(&["-show_streams", "-show_format", file]);
    let of_type = |kind: &str| all["streams"].as_array().and_then(|s| s.iter().find(|s| s["codec_type"] == kind));
    let whole = seconds(&all["format"]["duration"]);
    let video = of_type("video").map(|s| {
        let (times, keyframes) = packets(file);
        VideoStream {
            codec: text(&s["codec_name"]),
            profile: text(&s["profile"]),
            width: number(&s["width"]),
            height: number(&s["height"]),
            pixel_format: text(&s["pix_fmt"]),
            colours: ["color_primaries", "color_transfer", "color_space"].map(|key| text(&s[key])),
            start: seconds(&s["start_time"]).unwrap_or(0.0),
            duration: seconds(&s["duration"]).or(whole).unwrap_or(0.0),
            times,
            keyframes,
        }
    });
    let audio = of_type("audio").map(|s| AudioStream {
        codec: text(&s["codec_name"]),
        profile: text(&s["profile"]),
        rate: text(&s["sample_rate"]).parse().unwrap_or(0),
        channels: u32::try_from(number(&s["channels"])).unwrap_or(0),
        start: seconds(&s["start_time"]).unwrap_or(0.0),
        duration: seconds(&s["duration"]).or(whole).unwrap_or(0.0),
    });
    (video, audio, whole.unwrap_or(0.0))
}

pub(super) fn json(arguments: &[&str]) -> Value {
    let output = super::run("ffprobe", &[&["-of", "json"], arguments].concat());
    serde_json::from_slice(&output).expect("ffprobe writes JSON")
}

pub(super) fn seconds(value: &Value) -> Option<f64> {
    value.as_str().and_then(|text| text.parse().ok())
}

fn packets(file: &str) -> (Vec<f64>, Vec<f64>) {
    let all = json(&["-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", file]);
    let packets = all["packets"].as_array().expect("a list of packets");
    let shown = |p: &&Value| p["flags"].as_str().is_some_and(|flags| !flags.contains('D'));
    let key = |p: &&Value| p["flags"].as_str().is_some_and(|flags| flags.contains('K'));
    let sorted = |times: Vec<f64>| {
        let mut times = times;
        times.sort_by(f64::total_cmp);
        times
    };
    let time = |p: &Value| seconds(&p["pts_time"]);
    (
        sorted(packets.iter().filter(shown).filter_map(time).collect()),
        sorted(packets.iter().filter(shown).filter(key).filter_map(time).collect()),
    )
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
}
