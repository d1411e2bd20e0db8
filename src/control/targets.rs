//! Where callers over HTTP may send us: not to hosts within, and not with our own credentials. The LiveKit server may: it has
//! judged its clients itself.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use crate::egress::{Destination, Targets};
use crate::error::{Error, Result};
use crate::recording::Start;

/// How long a name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(3);

/// Refuses to be sent to hosts within, and to lend our own credentials.
pub(super) async fn check_targets(targets: &Targets, start: &Start) -> Result<()> {
    if let Some(url) = start.options.origin.webhook() {
        check_target(targets, "webhooks.url", url).await?;
    }
    let Some(store) = &start.store else { return Ok(()) };
    let text = |path: &str| store.pointer(path).and_then(Value::as_str).unwrap_or_default();
    for (section, field) in
        [("s3", "access_key"), ("s3", "secret"), ("gcp", "credentials_json"), ("azure", "account_key")]
    {
        if store.get(section).is_some() && text(&format!("/{section}/{field}")).is_empty() {
            let why = "missing; a request over HTTP brings the credentials of its storage";
            return Err(Error::invalid(field, why));
        }
    }
    match text("/s3/endpoint") {
        "" => Ok(()),
        endpoint => check_target(targets, "endpoint", endpoint).await,
    }
}

async fn check_target(targets: &Targets, field: &str, url: &str) -> Result<()> {
    let (name, port) = match targets.check(field, url)? {
        Destination::Allowed => return Ok(()),
        Destination::Resolve(name, port) => (name, port),
    };
    let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name, port))).await;
    let addresses: Vec<IpAddr> = match found {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => return Err(Error::invalid(field, "there is no such host")),
    };
    targets.check_addresses(field, &addresses)
}
