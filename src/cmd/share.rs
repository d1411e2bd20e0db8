//! `greffier share`: makes a link for people without a token, or takes those given so far back.

use clap::Args;
use serde_json::json;

use super::client::{about, segment};
use super::words::{json_text, moment, plain, text_of};
use super::{SidecarArgs, say, show};
use crate::api::SHARE_DAYS;
use crate::error::Result;

/// What to share.
#[derive(Args)]
pub struct ShareArgs {
    /// The recording, such as EG_nPQZPwZEVdHN
    id: String,
    #[arg(long, help = format!("How long the link is good; never longer than the recording is kept [default: {SHARE_DAYS}]"))]
    days: Option<u32>,
    /// Take back every link given so far instead
    #[arg(long, conflicts_with_all = ["days", "json"])]
    revoke: bool,
    /// Print the API's answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Prints the link.
pub fn run(args: &ShareArgs) -> Result<()> {
    let client = args.sidecar.client()?;
    let path = format!("recordings/{}/share/", segment(&args.id));
    if args.revoke {
        about(&args.id, client.delete(&path))?;
        say(&format!("no link to {} given so far opens anything any more", plain(&args.id)));
        return Ok(());
    }
    let body = args.days.map_or_else(|| json!({}), |days| json!({ "expires_in_days": days }));
    let answer = about(&args.id, client.post(&path, &body))?;
    if args.json {
        return show(&json_text(&answer));
    }
    show(&format!("{}\n", text_of(&answer, "/url")))?;
    say(&format!("anyone with this link may watch until {}", moment(&text_of(&answer, "/expires_at"))));
    Ok(())
}
