//! What was asked; a request that exists is valid.

use std::time::Duration;

use crate::recording::Output;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The LiveKit room's name.
    pub room: String,
    /// What to make.
    pub output: Output,
    /// Stop by itself after this long.
    pub max_duration: Option<Duration>,
}
