//! A stage of ¾ of the canvas and a filmstrip of quarters.
//!
//! Not LiveKit's ⅚: scaling 1080p and 720p to exactly ½ and ¾ is ten times cheaper than to anything between.

use super::{Even, Rect, Size};

/// How many places the filmstrip has.
pub const STRIP: usize = 4;

/// The stage, then the places of the filmstrip, for `count` subjects; at most 1 + [`STRIP`]. One alone gets all.
pub(super) fn places(size: Size, count: usize) -> Vec<Rect> {
    match count {
        0 => Vec::new(),
        1 => vec![size.rect()],
        _ => {
            let others = (count - 1).min(STRIP) as u32;
            if size.portrait() { portrait(size, others) } else { landscape(size, others) }
        }
    }
}

/// The stage at the right, the strip at the left, both centred vertically.
fn landscape(size: Size, others: u32) -> Vec<Rect> {
    let (width, height) = (size.width.fraction(3, 4), size.height.fraction(3, 4));
    let stage = Rect { x: size.width - width, y: height.centred_in(size.height), width, height };
    let (width, height) = quarter(size);
    let top = height.times(others).centred_in(size.height);
    let tile = |i| Rect { x: Even::ZERO, y: top + height.times(i), width, height };
    std::iter::once(stage).chain((0..others).map(tile)).collect()
}

/// The stage above over the whole width, since there is nothing beside it; the strip below, centred.
fn portrait(size: Size, others: u32) -> Vec<Rect> {
    let stage = Rect { height: size.height.fraction(3, 4), ..size.rect() };
    let (width, height) = quarter(size);
    let left = width.times(others).centred_in(size.width);
    let tile = |i| Rect { x: left + width.times(i), y: size.height - height, width, height };
    std::iter::once(stage).chain((0..others).map(tile)).collect()
}

fn quarter(size: Size) -> (Even, Even) {
    (size.width.fraction(1, 4), size.height.fraction(1, 4))
}
