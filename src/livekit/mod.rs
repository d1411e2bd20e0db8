//! The LiveKit server as its clients need it: where it is, which key opens it and whose certificates are trusted; the tokens that
//! the key signs; its room service; the webhooks it sends.

mod access;
mod rooms;
mod server;
pub mod token;
mod trust;
pub mod webhook;

pub use access::{Access, Greeting, TokenSource, Tokens};
pub use rooms::RoomService;
pub use server::{Server, ServerAddress, Site};
pub use trust::client_config;
