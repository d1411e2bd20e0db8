//! A bitmap over the canvas: converted once, blended on every paint of its tile.

use super::bitmap::Bitmap;
use super::canvas::Canvas;
use super::colour::bt601;
use crate::scene::{Even, Rect};

/// A bitmap ready for an I420 canvas: `canvas = add + canvas × keep / 256`, in each plane.
#[derive(Debug)]
pub(super) struct Overlay {
    pub width: Even,
    pub height: Even,
    planes: [Vec<Weight>; 3],
}

/// `add` is 256 times what the bitmap gives, `keep` from 0 to 256: together they never exceed 16 bits.
#[derive(Clone, Copy, Debug)]
struct Weight {
    add: u16,
    keep: u16,
}

impl Weight {
    fn new(value: f32, alpha: f32) -> Self {
        let alpha = (alpha * 256.0).round().clamp(0.0, 256.0);
        let add = (value * 256.0).round().clamp(0.0, 255.0 * alpha);
        Self { add: add as u16, keep: 256 - alpha as u16 }
    }
}

impl Overlay {
    /// Converts; an odd last row or column is cut off.
    pub(super) fn new(bitmap: &Bitmap) -> Self {
        let (width, height) = (Even::floor(bitmap.width), Even::floor(bitmap.height));
        let at = |x: usize, y: usize| bitmap.pixels[y * bitmap.width as usize + x];
        // Premultiplied colour converts like colour does, with the offsets multiplied by alpha as well.
        let convert = |[r, g, b, a]: [f32; 4]| {
            let [y, u, v] = bt601([r * 255.0, g * 255.0, b * 255.0]);
            ([y + 16.0 * a, u + 128.0 * a, v + 128.0 * a], a)
        };
        let mut planes = [Vec::new(), Vec::new(), Vec::new()];
        for y in 0..height.index() {
            for x in 0..width.index() {
                let (yuv, alpha) = convert(at(x, y));
                planes[0].push(Weight::new(yuv[0], alpha));
            }
        }
        for y in (0..height.index()).step_by(2) {
            for x in (0..width.index()).step_by(2) {
                let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                let mean = [0, 1, 2, 3].map(|c| four.iter().map(|p| p[c]).sum::<f32>() / 4.0);
                let (yuv, alpha) = convert(mean);
                planes[1].push(Weight::new(yuv[1], alpha));
                planes[2].push(Weight::new(yuv[2], alpha));
            }
        }
        Self { width, height, planes }
    }

    /// Lays it over the canvas with its upper left corner at `x`, `y`; it must lie within.
    pub(super) fn blend(&self, canvas: &mut Canvas, x: Even, y: Even) {
        let rect = Rect { x, y, width: self.width, height: self.height };
        if rect.is_empty() || !rect.within(canvas.size()) {
            return;
        }
        for (i, (plane, weights)) in canvas.planes_mut().into_iter().zip(&self.planes).enumerate() {
            let half = if i == 0 { 1 } else { 2 };
            let (x, y, width) = (x.index() / half, y.index() / half, self.width.index() / half);
            let rows = plane.data.chunks_exact_mut(plane.stride).skip(y);
            for (row, weights) in rows.zip(weights.chunks_exact(width)) {
                for (pixel, w) in row[x..x + width].iter_mut().zip(weights) {
                    *pixel = ((w.add + u16::from(*pixel) * w.keep + 128) >> 8) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compositor::colour::{Rgb, WHITE, Yuv};
    use crate::scene::Size;

    #[test]
    fn opaque_covers_half_mixes_and_clear_keeps() {
        for (alpha, expected) in [(1.0, [235, 128, 128]), (0.5, [138, 89, 164]), (0.0, [40, 50, 200])] {
            let mut canvas = Canvas::new(Size::new(8, 8).unwrap(), Yuv([40, 50, 200]));
            let mut bitmap = Bitmap::new(4, 4);
            (0..16).for_each(|i| bitmap.over(i % 4, i / 4, WHITE, alpha));
            Overlay::new(&bitmap).blend(&mut canvas, Even::floor(2), Even::floor(2));
            assert_eq!(canvas.pixel(3, 3), Some(expected));
            assert_eq!(canvas.pixel(1, 3), Some([40, 50, 200]));
            assert_eq!(canvas.pixel(6, 3), Some([40, 50, 200]));
        }
    }

    #[test]
    fn every_colour_at_every_alpha_stays_in_range() {
        for rgb in [[255.0, 0.0, 0.0], [0.0, 255.0, 0.0], [0.0, 0.0, 255.0], [255.0; 3], [0.0; 3]] {
            for alpha in 0..=255 {
                for below in [0, 255] {
                    let mut canvas = Canvas::new(Size::new(2, 2).unwrap(), Yuv([below; 3]));
                    let mut bitmap = Bitmap::new(2, 2);
                    (0..4).for_each(|i| bitmap.over(i % 2, i / 2, Rgb(rgb), alpha as f32 / 255.0));
                    // Would panic on overflow in a test build.
                    Overlay::new(&bitmap).blend(&mut canvas, Even::ZERO, Even::ZERO);
                }
            }
        }
    }
}
