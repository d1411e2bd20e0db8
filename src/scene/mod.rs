//! Who is seen where: geometry, nothing else.

mod active_speaker;
mod fit;
mod grid;
mod layout;
mod rect;
mod speaker;
mod subject;

pub use active_speaker::ActiveSpeaker;
pub use fit::{Crop, Placement, place};
pub use layout::{Arrangement, Layout, Theme};
pub use rect::{Even, Rect, Size};
pub use subject::{Candidate, rank};

use crate::ids::{ParticipantId, TrackId};

/// A picture at one instant: tiles from back to front on a canvas of `size`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The canvas.
    pub size: Size,
    /// Light or dark background.
    pub theme: Theme,
    /// From back to front.
    pub tiles: Vec<Tile>,
}

/// One rectangle of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What fills it.
    pub face: Face,
    /// The participant's display name, for the label and the initials.
    pub name: String,
    /// Where, within the canvas.
    pub rect: Rect,
    /// How a picture of another shape is fitted.
    pub fit: Fit,
}

/// What fills a tile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// This track's newest picture; until one has come, the initials.
    Track(TrackId),
    /// The participant's initials and name.
    Initials(ParticipantId),
}

/// How a picture is fitted into a tile of another shape. It is never stretched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Fills the tile; what stands out is cut off. Landscape cameras.
    Cover,
    /// Wholly visible, with bars. Screen shares and portrait cameras.
    Contain,
}

/// Someone or something that can be on screen. The caller gives them in order of rank: the first one is the focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Whose it is.
    pub participant: ParticipantId,
    /// The name to show; never empty (the caller falls back to the identity).
    pub name: String,
    /// What it shows.
    pub source: Source,
    /// The track, or `None` when the camera is off or cannot be decoded.
    pub track: Option<TrackId>,
    /// True when the published picture is higher than wide.
    pub portrait: bool,
}

/// LiveKit's `TrackSource`, as far as it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `SCREEN_SHARE`.
    ScreenShare,
    /// `CAMERA`, or a participant without any video.
    Camera,
}

/// The scene for these subjects. Pure geometry: the same arguments always give the same scene, tiles never overlap nor
/// leave the canvas, and who finds no place is left out. Without subjects only the background is left.
pub fn arrange(layout: Layout, size: Size, subjects: &[Subject]) -> Scene {
    let share = subjects.iter().position(|s| s.source == Source::ScreenShare);
    let arrangement = layout.arrangement.with_share(share.is_some());
    // In a grid the order is that of the places, so the share need not come first there.
    let focus = if arrangement == layout.arrangement { 0 } else { share.unwrap_or(0) };
    let rects = match arrangement {
        Arrangement::Grid => grid::cells(size, subjects.len()),
        Arrangement::Speaker => speaker::places(size, subjects.len()),
        Arrangement::SingleSpeaker => speaker::places(size, subjects.len().min(1)),
    };
    let focus_first = subjects.iter().skip(focus).take(1);
    let others = subjects.iter().enumerate().filter(|(i, _)| *i != focus).map(|(_, s)| s);
    let tiles = focus_first.chain(others).zip(rects).filter(|(_, rect)| !rect.is_empty());
    Scene { size, theme: layout.theme, tiles: tiles.map(|(subject, rect)| subject.tile(rect)).collect() }
}

