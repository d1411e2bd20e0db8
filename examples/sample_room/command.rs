//! The commands: what a line of standard input or of a script means.

use std::time::Duration;

use clap::ValueEnum;

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
    Quit,
}

impl Command {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [verb @ ("mute" | "unmute"), what, who] => {
                let source = match what {
                    "camera" => Source::Camera,
                    "mic" => Source::Microphone,
                    _ => return Err(format!("`{what}` is neither camera nor mic")),
                };
                Ok(Self::Mute { source, muted: verb == "mute", who: number(who)? })
            }
            ["speak", "auto"] => Ok(Self::Speak(None)),
            ["speak", who] => Ok(Self::Speak(Some(number(who)?))),
            ["share", "on"] => Ok(Self::Share(true)),
            ["share", "off"] => Ok(Self::Share(false)),
            ["join", who] => Ok(Self::Join(number(who)?)),
            ["leave", who] => Ok(Self::Leave(number(who)?)),
            ["codec", who, codec] => Ok(Self::Codec(number(who)?, Codec::from_str(codec, true)?)),
            ["quit"] => Ok(Self::Quit),
            _ => Err("not a command (see --help)".to_owned()),
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
