//! `greffier stop`: asks the sidecar to end a recording.

use clap::Args;
use serde_json::json;

use super::client::segment;
use super::start::room;
use super::words::{json_text, plain, text_of};
use super::{SidecarArgs, say, show};
use crate::error::{Error, ErrorKind, Result};

/// Which one.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct StopArgs {
    /// The recording, such as EG_nPQZPwZEVdHN
    #[arg(group = "which")]
    id: Option<String>,
    /// The one that runs in this room
    #[arg(long, group = "which")]
    room: Option<String>,
    /// Print the API's answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Prints the recording's id; its file follows.
pub fn run(args: &StopArgs) -> Result<()> {
    let client = args.sidecar.client()?;
    // The API stops what runs in a room.
    let name = match (&args.id, &args.room) {
        (Some(id), _) => {
            let recording = client.get(&format!("recordings/{}/", segment(id)))?;
            let (status, room) = (text_of(&recording, "/status"), recording.pointer("/room/name"));
            if !matches!(status.as_str(), "initiated" | "active") {
                let why = format!("{} does not run any more: it is {status}", plain(id));
                return Err(Error::new(ErrorKind::FailedPrecondition, why));
            }
            room.and_then(|room| room.as_str()).unwrap_or_default().to_owned()
        }
        (None, name) => room(name.as_deref().unwrap_or_default())?.to_owned(),
    };
    let answer = client.post(&format!("rooms/{}/stop-recording/", segment(&name)), &json!({}))?;
    if args.json {
        return show(&json_text(&answer));
    }
    let id = text_of(&answer, "/id");
    show(&format!("{id}\n"))?;
    say(&format!("stopped; what becomes of it: greffier show {id}"));
    Ok(())
}
