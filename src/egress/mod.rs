//! LiveKit's words for our things, both ways.

mod encoding;
mod filename;
mod health;
mod info;
mod manifest;
pub mod proto;
mod request;
pub mod rpc;
mod store;
mod targets;

pub use health::health;
pub use info::Status;
pub use manifest::{Manifest, manifest};
pub use request::{from_caller, from_server};
pub use targets::{Destination, Targets};
