//! Equal cells, filled row by row, the whole centred.

use super::{Rect, Size};

/// How many subjects the largest grid holds.
pub const MOST: usize = 25;

/// One cell for each of `count` subjects, at most [`MOST`].
pub(super) fn cells(size: Size, count: usize) -> Vec<Rect> {
    let count = count.min(MOST) as u32;
    let (columns, rows) = shape(size, count);
    let (width, height) = (size.width.fraction(1, columns), size.height.fraction(1, rows));
    let used_rows = count.div_ceil(columns);
    let top = height.times(used_rows).centred_in(size.height);
    (0..count)
        .map(|i| {
            let (row, column) = (i / columns, i % columns);
            let in_row = (count - row * columns).min(columns);
            let left = width.times(in_row).centred_in(size.width);
            Rect { x: left + width.times(column), y: top + height.times(row), width, height }
        })
        .collect()
}

/// The smallest of LiveKit's grids that holds them, as columns and rows.
fn shape(size: Size, count: u32) -> (u32, u32) {
    match count {
        0 | 1 => (1, 1),
        2 if size.portrait() => (1, 2),
        2 => (2, 1),
        3..=4 => (2, 2),
        5..=9 => (3, 3),
        10..=16 => (4, 4),
        _ => (5, 5),
    }
}
