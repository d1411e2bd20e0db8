//! Who is seen where: geometry, nothing else.

mod layout;
mod rect;

pub use layout::{Arrangement, Layout, Theme};
pub use rect::{Even, Rect, Size};

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

/// The scene for these subjects. Pure geometry: the same arguments always give the same scene.
pub fn arrange(_layout: Layout, _size: Size, _subjects: &[Subject]) -> Scene {
    Scene { size: _size, theme: _layout.theme, tiles: Vec::new() }
}
