//! Says early what keeps recordings from being made or stored: whoever presses Record should not be the first to find out.

use std::time::Duration;

use super::check::{self, Finding, Grade, Proof};
use crate::config::Config;

/// Before it is tried for the second time; each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tries the storage once, and LiveKit until it lets us in.
pub(super) async fn watch(config: Config) {
    tokio::join!(storage(&config), livekit(&config));
}

async fn storage(config: &Config) {
    for finding in check::storages(config, Proof::Writable).await {
        let text = &finding.text;
        match finding.verdict {
            Grade::Fail => tracing::warn!("recordings will wait on this disk: {text}"),
            Grade::Warn => tracing::warn!("{text}"),
            Grade::Ok | Grade::Skip => tracing::debug!("{text}"),
        }
    }
}

async fn livekit(config: &Config) {
    let mut reported = Vec::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let findings = check::livekit_server(&config.server).await;
        for text in changes(&findings, &mut reported) {
            tracing::warn!("{text}");
        }
        if findings.iter().all(|finding| finding.verdict != Grade::Fail) {
            return tracing::info!("{} lets us in: rooms can be recorded", config.server.url);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Which thing, and which of its fields.
type Fault = (&'static str, Option<String>);

/// What is wrong and has not been told yet. The same fault in other words, such as another number of seconds, is not reported again.
fn changes(findings: &[Finding], reported: &mut Vec<Fault>) -> Vec<String> {
    let (mut changes, mut now) = (Vec::new(), Vec::new());
    for finding in findings {
        let words = match finding.verdict {
            Grade::Fail => "no room can be recorded, it is tried again: ",
            Grade::Warn => "",
            Grade::Ok | Grade::Skip => continue,
        };
        let (text, field) = (&finding.text, finding.field.clone());
        let subject = if field.is_some() { String::new() } else { format!("{}: ", finding.what) };
        let fault = (finding.what, field);
        if !reported.contains(&fault) {
            changes.push(format!("{words}{subject}{text}"));
        }
        now.push(fault);
    }
    *reported = now;
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_told_once() {
        let mut reported = Vec::new();
        let livekit = |field, why| Finding::error("livekit", &crate::error::Error::invalid(field, why));
        let clock =
            |seconds| Finding::failure("clock", format!("{seconds} s ahead of the server's: tokens are refused"));
        let mut hear = |findings: &[Finding]| changes(findings, &mut reported).len();
        assert_eq!(hear(&[livekit("url", "cannot reach ws://x: refused")]), 1);
        assert_eq!(hear(&[livekit("url", "cannot reach ws://x: timeout")]), 0);
        assert_eq!(hear(&[livekit("api_key/api_secret", "refused"), clock(40)]), 2);
        assert_eq!(hear(&[livekit("api_key/api_secret", "refused"), clock(41)]), 0);
        assert_eq!(hear(&[Finding::ok("livekit", "answers"), Finding::ok("clock", "as the server's")]), 0);
        assert_eq!(hear(&[Finding::ok("livekit", "answers"), clock(50)]), 1);
    }
}
