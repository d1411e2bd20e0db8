//! The commands: what a line of standard input or of a script means.

use std::time::Duration;

use clap::ValueEnum;

use crate::hostile::{Act, Feat};
use crate::options::duration;
use crate::participant::Source;
use crate::payload::Codec;

/// One order to the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Mute {
        source: Source,
        muted: bool,
        who: usize,
    },
    /// `None`: turns by the clock again.
    Speak(Option<usize>),
    Share(bool),
    Join(usize),
    Leave(usize),
    Codec(usize, Codec),
    /// A track misbehaves.
    Act(Source, usize, Act),
    /// A participant does.
    Feat(usize, Feat),
    Quit,
}

impl Command {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [verb @ ("mute" | "unmute"), what, who] => {
                Ok(Self::Mute { source: source(what)?, muted: verb == "mute", who: number(who)? })
            }
            ["speak", "auto"] => Ok(Self::Speak(None)),
            ["speak", who] => Ok(Self::Speak(Some(number(who)?))),
            ["share", "on"] => Ok(Self::Share(true)),
            ["share", "off"] => Ok(Self::Share(false)),
            ["join", who] => Ok(Self::Join(number(who)?)),
            ["leave", who] => Ok(Self::Leave(number(who)?)),
            ["codec", who, codec] => Ok(Self::Codec(number(who)?, Codec::from_str(codec, true)?)),
            ["quit"] => Ok(Self::Quit),
            ["encrypt", what, who, on @ ("on" | "off")] => {
                let encrypted = on == "on";
                Ok(Self::Feat(number(who)?, Feat::Encrypt { source: source(what)?, encrypted }))
            }
            [verb, what @ ("camera" | "mic"), who, ref rest @ ..] => {
                Ok(Self::Act(source(what)?, number(who)?, Act::parse(verb, rest)?))
            }
            [verb, who, ref rest @ ..] => Ok(Self::Feat(number(who)?, Feat::parse(verb, rest)?)),
            _ => Err("not a command (see --help)".to_owned()),
        }
    }

    /// Who misbehaves in this way, and with which of the tracks, if it is one.
    pub fn hostile(&self) -> Option<(usize, Option<Source>)> {
        match self {
            Self::Act(source, who, _) | Self::Feat(who, Feat::Encrypt { source, .. }) => Some((*who, Some(*source))),
            Self::Feat(who, _) => Some((*who, None)),
            Self::Mute { .. }
            | Self::Speak(_)
            | Self::Share(_)
            | Self::Join(_)
            | Self::Leave(_)
            | Self::Codec(..)
            | Self::Quit => None,
        }
    }
}

/// Reads a script: a time and a command on each line; `#` begins a comment.
pub fn script(text: &str) -> Result<Vec<(Duration, String)>, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut orders = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (at, order) = line.split_once(char::is_whitespace).ok_or_else(|| format!("`{line}`: no command"))?;
        Command::parse(order).map_err(|e| format!("`{line}`: {e}"))?;
        orders.push((duration(at)?, order.trim().to_owned()));
    }
    orders.sort_by_key(|(at, _)| *at);
    Ok(orders)
}

fn source(text: &str) -> Result<Source, String> {
    match text {
        "camera" => Ok(Source::Camera),
        "mic" => Ok(Source::Microphone),
        _ => Err(format!("`{text}` is neither camera nor mic")),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a participant's number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read() {
        let mute = |source, muted| Ok(Command::Mute { source, muted, who: 1 });
        assert_eq!(Command::parse("mute camera 1"), mute(Source::Camera, true));
        assert_eq!(Command::parse(" unmute  mic 1 "), mute(Source::Microphone, false));
        assert_eq!(Command::parse("speak 2"), Ok(Command::Speak(Some(2))));
        assert_eq!(Command::parse("speak auto"), Ok(Command::Speak(None)));
        assert_eq!(Command::parse("share on"), Ok(Command::Share(true)));
        assert_eq!(Command::parse("share off"), Ok(Command::Share(false)));
        assert_eq!(Command::parse("leave 2"), Ok(Command::Leave(2)));
        assert_eq!(Command::parse("join 2"), Ok(Command::Join(2)));
        assert_eq!(Command::parse("codec 1 h264"), Ok(Command::Codec(1, Codec::H264)));
        assert_eq!(Command::parse("quit"), Ok(Command::Quit));
        let pause = Act::Pause { length: Duration::from_millis(700), times: 5 };
        assert_eq!(Command::parse("pause mic 1 700ms 5"), Ok(Command::Act(Source::Microphone, 1, pause)));
        assert_eq!(Command::parse("jump mic 1 -5s"), Ok(Command::Act(Source::Microphone, 1, Act::Jump(-5000))));
        let encrypt = Feat::Encrypt { source: Source::Camera, encrypted: true };
        assert_eq!(Command::parse("encrypt camera 1 on"), Ok(Command::Feat(1, encrypt)));
        assert_eq!(Command::parse("flood 1 20"), Ok(Command::Feat(1, Feat::Flood(20))));
        assert_eq!(Command::parse("calm 1"), Ok(Command::Feat(1, Feat::Calm)));
        assert!(Command::parse("pause mic 1").is_err());
        assert!(Command::parse("mute nose 1").is_err());
        assert!(Command::parse("speak").is_err());
    }

    #[test]
    fn a_script_is_sorted_and_its_mistakes_are_named() {
        let orders = script("# all\n2s leave 1\n300ms mute mic 0 # now\n").expect("a good script");
        let expected = [(Duration::from_millis(300), "mute mic 0"), (Duration::from_secs(2), "leave 1")];
        assert_eq!(orders, expected.map(|(at, order)| (at, order.to_owned())));
        assert!(script("5s dance").expect_err("no such command").contains("5s dance"));
    }
}
