//! `greffier record`: one recording in the foreground.

use std::path::PathBuf;

use clap::Args;

use crate::cmd::LiveKitArgs;
use crate::error::{Error, ErrorKind, Result};

/// What to record, and how.
#[derive(Debug, Args)]
pub struct RecordArgs {
    #[command(flatten)]
    livekit: LiveKitArgs,
    /// The room's name
    #[arg(long)]
    room: String,
    /// The file to write, .mp4 or (with --audio-only) .ogg
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// speaker, grid or single-speaker; each also with -light or -dark
    #[arg(long, default_value = "speaker")]
    layout: String,
    /// Sound alone, without ever subscribing to video
    #[arg(long)]
    audio_only: bool,
    /// Stop by itself after this long, such as 30s or 1h30m
    #[arg(long)]
    duration: Option<String>,
    /// Pixels
    #[arg(long)]
    width: Option<u32>,
    /// Pixels
    #[arg(long)]
    height: Option<u32>,
    /// Frames per second
    #[arg(long)]
    framerate: Option<u32>,
    /// kbit/s
    #[arg(long)]
    video_bitrate: Option<u32>,
}

/// Records until Ctrl-C, the duration, or the end of the room.
pub fn run(args: RecordArgs) -> Result<()> {
    args.livekit.server()?;
    Err(Error::new(ErrorKind::Unimplemented, format!("cannot record {} yet", args.room)))
}
