//! What a recording is: what was asked, what it makes, and its life.

mod lifecycle;
mod options;
mod output;
mod record;
mod request;
mod worker_class;

pub use lifecycle::{Command, Effect, Failure, Limit, Media, Outcome, Reason, Refused, Report, State, Step};
pub use options::Options;
pub use output::{AudioSettings, Container, Output, VideoSettings, even};
pub use record::Recording;
pub use request::Request;
pub use worker_class::{Class, Encoding, WorkerClass, WorkerClasses, layout_named};
