//! The command line of the sample publisher.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use crate::payload::Codec;

/// What the tracks show and say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Content {
    /// Moving heads, and speech that takes turns.
    Speech,
    /// A colour that flashes and a tone that beeps at each full second of the wall clock: for tests.
    Beep,
}

/// Fills a LiveKit room with participants who publish pre-encoded sample tracks, for next to no CPU.
///
/// Participants are numbered from 0; number N has the identity `sample-N` and the tracks `camera`, `microphone` and,
/// the sharer, `share`. Commands are read from standard input, one a line:
/// `mute camera|mic N`, `unmute camera|mic N`, `speak N`, `speak auto`, `share on|off`, `join N`, `leave N`,
/// `codec N vp8|vp9|h264|av1`, `quit`. Each is answered by `ok <command>` or `error <command>: why`.
/// `ready` is printed once everybody is connected and media flows.
#[derive(Debug, Parser)]
#[command(name = "sample_room")]
pub struct Options {
    /// The server.
    #[arg(long, env = "LIVEKIT_URL", default_value = "ws://127.0.0.1:7880")]
    pub url: String,
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "devkey")]
    pub api_key: String,
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "secret", hide_env_values = true)]
    pub api_secret: String,
    #[arg(long, default_value = "sample")]
    pub room: String,
    /// How many people.
    #[arg(long, default_value_t = 3)]
    pub participants: usize,
    /// Their names, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub names: Vec<String>,
    /// Publish the screen share from the start (the default).
    #[arg(long, overrides_with = "no_share")]
    pub share: bool,
    /// No screen share at the start.
    #[arg(long, action = ArgAction::SetTrue)]
    pub no_share: bool,
    /// Who shares.
    #[arg(long, default_value_t = 0)]
    pub sharer: usize,
    #[arg(long, value_enum, default_value_t = Codec::Vp8)]
    pub codec: Codec,
    #[arg(long, value_enum, default_value_t = Content::Speech)]
    pub content: Content,
    /// Publish no cameras.
    #[arg(long)]
    pub no_video: bool,
    /// Publish no microphones.
    #[arg(long)]
    pub no_audio: bool,
    /// Cameras stand upright: 720x1280 (VP8 only).
    #[arg(long)]
    pub portrait: bool,
    /// How long one person speaks before the next does.
    #[arg(long, default_value = "4s", value_parser = duration)]
    pub turn: Duration,
    /// The last participant mutes their camera after this time.
    #[arg(long, value_parser = duration)]
    pub mute_after: Option<Duration>,
    /// The last participant leaves after this time.
    #[arg(long, value_parser = duration)]
    pub leave_after: Option<Duration>,
    /// Everybody leaves and the program ends after this time, counted from `ready`.
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Commands with the time after `ready` before each, one a line: `5s mute camera 1`.
    #[arg(long)]
    pub script: Option<PathBuf>,
    /// Do not read commands; without this the program ends when its standard input does.
    #[arg(long)]
    pub no_stdin: bool,
    /// Folder of the sample tracks.
    #[arg(long, default_value = "testdata/media")]
    pub media: PathBuf,
}

/// `4`, `4s`, `1.5s`, `300ms` or `2m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => match text.strip_suffix('m') {
            Some(number) => (number, 60.0),
            None => (text.strip_suffix('s').unwrap_or(text), 1.0),
        },
    };
    let value: f64 = number.trim().parse().map_err(|_| format!("`{text}` is not a time such as 4s, 300ms or 2m"))?;
    Duration::try_from_secs_f64(value * unit).map_err(|e| format!("`{text}`: {e}"))
}
