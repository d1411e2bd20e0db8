//! What can be ordered: acts of one track, and feats of a whole participant.

use std::time::Duration;

use clap::ValueEnum;

use crate::options::duration;
use crate::participant::Source;
use crate::payload::Codec;

/// What one track does. Most last until they are ordered otherwise, or until `calm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends nothing; the RTP clock stands still meanwhile, and goes on by one packet. Several times: always from a fifth
    /// of a second past a full one, so that no beep is cut.
    Pause { length: Duration, times: u32 },
    /// The RTP clock jumps by so many milliseconds.
    Jump(i64),
    /// The RTP clock is so many millionths too fast.
    Drift(i64),
    /// Every packet takes so long; a longer way than before is a step up, a shorter one lets a queue drain at once.
    Delay(Duration),
    /// Packets are held so long, then sent as fast as the line takes them.
    Hold(Duration),
    /// So many packets in a hundred are lost for good.
    Loss(u8),
    /// So many in a hundred are sent twice.
    Duplicate(u8),
    /// So many in a hundred come 60 ms late, behind others.
    Reorder(u8),
    /// The payloads of the next packets (audio) or frames are malformed in this way; `any`: in a random one; `each`: so
    /// many rounds of all.
    Garbage { kind: String, count: u32 },
    /// Payloads are encrypted, and nobody is notified.
    Scramble(bool),
    /// Key frames declare this size; (0, 0): their own again.
    Size(u32, u32),
    /// Every picture is a key frame of another size.
    Sizes,
    /// Key frames every 10 s only, whoever asks for one (VP8).
    RareKeys(bool),
}

/// What a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feat {
    /// Goes on in another codec without publishing anew.
    Switch(Codec),
    /// Publishes camera or microphone anew, encrypted and declared as such, or in clear.
    Encrypt { source: Source, encrypted: bool },
    /// A second camera.
    Second(bool),
    /// A picture and a audio of unknown source.
    Unknown(bool),
    /// Leaves, and comes back by another name.
    Name(Guise),
    /// So many microphones besides.
    Flood(usize),
    /// Mutes and unmutes camera and microphone so often, 50 ms apart.
    Flap(u32),
    /// Takes back the camera and publishes it anew so often.
    Churn(u32),
    /// Behaves again: what was ordered of its tracks ends.
    Calm,
}

/// A name that a terminal, a page or a font may stumble over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Guise {
    /// The usual one.
    Plain,
    /// As long as a server lets it be.
    Long,
    /// Terminal escapes: a title, a colour, a bell, cleared screen.
    Escapes,
    /// Control characters and line ends.
    Controls,
    /// Joiners, marks and directions.
    Joiners,
}

impl Guise {
    /// The name itself, where it is not the usual one.
    pub fn name(self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Long => Some("Maximiliane ".repeat(25)),
            Self::Escapes => Some("\u{1b}]0;owned\u{7}\u{1b}[31mEve\u{1b}[2J\u{1b}[H\u{9b}31m".to_owned()),
            Self::Controls => Some("Eve\r\n\t\u{8}\u{8}\u{7f}\u{85}\u{2028}INFO all is well".to_owned()),
            Self::Joiners => Some(format!(
                "\u{202e}eve\u{2066} 👩\u{200d}👩\u{200d}👧\u{200d}👦 e{}\u{feff}\u{200b}",
                "\u{301}\u{489}".repeat(40)
            )),
        }
    }
}

impl Act {
    /// Reads what follows `<verb> camera|mic N`.
    pub fn parse(verb: &str, rest: &[&str]) -> Result<Self, String> {
        match (verb, rest) {
            ("pause", [length]) => Ok(Self::Pause { length: duration(length)?, times: 1 }),
            ("pause", [length, times]) => Ok(Self::Pause { length: duration(length)?, times: number(times)? }),
            ("jump", [by]) => {
                let (sign, length) = match by.strip_prefix('-') {
                    Some(length) => (-1, length),
                    None => (1, by.strip_prefix('+').unwrap_or(by)),
                };
                Ok(Self::Jump(sign * duration(length)?.as_millis() as i64))
            }
            ("drift", [ppm]) => Ok(Self::Drift(number(ppm)?)),
            ("delay", [length]) => Ok(Self::Delay(duration(length)?)),
            ("hold", [length]) => Ok(Self::Hold(duration(length)?)),
            ("loss", [percent]) => Ok(Self::Loss(number(percent)?)),
            ("duplicate", [percent]) => Ok(Self::Duplicate(number(percent)?)),
            ("reorder", [percent]) => Ok(Self::Reorder(number(percent)?)),
            ("garbage", [kind, count]) => Ok(Self::Garbage { kind: (*kind).to_owned(), count: number(count)? }),
            ("scramble", [on]) => Ok(Self::Scramble(switch(on)?)),
            ("size", ["true"]) => Ok(Self::Size(0, 0)),
            ("size", ["changing"]) => Ok(Self::Sizes),
            ("size", [size]) => {
                let (width, height) = size.split_once('x').ok_or_else(|| format!("`{size}` is not a size"))?;
                Ok(Self::Size(number(width)?, number(height)?))
            }
            ("keys", ["rare"]) => Ok(Self::RareKeys(true)),
            ("keys", ["usual"]) => Ok(Self::RareKeys(false)),
            _ => Err("not a command (see --help)".to_owned()),
        }
    }
}

impl Feat {
    /// Reads what stands around the participant's number in `<verb> N …`.
    pub fn parse(verb: &str, rest: &[&str]) -> Result<Self, String> {
        match (verb, rest) {
            ("switch", [codec]) => Ok(Self::Switch(Codec::from_str(codec, true)?)),
            ("second", [on]) => Ok(Self::Second(switch(on)?)),
            ("unknown", [on]) => Ok(Self::Unknown(switch(on)?)),
            ("name", [guise]) => Ok(Self::Name(Guise::from_str(guise, true)?)),
            ("flood", [count]) => Ok(Self::Flood(number(count)?)),
            ("flap", [count]) => Ok(Self::Flap(number(count)?)),
            ("churn", [count]) => Ok(Self::Churn(number(count)?)),
            ("calm", []) => Ok(Self::Calm),
            _ => Err("not a command (see --help)".to_owned()),
        }
    }
}

/// `on` or `off`.
pub fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number that fits here"))
}
