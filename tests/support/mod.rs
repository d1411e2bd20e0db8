//! What the live tests stand on: a real server, independent publishers, the recorder's binary, and a judge of files.
#![allow(dead_code, unused_imports, reason = "every test file includes this module and uses its own part of it")]

pub mod attempts;
pub mod backend;
pub mod content;
pub mod growing;
pub mod load;
pub mod minio;
pub mod network;
pub mod players;
pub mod proxy;
pub mod publisher;
pub mod receiver;
pub mod recorder;
pub mod scripted_mail;
pub mod scripted_store;
pub mod redis;
pub mod server;
pub mod sidecar;
pub mod smtp;
pub mod stage;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 on the wall clock, the one the publishers flash and beep by.
pub fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// A tool that `make tools` installs, below `GREFFIER_TOOLS` or the package's `target/tools`.
pub fn tool(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GREFFIER_TOOLS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools"), PathBuf::from);
    Some(folder.join(name)).filter(|path| path.exists())
}