impl Subject {
    fn tile(&self, rect: Rect) -> Tile {
        let face = match &self.track {
            Some(track) => Face::Track(track.clone()),
            None => Face::Initials(self.participant.clone()),
        };
        let fit = match self.source {
            Source::ScreenShare => Fit::Contain,
            Source::Camera if self.portrait => Fit::Contain,
            Source::Camera => Fit::Cover,
        };
        Tile { face, name: self.name.clone(), rect, fit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: usize) -> Vec<Subject> {
        (0..count)
            .map(|i| Subject {
                participant: ParticipantId::new(format!("PA_{i}")),
                name: format!("P{i}"),
                source: Source::Camera,
                track: (i % 3 != 0).then(|| TrackId::new(format!("TR_{i}"))),
                portrait: i % 5 == 0,
            })
            .collect()
    }

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    fn xywh(tile: &Tile) -> (u32, u32, u32, u32) {
        let r = tile.rect;
        (r.x.get(), r.y.get(), r.width.get(), r.height.get())
    }

    #[test]
    fn tiles_never_overlap_nor_leave_the_canvas() {
        let sizes = [(2, 2), (16, 16), (64, 64), (640, 360), (1080, 1920), (1280, 720), (1920, 1080), (1278, 718)];
        for (w, h) in sizes {
            for name in ["grid", "speaker", "single-speaker"] {
                for count in 0..=64 {
                    for share in [None, Some(0), Some(count / 2)] {
                        let mut subjects = people(count);
                        if let Some(share) = share.and_then(|i| subjects.get_mut(i)) {
                            share.source = Source::ScreenShare;
                        }
                        let tiles = arrange(Layout::from_name(name), size(w, h), &subjects).tiles;
                        for (i, a) in tiles.iter().enumerate() {
                            assert!(!a.rect.is_empty() && a.rect.within(size(w, h)), "{name} {w}x{h} {count}: {a:?}");
                            assert!(tiles[..i].iter().all(|b| a.rect.intersection(b.rect).is_none()), "{name} {count}");
                        }
                        let shown = match (name, share) {
                            ("grid", None) => count.min(25),
                            ("single-speaker", _) => count.min(1),
                            _ => count.min(5),
                        };
                        assert!(w < 16 || tiles.len() == shown, "{name} {w}x{h} {count}: {} tiles", tiles.len());
                    }
                }
            }
        }
    }

    #[test]
    fn the_stage_is_three_quarters_and_the_strip_is_quarters() {
        let scene = arrange(Layout::from_name("speaker"), size(1280, 720), &people(4));
        let rects: Vec<_> = scene.tiles.iter().map(xywh).collect();
        assert_eq!(rects, [(320, 90, 960, 540), (0, 90, 320, 180), (0, 270, 320, 180), (0, 450, 320, 180)]);
        let scene = arrange(Layout::from_name("speaker"), size(1080, 1920), &people(3));
        let rects: Vec<_> = scene.tiles.iter().map(xywh).collect();
        assert_eq!(rects, [(0, 0, 1080, 1440), (270, 1440, 270, 480), (540, 1440, 270, 480)]);
    }

    #[test]
    fn a_share_in_a_grid_takes_the_stage_from_any_place() {
        let mut subjects = people(4);
        subjects[2].source = Source::ScreenShare;
        let scene = arrange(Layout::from_name("grid"), size(1280, 720), &subjects);
        let names: Vec<_> = scene.tiles.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["P2", "P0", "P1", "P3"]);
        assert_eq!(scene.tiles[0].fit, Fit::Contain);
        assert_eq!(xywh(&scene.tiles[0]), (320, 90, 960, 540));
    }

    #[test]
    fn the_last_row_of_a_grid_is_centred() {
        let scene = arrange(Layout::from_name("grid"), size(1280, 720), &people(3));
        assert_eq!(xywh(&scene.tiles[2]), (320, 360, 640, 360));
        let scene = arrange(Layout::from_name("grid"), size(1280, 720), &people(5));
        assert_eq!(xywh(&scene.tiles[3]), (214, 360, 426, 240));
    }

    #[test]
    fn a_portrait_camera_and_a_share_are_shown_whole() {
        let scene = arrange(Layout::from_name("grid"), size(1280, 720), &people(2));
        assert_eq!(scene.tiles[0].fit, Fit::Contain);
        assert_eq!(scene.tiles[0].face, Face::Initials(ParticipantId::new("PA_0")));
        assert_eq!(scene.tiles[1].fit, Fit::Cover);
        assert_eq!(scene.tiles[1].face, Face::Track(TrackId::new("TR_1")));
    }
}
