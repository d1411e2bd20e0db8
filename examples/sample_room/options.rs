//! The command line of the sample publisher.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use crate::payload::Codec;

/// The commands by which participants misbehave.
const HOSTILE: &str = "\
Hostile commands, for any participant N (who said how a track misbehaves may say so again; it lasts until then or until `calm N`):
  pause camera|mic N 700ms [TIMES]  nothing is sent, the RTP clock stands still and goes on by one packet; several
                                    times: between the beeps
  jump camera|mic N +5s|-5s         the RTP clock jumps
  drift camera|mic N PPM            the RTP clock is too fast, or too slow
  delay camera|mic N 1s             every packet takes so long
  hold camera|mic N 1500ms          packets are held so long, then sent 2 ms apart
  loss|duplicate|reorder camera|mic N PERCENT
  garbage camera|mic N KIND|any|each COUNT  so many malformed packets (audio) or frames; `each`: rounds of all
                                    kinds; the error for an unknown KIND lists those of the codec
  scramble camera|mic N on|off      encrypted, and nobody is told
  encrypt camera|mic N on|off       encrypted, published anew and declared as such
  size camera N 16383x16383|changing|true  what key frames declare; every picture of another size; their own again
  keys camera N rare|usual          key frames every 10 s only, whoever asks for one (VP8)
  switch N vp8|vp9|h264|av1         another codec without publishing anew (for participants of --hostile)
  second N on|off                   a second camera, in the colour of participant N+2
  unknown N on|off                  picture and audio of unknown source, those of participant N+1
  name N long|escapes|controls|joiners|plain  leaves, and comes back by such a name
  flood N COUNT                     so many silent microphones besides
  flap N COUNT                      mutes and unmutes so often, 50 ms apart
  churn N COUNT                     takes back the camera and publishes it anew so often
  calm N                            behaves again
Each prints a line of JSON: at (s since 1970), after (s since `ready`), who, track, order. With --content beep each
beep of a participant of --hostile does so too: beep (the second it belongs to), who, left (when it left for the server), and whole,
which is false if a part of it was lost, malformed or paused.";

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
///
/// Participants can misbehave, too (`--hostile`, `--minutes`); the commands for that are listed by `--help` below.
#[derive(Debug, Parser)]
#[command(name = "sample_room", after_long_help = HOSTILE)]
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
    /// Who misbehaves, separated by commas: their cameras have one layer of 640x360 (VP8, H.264), and their beeps are told.
    #[arg(long, value_delimiter = ',')]
    pub hostile: Vec<usize>,
    /// Those of --hostile misbehave at random for so long, then the program ends.
    #[arg(long)]
    pub minutes: Option<f64>,
    /// Everything random comes from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
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
