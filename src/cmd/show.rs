//! `greffier show`: everything that the sidecar says of one recording.

use clap::Args;

use super::client::segment;
use super::words::{facts, json_text};
use super::{SidecarArgs, show};
use crate::error::Result;

/// Which one.
#[derive(Args)]
pub struct ShowArgs {
    /// The recording, such as EG_nPQZPwZEVdHN
    id: String,
    /// Print the API's answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Prints a line for each thing that is known.
pub fn run(args: &ShowArgs) -> Result<()> {
    let recording = args.sidecar.client()?.get(&format!("recordings/{}/", segment(&args.id)))?;
    show(&if args.json { json_text(&recording) } else { facts(&recording) })
}
