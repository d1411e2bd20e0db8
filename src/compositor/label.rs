//! The name of whoever is seen, on a dark pill at the lower left of the tile.

use cosmic_text::Weight;

use super::bitmap::Bitmap;
use super::blend::Overlay;
use super::colour::PILL;
use super::fonts::Typesetter;
use crate::scene::{Even, Rect, Size};

const OPACITY: f32 = 0.62;

/// A pill with this name, not wider than the tile allows; `None` where the tile is too small or there is no font.
pub(super) fn label(typesetter: &mut Typesetter, name: &str, tile: Size) -> Option<Overlay> {
    let text = text_size(tile);
    let height = Even::floor((text * 1.75) as u32);
    let padding = text * 0.75;
    let room = tile.width.get() as f32 - 2.0 * margin(tile).get() as f32 - 2.0 * padding;
    if height.get() * 3 > tile.height.get() || room < text * 3.0 {
        return None;
    }
    let ink = typesetter.set(name, text, Weight::MEDIUM, room)?;
    let width = Even::floor((ink.width.min(room) + 2.0 * padding).ceil() as u32 + 1);
    let mut pill = Bitmap::new(width.get(), height.get());
    pill.pill(PILL, OPACITY);
    let left = padding.round() as i32;
    let top = ((height.get() as f32 - ink.height) / 2.0).round() as i32;
    for p in ink.pixels {
        pill.over(left + p.x, top + p.y, p.colour, p.alpha);
    }
    Some(Overlay::new(&pill))
}

/// Where a label of this size goes in its tile; it lies within whenever [`label`] made one.
pub(super) fn place(label: &Overlay, tile: Rect) -> Rect {
    let margin = margin(tile.size());
    let (width, height) = (label.width, label.height);
    Rect { x: tile.x + margin, y: tile.bottom() - margin - height, width, height }
}

/// Readable in a thumbnail, not shouting on a stage: 14 px of 180, 20 of 540, 29 of 1080.
fn text_size(tile: Size) -> f32 {
    11.0 + tile.height.get().min(tile.width.get()) as f32 / 60.0
}

fn margin(tile: Size) -> Even {
    Even::floor((text_size(tile) * 0.6) as u32)
}
