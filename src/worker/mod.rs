//! Recorders as processes of their own: the program itself, started with one job on a pipe.
//!
//! What strangers send (packets, frames, names) is handled in a **worker** only. It knows one room and one file: no key, no storage, no
//! other recording; it gets a token whenever it joins. The sidecar **supervises** it: a worker that dies, hangs or grows beyond bounds
//! is replaced, and the next one goes on in the same file, as a further take.

mod child;
mod deaths;
mod message;
mod process;
mod sandbox;
mod supervisor;
mod vitals;

pub use child::run;
pub use process::Workers;

/// How the program is told to be a worker: its only argument.
pub const VERB: &str = "worker";
