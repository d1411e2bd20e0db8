//! Sizes and rectangles whose numbers are even, as I420 wants them.

/// An even number of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Even(u32);

impl Even {
    /// `Some` when `n` is even.
    pub const fn new(n: u32) -> Option<Self> {
        if n % 2 == 0 { Some(Self(n)) } else { None }
    }

    /// The nearest even number that is not larger.
    pub const fn floor(n: u32) -> Self {
        Self(n & !1)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Width and height of a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels across.
    pub width: Even,
    /// Pixels down.
    pub height: Even,
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
