//! Sizes and rectangles whose numbers are even, as I420 wants them.

use std::ops::{Add, Sub};

/// An even number of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Even(u32);

impl Even {
    /// No pixels.
    pub const ZERO: Self = Self(0);

    /// `Some` when `n` is even.
    pub const fn new(n: u32) -> Option<Self> {
        if n.is_multiple_of(2) { Some(Self(n)) } else { None }
    }

    /// The nearest even number that is not larger.
    pub const fn floor(n: u32) -> Self {
        Self(n & !1)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// `numerator / denominator` of it, rounded down to an even number; the denominator is not zero.
    pub const fn fraction(self, numerator: u32, denominator: u32) -> Self {
        let n = self.0 as u64 * numerator as u64 / denominator as u64;
        Self::floor(if n > u32::MAX as u64 { u32::MAX } else { n as u32 })
    }

    /// This many times.
    pub const fn times(self, n: u32) -> Self {
        Self(self.0 * n)
    }

    /// Where something of this length begins when it is centred in `outer`; 0 when it is longer.
    pub const fn centred_in(self, outer: Self) -> Self {
        Self::floor(outer.0.saturating_sub(self.0) / 2)
    }
}

impl Add for Even {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// Panics in debug builds when the result would be negative, as integers do.
impl Sub for Even {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// Width and height of a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Pixels across.
    pub width: Even,
    /// Pixels down.
    pub height: Even,
}

impl Size {
    /// `Some` when both are even and there is at least one pixel.
    pub const fn new(width: u32, height: u32) -> Option<Self> {
        match (Even::new(width), Even::new(height)) {
            (Some(width), Some(height)) if width.0 > 0 && height.0 > 0 => Some(Self { width, height }),
            _ => None,
        }
    }

    /// Higher than wide.
    pub const fn portrait(self) -> bool {
        self.height.0 > self.width.0
    }

    /// The whole canvas as a rectangle.
    pub const fn rect(self) -> Rect {
        Rect { x: Even::ZERO, y: Even::ZERO, width: self.width, height: self.height }
    }
}

/// A rectangle within a canvas; `x` and `y` count from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: Even,
    /// Upper edge.
    pub y: Even,
    /// Pixels across.
    pub width: Even,
    /// Pixels down.
    pub height: Even,
}

impl Rect {
    /// The first column to the right of it.
    pub fn right(self) -> Even {
        self.x + self.width
    }

    /// The first row below it.
    pub fn bottom(self) -> Even {
        self.y + self.height
    }

    /// Width and height.
    pub const fn size(self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// Holds no pixel.
    pub const fn is_empty(self) -> bool {
        self.width.0 == 0 || self.height.0 == 0
    }

    /// Lies wholly inside a canvas of this size.
    pub fn within(self, size: Size) -> bool {
        // Checked, because a rectangle made by hand may end beyond `u32`.
        let inside = |start: Even, length: Even, end: Even| start.0.checked_add(length.0).is_some_and(|e| e <= end.0);
        inside(self.x, self.width, size.width) && inside(self.y, self.height, size.height)
    }

    /// The pixels both have, or `None` when they share none.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (x < right && y < bottom).then(|| Self { x, y, width: right - x, height: bottom - y })
    }

    /// What of it lies outside `hole`, as up to four rectangles: above, below, left, right. `hole` lies inside it.
    pub fn around(self, hole: Self) -> impl Iterator<Item = Self> {
        let above = Self { height: hole.y - self.y, ..self };
        let below = Self { y: hole.bottom(), height: self.bottom() - hole.bottom(), ..self };
        let left = Self { x: self.x, width: hole.x - self.x, ..hole };
        let right = Self { x: hole.right(), width: self.right() - hole.right(), ..hole };
        [above, below, left, right].into_iter().filter(|r| !r.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x: Even::floor(x), y: Even::floor(y), width: Even::floor(width), height: Even::floor(height) }
    }

    #[test]
    fn odd_and_empty_sizes_cannot_be_made() {
        assert_eq!(Even::new(7), None);
        assert_eq!(Size::new(1281, 720), None);
        assert_eq!(Size::new(0, 720), None);
        assert_eq!(Even::floor(1278).fraction(3, 4).get(), 958);
        assert_eq!(Even::floor(u32::MAX).fraction(1, 1).get(), u32::MAX - 1);
    }

    #[test]
    fn what_is_around_a_hole_covers_the_rest_once() {
        let outer = rect(10, 20, 100, 60);
        for hole in [rect(10, 20, 100, 60), rect(30, 20, 20, 60), rect(10, 40, 100, 10), rect(20, 30, 2, 2)] {
            let around: Vec<Rect> = outer.around(hole).collect();
            let area = |r: &Rect| r.width.get() * r.height.get();
            assert_eq!(around.iter().map(area).sum::<u32>() + area(&hole), area(&outer), "{hole:?}");
            for (i, a) in around.iter().enumerate() {
                assert_eq!(a.intersection(hole), None);
                assert!(around[..i].iter().all(|b| a.intersection(*b).is_none()));
            }
        }
    }

    #[test]
    fn a_rectangle_beyond_all_numbers_is_not_within() {
        let huge = Rect { x: Even::floor(u32::MAX), ..rect(0, 0, 4, 4) };
        assert!(!huge.within(Size::new(64, 64).unwrap()));
        assert!(rect(60, 60, 4, 4).within(Size::new(64, 64).unwrap()));
        assert!(!rect(62, 60, 4, 4).within(Size::new(64, 64).unwrap()));
    }
}
