//! What is seen: the decoded frames, and who is in which part of them.

use std::path::Path;

use super::colour::Colour;
use super::probe::VideoStream;
use crate::support::load::tolerance;

/// Decoded at a quarter of the size: a tile is judged by its mean, and a minute still fits into memory.
const SHRINK: usize = 4;
/// How long a flash (0.1 s) may last, if the publisher's encoder leaves out some frames after it; what is pale for
/// longer is no flash. On a busy machine it leaves out more.
const FLASH: f64 = 0.25;
const FLASH_WHEN_BUSY: f64 = 0.35;
/// Frames that the way from a colour to white, or back, may take.
const FADE: usize = 3;

/// A rectangle of the recorded picture, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// From the left.
    pub x: usize,
    /// From the top.
    pub y: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

impl Area {
    /// The rectangle with this corner and size.
    pub const fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// The middle: a quarter is left away on each side, because a name may be written near the edge.
    pub fn inner(self) -> Self {
        Self::new(self.x + self.width / 4, self.y + self.height / 4, self.width / 2, self.height / 2)
    }
}

/// What an area showed without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Seconds.
    pub from: f64,
    /// Seconds.
    pub to: f64,
    /// `None`: nobody's camera; a placeholder or the background.
    pub colour: Option<Colour>,
}

/// Every picture of a recording.
pub struct Picture {
    width: usize,
    height: usize,
    times: Vec<f64>,
    pixels: Vec<Vec<u8>>,
    /// The longest flash, seconds.
    flash: f64,
}

impl Picture {
    /// Presentation times, seconds.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The mean of an area in the picture that is shown at `time`: red, green, blue, 0..=255.
    pub fn mean_rgb(&self, area: Area, time: f64) -> [f64; 3] {
        let shown = self.times.partition_point(|t| *t <= time + 1e-6).saturating_sub(1);
        self.mean(shown, area)
    }

    /// Whose camera or share fills the middle of the area at `time`, looking through a flash.
    pub fn who_is_at(&self, area: Area, time: f64) -> Option<Colour> {
        self.seen(area).iter().find(|span| span.from <= time + 1e-6 && time < span.to).and_then(|span| span.colour)
    }

    /// The history of the middle of an area, flashes ironed out.
    pub fn seen(&self, area: Area) -> Vec<Span> {
        let means: Vec<[f64; 3]> = (0..self.times.len()).map(|i| self.mean(i, area.inner())).collect();
        let mut colours: Vec<Option<Colour>> = means.iter().map(|rgb| Colour::of(*rgb)).collect();
        self.iron(&mut colours, &means);
        let mut spans: Vec<Span> = Vec::new();
        for (time, colour) in self.times.iter().zip(colours) {
            match spans.last_mut() {
                Some(last) if last.colour == colour => {}
                Some(last) => {
                    last.to = *time;
                    spans.push(Span { from: *time, to: self.end(), colour });
                }
                None => spans.push(Span { from: *time, to: self.end(), colour }),
            }
        }
        spans
    }

    /// When the middle of an area turned from somebody's colour to white, seconds. Who appears in the midst of a flash
    /// has not begun to flash then.
    pub fn flashes(&self, area: Area) -> Vec<f64> {
        let means: Vec<[f64; 3]> = (0..self.times.len()).map(|i| self.mean(i, area.inner())).collect();
        let white = |i: usize| darkest(means[i]) >= 128.0;
        let begins = |i: &usize| white(*i) && !white(i - 1) && Colour::of(means[i - 1]).is_some();
        (1..means.len()).filter(begins).map(|i| self.times[i]).collect()
    }

    /// Times at which the area holds nothing: no pixel in it is brighter than video black and its noise.
    pub fn black(&self, area: Area) -> Vec<f64> {
        let empty = |i: &usize| self.rows(*i, area).flatten().all(|value| *value < 10);
        (0..self.times.len()).filter(empty).map(|i| self.times[i]).collect()
    }

    /// The whole picture.
    pub fn whole(&self) -> Area {
        Area::new(0, 0, self.width * SHRINK, self.height * SHRINK)
    }

