//! Who plays in the sample room: names, and in `beep` content the colour and the tone of each participant.

/// What identifies one participant of `--content beep`. The table in `testdata/README.md` says the same.
pub struct Role {
    /// Name that is shown when `--names` gives none.
    pub name: &'static str,
    /// Colour of the picture, part of the file name.
    pub colour: &'static str,
    /// The beep, in hertz; part of the file name.
    pub tone_hz: u32,
}

/// The roles in order of the participant's index; a room with more people starts again at the first.
pub const CAST: [Role; 6] = [
    Role { name: "Ada Lovelace", colour: "red", tone_hz: 500 },
    Role { name: "Émilie du Châtelet", colour: "green", tone_hz: 800 },
    Role { name: "محمد الخوارزمي", colour: "blue", tone_hz: 1100 },
    Role { name: "Grace Hopper", colour: "yellow", tone_hz: 1400 },
    Role { name: "高錕", colour: "cyan", tone_hz: 1700 },
    Role { name: "Sophie Germain", colour: "orange", tone_hz: 2000 },
];

/// How many people and voices `--content speech` has for each codec.
pub const VOICES: usize = 4;
