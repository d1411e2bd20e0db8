//! The log: what is written to standard error, and how.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::say;
use crate::config::{Level, Logging, Overrides, Sources};

/// Writes what `logging` says, or what `GREFFIER_LOG` (else `RUST_LOG`) says more finely.
pub(super) fn start(logging: Logging) {
    let (colours, filter) = (std::io::stderr().is_terminal(), filter(logging.level));
    // A line that cannot be written (a full disk, a reader that is gone) would be reported on standard error too, and that panics in
    // whatever task had something to say.
    let lines =
        tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(std::io::stderr);
    if logging.json {
        lines.json().flatten_event(true).with_span_list(false).init();
    } else {
        lines.with_ansi(colours).init();
    }
}

/// For verbs that talk to people: warnings, unless the configuration of this environment says otherwise.
pub(super) fn start_for_people() {
    let said = Sources::of_process(None, None, Overrides::default()).read();
    // One that cannot be read is told by whoever needs it.
    start(said.map_or(Logging { level: Level::Warn, json: false }, |effective| Logging::of(&effective, Level::Warn)));
}

fn filter(level: Level) -> EnvFilter {
    for name in ["GREFFIER_LOG", "RUST_LOG"] {
        match std::env::var(name).ok().filter(|text| !text.is_empty()).map(EnvFilter::try_new) {
            Some(Ok(filter)) => return filter,
            Some(Err(e)) => say(&format!("{name}: {e}; use for example debug or greffier=debug,str0m=info")),
            None => {}
        }
    }
    EnvFilter::new(level.filter())
}
