//! `greffier list`: the recordings of the running sidecar.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::client::{RestClient, segment};
use super::words::{json_text, table};
use super::{SidecarArgs, say, show};
use crate::api::RestStatus;
use crate::error::Result;

/// The most that the API gives at once.
const PAGE: usize = 100;

/// Which ones.
#[derive(Args)]
pub struct ListArgs {
    /// Only this room's
    #[arg(long)]
    room: Option<String>,
    /// Only those of this status
    #[arg(long, value_parser = PossibleValuesParser::new(RestStatus::ALL.map(RestStatus::name)))]
    status: Option<String>,
    /// At most so many, the newest; 0 is all
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Print what the API says, as one list
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Prints them, newest first.
pub fn run(args: &ListArgs) -> Result<()> {
    let (found, more) = find(args, &args.sidecar.client()?)?;
    if args.json {
        return show(&json_text(&Value::Array(found)));
    }
    show(&table(&found))?;
    if more {
        say(&format!("these are the newest {}; --limit 0 shows all", found.len()));
    } else if found.is_empty() {
        say("there are none");
    }
    Ok(())
}

/// Those that are wanted, and whether there are more.
fn find(args: &ListArgs, client: &RestClient) -> Result<(Vec<Value>, bool)> {
    let most = if args.limit == 0 { usize::MAX } else { args.limit };
    let filter = args.room.as_ref().map(|room| format!("&room={}", segment(room))).unwrap_or_default();
    let mut found = Vec::new();
    for page in 1.. {
        let answer = client.get(&format!("recordings/?page={page}&page_size={PAGE}{filter}"))?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        let wanted =
            results.into_iter().filter(|one| args.status.as_ref().is_none_or(|status| one["status"] == **status));
        found.extend(wanted);
        if found.len() > most {
            found.truncate(most);
            return Ok((found, true));
        }
        if answer["next"].is_null() {
            break;
        }
    }
    Ok((found, false))
}
