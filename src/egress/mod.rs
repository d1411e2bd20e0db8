//! LiveKit's words for our things, both ways.

mod encoding;
mod filename;
mod info;
mod manifest;
pub mod proto;
mod request;
pub mod rpc;
mod store;
mod table;
mod targets;

pub use info::Status;
pub use manifest::{Manifest, manifest};
pub use request::{Start, read};
pub use table::{Row, table};
pub use targets::{Targets, Verdict};
