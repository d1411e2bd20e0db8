//! `greffier token`: a LiveKit access token for trying the API.

use std::time::Duration;

use clap::Args;

use super::start::room;
use super::{ConfigArgs, show};
use crate::config::length;
use crate::error::{Error, Result};
use crate::livekit::token::room_record;
use crate::secret::Secret;

/// For whom.
#[derive(Args)]
pub struct TokenArgs {
    /// The room that may be recorded with it
    #[arg(long)]
    room: String,
    /// How long it is good, such as 90s, 30m or 1h30m; a plain number counts seconds
    #[arg(long, default_value = "1h")]
    ttl: String,
    /// Who shows it
    #[arg(long, default_value = "greffier-cli")]
    identity: String,
    #[command(flatten)]
    sources: ConfigArgs,
}

/// Prints it. Nobody is asked: it is signed with LiveKit's key.
pub fn run(args: TokenArgs) -> Result<()> {
    let ttl = length("ttl", &args.ttl)?;
    if ttl < Duration::from_secs(1) {
        return Err(Error::invalid("ttl", "less than a second; use for example 90s, 30m or 1h30m"));
    }
    let tree = args.sources.sources().read()?.tree;
    let text =
        |path: &str| tree.get(path).and_then(|value| value.as_str()).map(str::trim).filter(|text| !text.is_empty());
    let (Some(key), Some(secret)) = (text("livekit.api_key"), text("livekit.api_secret")) else {
        let why =
            "missing; give --api-key and --api-secret, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or the configuration";
        return Err(Error::invalid("api_key/api_secret", why));
    };
    let token = room_record(key, &Secret::new(secret), room(&args.room)?, &args.identity, ttl)?;
    show(&format!("{token}\n"))
}
