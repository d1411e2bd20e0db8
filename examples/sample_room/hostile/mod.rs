//! A publisher that misbehaves: what can be ordered of it, and how each thing is done. Everything random comes from one seed.

mod act;
mod bits;
mod line;
mod lie;
mod malformed;
mod mischief;
mod schedule;

pub use act::{Act, Feat, Guise};
pub use line::{Level, Line, Parcel, deliver, send};
pub use malformed::Medium;
pub use mischief::{Fate, Mischief, Picture};
pub use schedule::schedule;
