//! The light sample publisher: participants who play pre-encoded tracks from `testdata/media` into a LiveKit room.
//!
//! It is built on webrtc-rs, not on the stack of the recorder, so that two independent ones meet in the tests.

mod cast;
mod clip;
mod clock;
mod command;
mod engine;
mod floor;
mod hostile;
mod library;
mod options;
mod participant;
mod payload;
mod peer;
mod stage;
mod track;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::command::Command;
use crate::options::Options;
use crate::participant::Setting;
use crate::stage::Stage;

/// Any error; it is only ever shown.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An error that says `message`.
pub fn fail(message: impl Into<String>) -> Failure {
    Failure::from(message.into())
}

/// Two threads do, also for many participants: the work is copying and encrypting.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    // Two providers are linked in, so rustls would not choose one itself.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "sample_room: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Failure> {
    let mut orders = timed_orders(&options)?;
    let read_stdin = !options.no_stdin;
    let clock = clock::Clock::start();
    let setting = Arc::new(Setting {
        clock,
        floor: Arc::new(floor::Floor::new(options.participants, options.turn)),
        library: library::Library::new(&options),
        options,
    });
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stage = tokio::select! {
        stage = Stage::fill(setting) => stage?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    say("ready")?;
    let ready_at = clock.running();
    let (lines_tx, mut lines) = mpsc::unbounded_channel();
    if read_stdin {
        let lines_tx = lines_tx.clone();
        std::thread::spawn(move || read_lines(&lines_tx));
    }
    orders.reverse();
    let mut check = tokio::time::interval(Duration::from_millis(500));
    loop {
        let next_at = orders.last().map_or(Duration::MAX, |(at, _)| *at);
        let wait = next_at.saturating_sub(clock.running().saturating_sub(ready_at));
        let line = tokio::select! {
            line = lines.recv() => line.flatten().unwrap_or_else(|| "quit".to_owned()),
            () = tokio::time::sleep(wait.min(Duration::from_secs(86_400))) => match orders.pop() {
                Some((_, order)) => order,
                None => continue,
            },
            _ = interrupt.recv() => "quit".to_owned(),
            _ = terminate.recv() => "quit".to_owned(),
            _ = check.tick() => {
                if stage.deserted() {
                    stage.clear().await;
                    return Err(fail("the server has closed the room or is gone"));
                }
                continue;
            }
        };
        let parsed = Command::parse(&line);
        let hostile = parsed.as_ref().ok().and_then(Command::hostile);
        let began = clock.now();
        let outcome = match parsed {
            Ok(command) => stage.carry_out(command).await,
            Err(message) => Err(fail(message)),
        };
        if let (Some((who, track)), Ok(_)) = (hostile, &outcome) {
            let after = clock.running().saturating_sub(ready_at);
            tell(&serde_json::json!({
                "at": began.as_secs_f64(), "done": clock.now().as_secs_f64(), "after": after.as_secs_f64(),
                "who": who, "track": track.map(participant::Source::name), "order": line,
            }));
        }
        match outcome {
            Ok(true) => say(&format!("ok {line}"))?,
            Ok(false) => {
                stage.clear().await;
                // Whoever drove us may have closed our output already.
                let _ = say("ok quit");
                return Ok(());
            }
            Err(failure) => say(&format!("error {line}: {failure}"))?,
        }
    }
}

/// Commands that the options and the script set a time for, counted from `ready`, soonest first.
fn timed_orders(options: &Options) -> Result<Vec<(Duration, String)>, Failure> {
    let mut orders = match &options.script {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| fail(format!("{}: {e}", path.display())))?;
            command::script(&text).map_err(|e| fail(format!("{}: {e}", path.display())))?
        }
        None => Vec::new(),
    };
    let last = options.participants.saturating_sub(1);
    orders.extend(options.mute_after.map(|at| (at, format!("mute camera {last}"))));
    orders.extend(options.leave_after.map(|at| (at, format!("leave {last}"))));
    orders.extend(options.duration.map(|at| (at, "quit".to_owned())));
    if let Some(minutes) = options.minutes {
        let length = Duration::try_from_secs_f64(minutes * 60.0).map_err(|e| fail(format!("--minutes: {e}")))?;
        if options.hostile.is_empty() {
            return Err(fail("--minutes: say who misbehaves, for example --hostile 1"));
        }
        orders.extend(hostile::schedule(options.seed, length, &options.hostile));
        orders.push((length, "quit".to_owned()));
    }
    orders.sort_by_key(|(at, _)| *at);
    Ok(orders)
}

/// Sends each line of standard input, and `None` at its end. A thread of its own, for tokio's would hold up the exit.
fn read_lines(lines: &mpsc::UnboundedSender<Option<String>>) {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let line = line.trim();
        if !line.is_empty() && lines.send(Some(line.to_owned())).is_err() {
            return;
        }
    }
    let _ = lines.send(None);
}

/// Tells what a checker must know.
pub fn tell(event: &serde_json::Value) {
    // Whoever drove us may have closed our output already.
    let _ = say(&event.to_string());
}

/// Prints one line at once, also into a pipe.
fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
