//! Layouts by LiveKit's names.

/// Where things go and on what background: LiveKit's `layout` string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Where things go.
    pub arrangement: Arrangement,
    /// On what background.
    pub theme: Theme,
}

/// The three arrangements of LiveKit's default template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// Equal cells. Becomes `Speaker` while a screen is shared, as LiveKit does for names that begin with `grid`.
    Grid,
    /// A stage (screen share first, else the active speaker) and a filmstrip of the others.
    Speaker,
    /// Only the stage.
    SingleSpeaker,
}

/// Background and text colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Theme {
    /// Light background (`-light`).
    Light,
    /// Dark background (`-dark`, and every name without a suffix).
    Dark,
}
