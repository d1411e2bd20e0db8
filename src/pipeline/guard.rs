//! The threads of a pipeline, under a guard: a recording does not go on for ever without one that panicked.

use std::sync::mpsc::Sender;
use std::thread;

use super::command::EngineCommand;
use crate::error::{Error, ErrorKind, Result};

/// Ends the recording, with this reason.
pub fn ends(commands: &Sender<EngineCommand>) -> impl Fn(String) + Send + 'static {
    let commands = commands.clone();
    move |why| drop(commands.send(EngineCommand::OutputBroke(why)))
}

/// A thread of the pipeline. When it stops by a panic, `report` is told: else a recording would go on for ever without it.
pub fn spawn(
    name: &'static str,
    report: impl Fn(String) + Send + 'static,
    run: impl FnOnce() + Send + 'static,
) -> Result<()> {
    let spawned = thread::Builder::new().name(name.into()).spawn(move || {
        let _guard = Guard { name, report };
        run();
    });
    spawned.map(drop).map_err(|e| Error::new(ErrorKind::ResourceExhausted, format!("no thread for the {name}: {e}")))
}

struct Guard<F: Fn(String)> {
    name: &'static str,
    report: F,
}

impl<F: Fn(String)> Drop for Guard<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            let why = format!("the {} stopped: a fault of this program", self.name);
            tracing::error!(why, "a thread panicked");
            (self.report)(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_thread_that_panics_is_told_and_one_that_ends_is_not() {
        let (commands, received) = channel();
        spawn("painter", ends(&commands), || {}).unwrap();
        spawn("mixer", ends(&commands), || panic!("on purpose")).unwrap();
        drop(commands);
        let reported: Vec<_> = received.iter().collect();
        assert_eq!(reported.len(), 1, "{reported:?}");
        assert!(
            matches!(&reported[0], EngineCommand::OutputBroke(why) if why.starts_with("the mixer stopped")),
            "{reported:?}"
        );
    }
}
