//! The live line under `greffier record`: time, people, who speaks, frames, bytes.

use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::recorder::{Connection, Progress};
use crate::recording::Quality;

/// One line on standard error. Where that is no terminal, only what is said once is written.
pub(super) struct StatusLine {
    bar: ProgressBar,
    connection: Connection,
    quality: Quality,
}

impl StatusLine {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner:.red} {msg}") {
            bar.set_style(style);
        }
        bar.set_message("joining");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, connection: Connection::default(), quality: Quality::default() }
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        let text = &plain(text);
        if self.bar.is_hidden() {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// The figures of now. What changes for a while, the connection and the quality, is said.
    pub fn show(&mut self, progress: &Progress) {
        if self.connection != progress.connection {
            self.connection = progress.connection.clone();
            match &self.connection {
                Connection::Steady => {}
                Connection::Lost(why) => self.say(&format!("connection lost ({why}); trying to regain it")),
                Connection::Resumed => self.say("connection resumed"),
                Connection::Rejoined => self.say("joined anew; what was said meanwhile is missing"),
            }
        }
        if self.quality != progress.quality {
            let less = progress.quality > self.quality;
            self.quality = progress.quality;
            let why = if less { "this machine does not keep up" } else { "there is room again" };
            self.say(&format!("{why}: from now on {}", self.quality.words()));
        }
        self.bar.set_message(plain(&text(progress)));
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Without what a terminal would obey: guests choose their names. Control characters are left out, and what turns the
/// direction of writing (Unicode's explicit bidirectional formatting, UAX #9, 2), line and paragraph separators.
fn plain(text: &str) -> String {
    let obeyed = |c: &char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !obeyed(c)).collect()
}

fn text(progress: &Progress) -> String {
    let seconds = progress.duration_ns / 1_000_000_000;
    let mut parts = vec![
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        match progress.participants {
            1 => "1 participant".to_owned(),
            n => format!("{n} participants"),
        },
        format!("speaking: {}", progress.speaker.as_deref().unwrap_or("–")),
    ];
    if progress.frames > 0 {
        parts.push(format!("{} frames", progress.frames));
    }
    if progress.quality != Quality::Full {
        parts.push(format!("this machine is too slow: {}", progress.quality.words()));
    }
    if progress.dropped > 0 {
        parts.push(format!("{} dropped", progress.dropped));
    }
    parts.push(HumanBytes(progress.bytes).to_string());
    if let Connection::Lost(_) = progress.connection {
        parts.push("reconnecting".to_owned());
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_command_the_terminal() {
        let name = "A\u{1b}]0;title\u{7}d\u{9b}31m\u{202e}a\u{2066}\r\n\u{2028} Łódź 日本 👩‍🚀";
        assert_eq!(plain(name), "A]0;titled31ma Łódź 日本 👩‍🚀");
    }

    #[test]
    fn the_line_says_what_matters() {
        let progress = Progress {
            duration_ns: 3_723_000_000_000,
            participants: 3,
            speaker: Some("Ada".into()),
            frames: 111_690,
            bytes: 2048,
            ..Progress::default()
        };
        assert_eq!(text(&progress), "01:02:03  3 participants  speaking: Ada  111690 frames  2.00 KiB");
        let less = Progress { quality: Quality::HalfRate, dropped: 7, ..progress };
        assert!(
            text(&less).contains("  this machine is too slow: half the frame rate  7 dropped  "),
            "{}",
            text(&less)
        );
    }
}
