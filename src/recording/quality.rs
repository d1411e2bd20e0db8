//! How much is done for a picture: what a machine that does not keep up leaves away, in which order.

/// How much is done for the picture of a running recording. Each level keeps the savings of those before it; the audio is
/// never touched, and the file stays one file that plays everywhere.
///
/// | level | what is done | what is seen |
/// |---|---|---|
/// | `Full` | everything | what was requested |
/// | `HalfRate` | half the frame rate is composed and encoded | movement is less smooth |
/// | `FastPreset` | the encoder takes its quickest way (x264 `ultrafast`; OpenH264 has none quicker) | less detail at the same bitrate |
/// | `NoFilmstrip` | only what is on stage is subscribed and decoded | the filmstrip shows initials |
/// | `QuarterRate` | every fourth picture | movement jerks |
///
/// Below that, frames are left out as they are late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Quality {
    /// Nothing is left away.
    #[default]
    Full,
    /// Every second picture.
    HalfRate,
    /// And the encoder's quickest way.
    FastPreset,
    /// And only what is on stage.
    NoFilmstrip,
    /// And every fourth picture only.
    QuarterRate,
}

impl Quality {
    /// From the best to the cheapest.
    pub const ALL: [Self; 5] = [Self::Full, Self::HalfRate, Self::FastPreset, Self::NoFilmstrip, Self::QuarterRate];

    /// Its name in figures and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::HalfRate => "half_rate",
            Self::FastPreset => "fast_preset",
            Self::NoFilmstrip => "no_filmstrip",
            Self::QuarterRate => "quarter_rate",
        }
    }

    /// What it means, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Full => "the full quality",
            Self::HalfRate => "half the frame rate",
            Self::FastPreset => "half the frame rate, faster encoder preset",
            Self::NoFilmstrip => "half the frame rate, faster encoder preset, initials in the filmstrip",
            Self::QuarterRate => "a quarter of the frame rate, faster encoder preset, initials in the filmstrip",
        }
    }

    /// Of this many frames one is made.
    pub const fn every(self) -> u64 {
        match self {
            Self::Full => 1,
            Self::HalfRate | Self::FastPreset | Self::NoFilmstrip => 2,
            Self::QuarterRate => 4,
        }
    }

    /// The encoder takes its quickest way.
    pub const fn fast(self) -> bool {
        match self {
            Self::Full | Self::HalfRate => false,
            Self::FastPreset | Self::NoFilmstrip | Self::QuarterRate => true,
        }
    }

    /// Only what is on stage is decoded.
    pub const fn stage_only(self) -> bool {
        match self {
            Self::Full | Self::HalfRate | Self::FastPreset => false,
            Self::NoFilmstrip | Self::QuarterRate => true,
        }
    }

    /// One step cheaper; `None` at the end.
    pub const fn cheaper(self) -> Option<Self> {
        match self {
            Self::Full => Some(Self::HalfRate),
            Self::HalfRate => Some(Self::FastPreset),
            Self::FastPreset => Some(Self::NoFilmstrip),
            Self::NoFilmstrip => Some(Self::QuarterRate),
            Self::QuarterRate => None,
        }
    }

    /// One step better; `None` when nothing is left away.
    pub const fn better(self) -> Option<Self> {
        match self {
            Self::Full => None,
            Self::HalfRate => Some(Self::Full),
            Self::FastPreset => Some(Self::HalfRate),
            Self::NoFilmstrip => Some(Self::FastPreset),
            Self::QuarterRate => Some(Self::NoFilmstrip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_the_list_and_each_saves_something_more() {
        for pair in Quality::ALL.windows(2) {
            assert_eq!((pair[0].cheaper(), pair[1].better()), (Some(pair[1]), Some(pair[0])));
            let saves = |q: Quality| (q.every(), q.fast(), q.stage_only());
            assert!(saves(pair[0]) < saves(pair[1]) && (pair[1].fast() || !pair[0].fast()), "{pair:?}");
        }
        assert_eq!((Quality::Full.better(), Quality::QuarterRate.cheaper()), (None, None));
    }
}
