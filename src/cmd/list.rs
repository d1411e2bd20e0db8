//! `greffier list`: asks the running sidecar and prints LiveKit's table.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::cmd::show;
use crate::egress::{Row, table};
use crate::error::{Error, ErrorKind, Result};

/// Whom to ask.
#[derive(Args)]
pub struct ListArgs {
    /// The sidecar's address
    #[arg(long, env = "GREFFIER_URL", default_value = "http://127.0.0.1:7990")]
    url: String,
    /// Its api_token, when it has one
    #[arg(long, env = "GREFFIER_API_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    api_token: Option<String>,
    /// Only this room
    #[arg(long)]
    room: Option<String>,
}

/// As much of the answer as the table shows.
#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    results: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    room: Room,
    egress_status: String,
    started_at: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Room {
    name: String,
}

/// What the sidecar says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Prints the table, newest first.
pub fn run(args: &ListArgs) -> Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .http_status_as_error(false)
        .build()
        .into();
    let mut rows = Vec::new();
    for page in 1.. {
        let Page { next, results } = ask(&agent, args, page)?;
        rows.extend(results.into_iter().filter(|item| args.room.as_ref().is_none_or(|room| *room == item.room.name)));
        if next.is_none() {
            break;
        }
    }
    show(&table(&rows.into_iter().map(Item::row).collect::<Vec<_>>()))
}

fn ask(agent: &ureq::Agent, args: &ListArgs, page: usize) -> Result<Page> {
    let url = format!("{}/api/v1.0/recordings/?page={page}&page_size=100", args.url.trim_end_matches('/'));
    let mut request = agent.get(&url);
    if let Some(token) = args.api_token.as_ref().filter(|token| !token.is_empty()) {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut answer = request.call().map_err(|e| {
        if matches!(e, ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::TlsRequired) {
            let fix = "use one such as http://127.0.0.1:7990";
            return Error::invalid("--url", format!("{:?} cannot be asked ({e}); {fix}", args.url));
        }
        let hint = "is `greffier serve` running there?";
        Error::new(ErrorKind::Unavailable, format!("--url: {} does not answer ({e}); {hint}", args.url))
    })?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    if !status.is_success() {
        let words = serde_json::from_str::<Refusal>(&text).map_or_else(|_| status.to_string(), |refusal| refusal.error);
        return Err(Error::new(ErrorKind::Unavailable, format!("{} refused: {words}", args.url)));
    }
    serde_json::from_str(&text).map_err(|e| {
        Error::new(
            ErrorKind::Unavailable,
            format!("--url: {} is no greffier: its answer is something else ({e})", args.url),
        )
    })
}

impl Item {
    fn row(self) -> Row {
        Row {
            egress_id: self.id,
            status: self.egress_status,
            kind: "room_composite".to_owned(),
            source: self.room.name,
            started_at: self.started_at.and_then(|at| at.parse().ok()),
            error: self.error.unwrap_or_default(),
        }
    }
}
