//! A borrowed I420 picture with strides, as a decoder left it.

/// One decoded picture. Any size, also odd ones: chroma planes are then `(width + 1) / 2` by `(height + 1) / 2`.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Y, U, V.
    pub planes: [Plane<'a>; 3],
}

/// One plane of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// At least `stride × (rows − 1) + columns` bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next; at least the columns.
    pub stride: usize,
}

/// Beyond this libyuv's fixed-point steps overflow; no codec in a room comes near it.
const MOST: u32 = 16_384;

impl Frame<'_> {
    /// Every plane holds what width, height and stride say, and the size is one that can be scaled.
    pub fn is_whole(&self) -> bool {
        let sized = (1..=MOST).contains(&self.width) && (1..=MOST).contains(&self.height);
        let (w, h) = (self.width as usize, self.height as usize);
        let [y, u, v] = &self.planes;
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        sized && y.holds(w, h) && u.holds(cw, ch) && v.holds(cw, ch)
    }
}

impl Plane<'_> {
    fn holds(&self, columns: usize, rows: usize) -> bool {
        let most = i32::MAX as usize;
        let need = self.stride.checked_mul(rows - 1).and_then(|n| n.checked_add(columns));
        (columns..=most).contains(&self.stride) && need.is_some_and(|need| need <= self.data.len())
    }
}
