//! A small RGBA picture to draw labels and discs on.

use super::colour::Rgb;

/// Premultiplied red, green, blue and alpha, each 0 to 1; transparent at first.
pub(super) struct Bitmap {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<[f32; 4]>,
}

impl Bitmap {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![[0.0; 4]; width as usize * height as usize] }
    }

    /// Lays a colour over one pixel; outside nothing happens.
    pub(super) fn over(&mut self, x: i32, y: i32, Rgb(rgb): Rgb, alpha: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let pixel = &mut self.pixels[y as usize * self.width as usize + x as usize];
        let [r, g, b] = rgb.map(|c| c / 255.0 * alpha);
        for (below, above) in pixel.iter_mut().zip([r, g, b, alpha]) {
            *below = above + *below * (1.0 - alpha);
        }
    }

    /// A shape over the whole bitmap with half-round ends: a pill, or a disc where it is square.
    pub(super) fn pill(&mut self, colour: Rgb, alpha: f32) {
        let (w, h) = (self.width as f32, self.height as f32);
        let radius = w.min(h) / 2.0;
        for y in 0..self.height {
            for x in 0..self.width {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let dx = (px - px.clamp(radius, w - radius)).abs();
                let dy = (py - py.clamp(radius, h - radius)).abs();
                let coverage = (radius - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
                self.over(x as i32, y as i32, colour, alpha * coverage);
            }
        }
    }
}
