//! What a recording is: what was asked, what it makes, and its life.

mod disk;
mod event;
mod health;
mod job;
mod lifecycle;
mod limits;
mod options;
mod origin;
mod outcome;
mod output;
mod policy;
mod preset;
mod quality;
mod record;
mod request;
mod start;
mod worker_class;
mod words;

pub use disk::DiskMarks;
pub use event::Event;
pub use health::{Health, Hole, HoleCause, Notable, TrackFlaw, some};
pub use job::{After, Checkpoint, Job, Part, QueueKey, Stored, Target, Task};
pub use lifecycle::{Command, Effect, Refused, Report, State, Step};
pub use limits::Limits;
pub use options::{Options, Owner, SealedStore};
pub use origin::{EgressRequest, Origin};
pub use outcome::{Failure, Limit, Media, Outcome, Reason};
pub use output::{
    AudioSettings, Container, KEY_FRAME_INTERVALS, Output, Profile, VideoSettings, even, key_frame_interval,
};
pub use policy::{LONGEST_WAIT, Policy};
pub use preset::Preset;
pub use quality::Quality;
pub use record::Recording;
pub use request::Request;
pub use start::Start;
pub use worker_class::{Class, Encoding, LAYOUT, WorkerClass, WorkerClasses, layout_named};
