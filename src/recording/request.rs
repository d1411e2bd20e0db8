//! What was asked; a request that exists is valid.

use crate::recording::{Limits, Output};

/// What was requested.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// The LiveKit room's name.
    pub room: String,
    /// What to make.
    pub output: Output,
    /// When it ends by itself.
    pub limits: Limits,
}
