//! `greffier worker PID`: one recording, for the sidecar that started it. Nobody else says this, and no help shows it.

use std::process::ExitCode;

use super::{log, say};
use crate::config::Logging;
use crate::worker;

/// The process that wants a worker, and how it logs, if the command line says so.
pub(super) fn requested() -> Option<(i32, Logging)> {
    let mut arguments = std::env::args().skip(1);
    let (verb, parent) = (arguments.next()?, arguments.next()?);
    let parent = (verb == worker::VERB).then(|| parent.parse().ok())??;
    Some((parent, Logging::of_arguments(arguments)))
}

/// A worker's whole life.
pub(super) fn run(parent: i32, logging: Logging) -> ExitCode {
    log::start(logging);
    match worker::run(parent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("greffier: a recorder: {error}"));
            ExitCode::FAILURE
        }
    }
}
