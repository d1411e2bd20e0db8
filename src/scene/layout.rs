//! Layouts by LiveKit's names.

/// Where things go and on what background: LiveKit's `layout` string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    /// Where things go.
    pub arrangement: Arrangement,
    /// On what background.
    pub theme: Theme,
}

/// The three arrangements of LiveKit's default template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Arrangement {
    /// Equal cells. Becomes `Speaker` while a screen is shared, as LiveKit does for names that begin with `grid`.
    Grid,
    /// A stage (screen share first, else the active speaker) and a filmstrip of the others.
    Speaker,
    /// Only the stage.
    SingleSpeaker,
}

/// Background and text colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Theme {
    /// Light background (`-light`).
    Light,
    /// Dark background (`-dark`, and every name without a suffix).
    Dark,
}

impl Layout {
    /// Reads LiveKit's name by its rule: the prefix gives the arrangement, the suffix `-light` the theme. Every text is
    /// a layout; what is not known, such as the empty name, is a dark grid.
    pub fn from_name(name: &str) -> Self {
        let arrangement = if name.starts_with("speaker") {
            Arrangement::Speaker
        } else if name.starts_with("single-speaker") {
            Arrangement::SingleSpeaker
        } else {
            Arrangement::Grid
        };
        let theme = if name.ends_with("-light") { Theme::Light } else { Theme::Dark };
        Self { arrangement, theme }
    }

    /// LiveKit's full name for it, such as `speaker-dark`.
    pub const fn name(self) -> &'static str {
        match (self.arrangement, self.theme) {
            (Arrangement::Grid, Theme::Light) => "grid-light",
            (Arrangement::Grid, Theme::Dark) => "grid-dark",
            (Arrangement::Speaker, Theme::Light) => "speaker-light",
            (Arrangement::Speaker, Theme::Dark) => "speaker-dark",
            (Arrangement::SingleSpeaker, Theme::Light) => "single-speaker-light",
            (Arrangement::SingleSpeaker, Theme::Dark) => "single-speaker-dark",
        }
    }
}

impl Arrangement {
    /// What it is while a screen is shared, or not.
    pub const fn with_share(self, shared: bool) -> Self {
        match self {
            Self::Grid if shared => Self::Speaker,
            Self::Grid | Self::Speaker | Self::SingleSpeaker => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_prefix_and_suffix() {
        let read = |name| {
            let layout = Layout::from_name(name);
            (layout.arrangement, layout.theme)
        };
        assert_eq!(read("speaker"), (Arrangement::Speaker, Theme::Dark));
        assert_eq!(read("speaker-light"), (Arrangement::Speaker, Theme::Light));
        assert_eq!(read("speaker-custom"), (Arrangement::Speaker, Theme::Dark));
        assert_eq!(read("single-speaker-light"), (Arrangement::SingleSpeaker, Theme::Light));
        assert_eq!(read("grid-light"), (Arrangement::Grid, Theme::Light));
        assert_eq!(read(""), (Arrangement::Grid, Theme::Dark));
        assert_eq!(read("Speaker"), (Arrangement::Grid, Theme::Dark));
    }

    #[test]
    fn a_name_reads_back_as_the_same_layout() {
        for arrangement in [Arrangement::Grid, Arrangement::Speaker, Arrangement::SingleSpeaker] {
            for theme in [Theme::Light, Theme::Dark] {
                let layout = Layout { arrangement, theme };
                assert_eq!(Layout::from_name(layout.name()), layout);
            }
        }
    }
}