    /// Gives a flash the colour of whoever flashes: the one before it, or after it when there was nobody before.
    fn iron(&self, colours: &mut [Option<Colour>], means: &[[f64; 3]]) {
        let white = |colours: &[Option<Colour>], i: usize| colours[i] == Some(Colour::White);
        let fading = |colours: &[Option<Colour>], i: usize| colours[i].is_none() && is_pale(means[i]);
        let mut from = 0;
        while let Some(start) = (from..colours.len()).find(|i| white(colours, *i)) {
            let end = (start..colours.len()).find(|i| !white(colours, *i)).unwrap_or(colours.len());
            // An encoder may need some frames for the way there and back.
            let early = (start.saturating_sub(FADE)..start).find(|i| (*i..start).all(|j| fading(colours, j)));
            let late = (end..colours.len().min(end + FADE)).take_while(|i| fading(colours, *i)).count();
            let colour_at = |i: Option<usize>| i.and_then(|i| colours.get(i).copied().flatten());
            let before = colour_at(early.unwrap_or(start).checked_sub(1));
            let after = colour_at(Some(end + late));
            let left = if before.is_some() { early.unwrap_or(start) } else { start };
            let right = if after.is_some() { end + late } else { end };
            let lasted = self.times.get(end).copied().unwrap_or(self.end()) - self.times[start];
            colours[left..right].fill(if lasted <= self.flash { before.or(after) } else { None });
            from = right.max(end);
        }
    }

    /// The end of the last picture, seconds.
    fn end(&self) -> f64 {
        let last = self.times.last().copied().unwrap_or(0.0);
        let before = self.times.len().checked_sub(2).map_or(last, |i| self.times[i]);
        last + (last - before)
    }

    fn mean(&self, frame: usize, area: Area) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let mut count = 0.0;
        for pixel in self.rows(frame, area).flat_map(|row| row.chunks_exact(3)) {
            (0..3).for_each(|c| sum[c] += f64::from(pixel[c]));
            count += 1.0;
        }
        assert!(count > 0.0, "{area:?} lies outside the picture");
        sum.map(|s| s / count)
    }

    fn rows(&self, frame: usize, area: Area) -> impl Iterator<Item = &[u8]> {
        let (left, right) = (area.x / SHRINK, ((area.x + area.width) / SHRINK).min(self.width));
        let (top, bottom) = (area.y / SHRINK, ((area.y + area.height) / SHRINK).min(self.height));
        let pixels = &self.pixels[frame];
        (top..bottom).map(move |y| &pixels[(y * self.width + left) * 3..(y * self.width + right) * 3])
    }
}

pub(super) fn decode(path: &Path, stream: &VideoStream) -> Picture {
    let (width, height) = (stream.width / SHRINK, stream.height / SHRINK);
    let scale = format!("scale={width}:{height}:flags=area");
    let file = path.to_str().expect("a path in UTF-8");
    // Every picture once, whatever its time: the times are the container's, and were read apart.
    // In the container's own fine time base too, so that two that are near each other stay apart.
    let passthrough = ["-fps_mode", "passthrough", "-enc_time_base", "-1"];
    let arguments = [&["-i", file, "-map", "0:v:0", "-vf", &scale][..], &passthrough].concat();
    let raw = super::run("ffmpeg", &[&arguments[..], &["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]].concat());
    let pixels: Vec<Vec<u8>> = raw.chunks_exact(width * height * 3).map(<[u8]>::to_vec).collect();
    assert_eq!(pixels.len(), stream.times.len(), "as many pictures as packets");
    let flash = tolerance("the longest flash, seconds", FLASH, FLASH_WHEN_BUSY);
    Picture { width, height, times: stream.times.clone(), pixels, flash }
}

/// The least of the three: high in white only, because each of our colours lacks one.
fn darkest(rgb: [f64; 3]) -> f64 {
    rgb.into_iter().fold(255.0, f64::min)
}

/// White, or on the way there: an encoder may need a picture or two.
fn is_pale(rgb: [f64; 3]) -> bool {
    darkest(rgb) >= 60.0
}
