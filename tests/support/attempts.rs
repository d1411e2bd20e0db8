//! Scenarios of real-time media may be played again, and each repetition is written down.
//!
//! A machine that stalls for a moment spoils a scenario; a defect shows every time, or more often than one time in twenty,
//! which is what `make test` allows when it counts the lines of this file's log at the end (`tests/attempts.awk`).

use std::any::Any;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Plays the scenario, again when it failed, until it passes or the last of `tries` fails.
pub fn play(tries: usize, scenario: impl Fn()) {
    for nth in 1..=tries {
        match catch_unwind(AssertUnwindSafe(&scenario)) {
            Ok(()) => return,
            Err(why) if nth == tries => resume_unwind(why),
            Err(why) => note("repeated", &message(&*why)),
        }
    }
}

/// Appends a line to the log that `make test` counts: what, which test, why. Every test that starts a recorder has `played`.
pub fn note(what: &str, why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let test_file = env!("CARGO_CRATE_NAME");
    let why: String = why.lines().next().unwrap_or_default().chars().take(300).collect();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attempts.log");
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let line = format!("{what}\t{test_file}::{test}\t{why}\n");
    log.and_then(|mut log| log.write_all(line.as_bytes())).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// What a panic said.
pub fn message(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
}
