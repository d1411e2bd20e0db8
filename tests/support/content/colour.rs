//! Who is who: the colours and tones of the publishers.

/// What a publisher's camera or share is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    /// Participant 0.
    Red,
    /// Participant 1.
    Green,
    /// Participant 2.
    Blue,
    /// Participant 3.
    Yellow,
    /// The screen share.
    Magenta,
    /// Anybody, while flashing.
    White,
}

impl Colour {
    /// The participants, in order.
    pub const PEOPLE: [Self; 4] = [Self::Red, Self::Green, Self::Blue, Self::Yellow];

    /// Red, green, blue, 0..=255, as published.
    pub fn rgb(self) -> [f64; 3] {
        match self {
            Self::Red => [200.0, 0.0, 0.0],
            Self::Green => [0.0, 160.0, 0.0],
            Self::Blue => [0.0, 0.0, 200.0],
            Self::Yellow => [200.0, 200.0, 0.0],
            Self::Magenta => [200.0, 0.0, 200.0],
            Self::White => [255.0, 255.0, 255.0],
        }
    }

    /// Hz of this participant's beep; the share and the flash have none.
    pub fn tone(self) -> Option<u32> {
        match self {
            Self::Red => Some(500),
            Self::Green => Some(800),
            Self::Blue => Some(1100),
            Self::Yellow => Some(1400),
            Self::Magenta | Self::White => None,
        }
    }

    /// The one that this is meant to be. A colour survives two encoders and a matrix with less than 70 of 442 lost;
    /// two of ours are at least 160 apart.
    pub fn of(rgb: [f64; 3]) -> Option<Self> {
        let distance = |c: &Self| c.rgb().iter().zip(rgb).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let all = [Self::Red, Self::Green, Self::Blue, Self::Yellow, Self::Magenta, Self::White];
        all.into_iter().find(|colour| distance(colour) < 70.0)
    }
}
