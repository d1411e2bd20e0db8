//! A picture's shape inside its tile: what of it is seen, and where.

use super::{Even, Fit, Rect};

/// Which part of a picture goes where. Never stretched by more than the rounding to even numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The part that is seen, in pixels of the picture.
    pub crop: Crop,
    /// Where it goes, inside the tile.
    pub target: Rect,
}

/// A part of a picture of any size. `x` and `y` are even, so that they fall on a chroma sample; the size may be odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Left edge.
    pub x: Even,
    /// Upper edge.
    pub y: Even,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Where a picture of `width` × `height` goes in `tile`; `None` when there is nothing to see. A picture higher than
/// wide is shown whole even where the tile says `Cover`: orientation is announced once and phones turn.
pub fn place(fit: Fit, tile: Rect, width: u32, height: u32) -> Option<Placement> {
    if width == 0 || height == 0 || tile.is_empty() {
        return None;
    }
    match fit {
        Fit::Cover if height <= width => Some(cover(tile, width, height)),
        Fit::Cover | Fit::Contain => Some(contain(tile, width, height)),
    }
}

fn cover(tile: Rect, width: u32, height: u32) -> Placement {
    let (tw, th) = (u64::from(tile.width.get()), u64::from(tile.height.get()));
    let (w, h) = (u64::from(width), u64::from(height));
    // Compare w/h with tw/th without division.
    let (seen_w, seen_h) =
        if w * th > tw * h { (shorter(h * tw / th, width), height) } else { (width, shorter(w * th / tw, height)) };
    let x = Even::floor((width - seen_w) / 2);
    let y = Even::floor((height - seen_h) / 2);
    Placement { crop: Crop { x, y, width: seen_w, height: seen_h }, target: tile }
}

/// The even length near `n`, unless that is (nearly) the whole: one column of the source is not worth an inexact ratio.
fn shorter(n: u64, whole: u32) -> u32 {
    let n = u32::try_from(n).unwrap_or(whole).min(whole);
    if n + 1 >= whole { whole } else { (n & !1).max(2).min(whole) }
}

fn contain(tile: Rect, width: u32, height: u32) -> Placement {
    let (tw, th) = (u64::from(tile.width.get()), u64::from(tile.height.get()));
    let (w, h) = (u64::from(width), u64::from(height));
    let (seen_w, seen_h) = if w * th > tw * h {
        (tile.width, near(tw * h, w, tile.height))
    } else {
        (near(th * w, h, tile.width), tile.height)
    };
    let target = Rect {
        x: tile.x + seen_w.centred_in(tile.width),
        y: tile.y + seen_h.centred_in(tile.height),
        width: seen_w,
        height: seen_h,
    };
    Placement { crop: Crop { x: Even::ZERO, y: Even::ZERO, width, height }, target }
}

/// The even number nearest to `n / d`, between 2 and `most`.
fn near(n: u64, d: u64, most: Even) -> Even {
    let rounded = (n + d) / (2 * d) * 2;
    Even::floor(u32::try_from(rounded).unwrap_or(most.get()).max(2)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(width: u32, height: u32) -> Rect {
        Rect { x: Even::floor(100), y: Even::floor(40), width: Even::floor(width), height: Even::floor(height) }
    }

    /// x, y, width, height.
    type Box = (u32, u32, u32, u32);

    fn shape(fit: Fit, of: (u32, u32), picture: (u32, u32)) -> (Box, Box) {
        let p = place(fit, tile(of.0, of.1), picture.0, picture.1).unwrap();
        let t = p.target;
        (
            (p.crop.x.get(), p.crop.y.get(), p.crop.width, p.crop.height),
            (t.x.get() - 100, t.y.get() - 40, t.width.get(), t.height.get()),
        )
    }

    #[test]
    fn same_shape_is_neither_cropped_nor_framed() {
        for fit in [Fit::Cover, Fit::Contain] {
            assert_eq!(shape(fit, (320, 180), (1280, 720)), ((0, 0, 1280, 720), (0, 0, 320, 180)));
            assert_eq!(shape(fit, (960, 540), (1920, 1080)), ((0, 0, 1920, 1080), (0, 0, 960, 540)));
        }
    }

    #[test]
    fn cover_cuts_the_middle_out() {
        assert_eq!(shape(Fit::Cover, (320, 180), (640, 480)), ((0, 60, 640, 360), (0, 0, 320, 180)));
        assert_eq!(shape(Fit::Cover, (640, 720), (1280, 720)), ((320, 0, 640, 720), (0, 0, 640, 720)));
        assert_eq!(shape(Fit::Cover, (320, 180), (641, 361)), ((0, 0, 641, 361), (0, 0, 320, 180)));
    }

    #[test]
    fn contain_shows_all_and_frames_it() {
        assert_eq!(shape(Fit::Contain, (320, 180), (640, 480)), ((0, 0, 640, 480), (40, 0, 240, 180)));
        assert_eq!(shape(Fit::Contain, (640, 720), (1280, 720)), ((0, 0, 1280, 720), (0, 180, 640, 360)));
    }

    #[test]
    fn a_portrait_is_shown_whole_even_where_a_landscape_was_announced() {
        assert_eq!(shape(Fit::Cover, (320, 180), (720, 1280)), ((0, 0, 720, 1280), (108, 0, 102, 180)));
    }

    #[test]
    fn every_shape_stays_inside_tile_and_picture() {
        for fit in [Fit::Cover, Fit::Contain] {
            for (tw, th) in [(2, 2), (16, 16), (320, 180), (958, 538), (1080, 1440)] {
                for w in [1, 2, 3, 16, 17, 319, 1280, 8191] {
                    for h in [1, 2, 5, 16, 33, 181, 720, 8191] {
                        let Placement { crop, target } = place(fit, tile(tw, th), w, h).unwrap();
                        assert!(crop.width > 0 && crop.height > 0 && !target.is_empty());
                        assert!(crop.x.get() + crop.width <= w && crop.y.get() + crop.height <= h, "{w}x{h} {crop:?}");
                        assert_eq!(target.intersection(tile(tw, th)), Some(target), "{w}x{h} in {tw}x{th}");
                    }
                }
            }
        }
        assert_eq!(place(Fit::Cover, tile(320, 180), 0, 10), None);
        assert_eq!(place(Fit::Cover, tile(0, 180), 10, 10), None);
    }
}
