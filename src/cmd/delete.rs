//! `greffier delete`: asks the sidecar to forget a recording.

use clap::Args;

use super::client::segment;
use super::words::plain;
use super::{SidecarArgs, say};
use crate::error::Result;

/// Which one.
#[derive(Args)]
pub struct DeleteArgs {
    /// The recording, such as EG_nPQZPwZEVdHN; it must have ended
    id: String,
    /// Leave the file where it is
    #[arg(long)]
    keep_file: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Removes it with its file.
pub fn run(args: &DeleteArgs) -> Result<()> {
    let object = if args.keep_file { "?object=keep" } else { "" };
    args.sidecar.client()?.delete(&format!("recordings/{}/{object}", segment(&args.id)))?;
    let rest = if args.keep_file { "; its file stays" } else { " with its file" };
    say(&format!("{} is deleted{rest}", plain(&args.id)));
    Ok(())
}
