//! What a recording is: what was asked, what it makes, and its life.

mod lifecycle;
mod output;
mod request;

pub use lifecycle::{Failure, Limit, Report};
pub use output::{AudioSettings, Container, Output, VideoSettings};
pub use request::Request;
