//! The persistent I420 picture.

use super::colour::Yuv;
use super::frame::Frame;
use crate::scene::{Rect, Size};

/// A whole picture as one run of bytes: Y, then U, then V, each tightly packed (stride = width, width/2, width/2).
#[derive(Clone, Debug)]
pub struct Canvas {
    size: Size,
    bytes: Vec<u8>,
}

/// Of what is dimmed so many eighths are left.
const LEFT: i32 = 3;

/// One plane, writable.
pub(super) struct PlaneMut<'a> {
    pub data: &'a mut [u8],
    pub stride: usize,
}

impl Canvas {
    pub(super) fn new(size: Size, colour: Yuv) -> Self {
        let luma = size.width.index() * size.height.index();
        let mut canvas = Self { size, bytes: vec![0; luma + luma / 2] };
        canvas.fill(size.rect(), colour);
        canvas
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Width × height × 3/2 bytes: what a raw I420 video frame of this size is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Y, U and V of one pixel, `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let (w, h) = (self.size.width.index(), self.size.height.index());
        let (x, y) = (x as usize, y as usize);
        if x >= w || y >= h {
            return None;
        }
        let chroma = w * h + y / 2 * (w / 2) + x / 2;
        Some([self.bytes[y * w + x], self.bytes[chroma], self.bytes[chroma + w * h / 4]])
    }

    /// Shows this picture darker and paler: what is no more. False when it has another size, or is not whole.
    pub(super) fn dim(&mut self, frame: &Frame<'_>) -> bool {
        let (w, h) = (self.size.width.index(), self.size.height.index());
        if !frame.is_whole() || (frame.width as usize, frame.height as usize) != (w, h) {
            return false;
        }
        let sides = [(w, 16), (w / 2, 128), (w / 2, 128)];
        for ((to, from), (width, neutral)) in self.planes_mut().into_iter().zip(&frame.planes).zip(sides) {
            let rows = to.data.chunks_exact_mut(to.stride).zip(from.data.chunks(from.stride));
            for (to, from) in rows {
                for (to, from) in to.iter_mut().zip(from.iter().take(width)) {
                    *to = dimmed(*from, neutral);
                }
            }
        }
        true
    }

    pub(super) fn planes_mut(&mut self) -> [PlaneMut<'_>; 3] {
        let stride = self.size.width.index();
        let luma = stride * self.size.height.index();
        let (y, chroma) = self.bytes.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(luma / 4);
        [
            PlaneMut { data: y, stride },
            PlaneMut { data: u, stride: stride / 2 },
            PlaneMut { data: v, stride: stride / 2 },
        ]
    }

    /// Fills a rectangle that lies within.
    pub(super) fn fill(&mut self, rect: Rect, colour: Yuv) {
        debug_assert!(rect.within(self.size), "{rect:?}");
        for (i, (plane, value)) in self.planes_mut().into_iter().zip(colour.0).enumerate() {
            let half = if i == 0 { 1 } else { 2 };
            let (x, width) = (rect.x.index() / half, rect.width.index() / half);
            let (y, height) = (rect.y.index() / half, rect.height.index() / half);
            for row in plane.data.chunks_exact_mut(plane.stride).skip(y).take(height) {
                row[x..x + width].fill(value);
            }
        }
    }
}

/// Nearer to this neutral value.
fn dimmed(value: u8, neutral: i32) -> u8 {
    u8::try_from(neutral + (i32::from(value) - neutral) * LEFT / 8).unwrap_or(value)
}
