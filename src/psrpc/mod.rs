//! LiveKit's RPC over Redis (psrpc 0.7 and 0.8), both sides: a library in waiting, which knows nothing of recordings.
//!
//! A call is a message on `Service|Method|topic|REQ`. Servers that are willing bid on the caller's `CLAIM` channel, the
//! caller grants one of them the work on `RCLAIM`, and that one answers on the caller's `RES` channel. [`PsrpcServer`] and
//! [`PsrpcClient`] are the two sides, [`Bus`] is the connection to Redis that they share.

pub mod channel;
pub mod code;
pub mod frame;
mod gzip;
pub mod claim;
pub mod choice;
mod settings;
mod link;
mod publisher;
mod subscriber;
mod bus;
mod documents;
mod server;
mod client;

pub use bus::{Bus, Subscription};
pub use choice::Selection;
pub use client::{CallOptions, PsrpcClient};
pub use documents::Documents;
pub use server::{Method, PsrpcServer, ServiceKind, Serving};
pub use settings::{Section, Sentinel, Settings, Tls};

#[cfg(test)]
mod tests;
