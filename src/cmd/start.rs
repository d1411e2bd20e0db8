//! `greffier start`: asks the sidecar for a recording.

use clap::Args;
use serde_json::{Value, json};

use super::client::segment;
use super::words::{json_text, plain, text_of};
use super::{SidecarArgs, say, show};
use crate::config::length;
use crate::error::{Error, Result};

/// What to start.
#[derive(Args)]
pub struct StartArgs {
    /// The room's name; somebody must be in it
    #[arg(long)]
    room: String,
    /// What to make: screen_recording (MP4), transcript (OGG), or a mode of the configuration
    #[arg(long, default_value = "screen_recording")]
    mode: String,
    /// speaker, grid or single-speaker; each also with -light or -dark [default: the mode's]
    #[arg(long)]
    layout: Option<String>,
    /// Stop by itself after this long, such as 90s, 30m or 1h30m; a plain number counts seconds
    #[arg(long)]
    duration: Option<String>,
    /// Print the API's answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Prints the recording's id once media flows.
pub fn run(args: &StartArgs) -> Result<()> {
    let client = args.sidecar.client()?;
    let path = format!("rooms/{}/start-recording/", segment(room(&args.room)?));
    let answer = client.post(&path, &args.body()?)?;
    if args.json {
        return show(&json_text(&answer));
    }
    let id = text_of(&answer, "/id");
    show(&format!("{id}\n"))?;
    say(&format!("recording room {:?}; end it with: greffier stop {id}", plain(&args.room)));
    Ok(())
}

impl StartArgs {
    fn body(&self) -> Result<Value> {
        let mut body = json!({ "mode": self.mode, "options": {} });
        if let Some(layout) = &self.layout {
            body["options"]["layout"] = layout.as_str().into();
        }
        if let Some(text) = &self.duration {
            let seconds = length("duration", text)?.as_secs();
            if seconds == 0 {
                return Err(Error::invalid("duration", "less than a second; use for example 90s, 30m or 1h30m"));
            }
            body["options"]["max_duration"] = seconds.into();
        }
        Ok(body)
    }
}

/// A room has a name.
pub(super) fn room(name: &str) -> Result<&str> {
    if name.trim().is_empty() {
        return Err(Error::invalid("room", "is empty; give the room's name"));
    }
    Ok(name)
}
