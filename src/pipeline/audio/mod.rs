//! All voices into one.

pub mod attendance;
pub mod mixer;
pub mod thread;
