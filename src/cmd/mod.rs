//! The command line: one file per verb. Exit codes: 0 done, 1 failed, 3 cut short, 64 a flag or the configuration is wrong.

mod check;
mod config;
mod config_args;
mod list;
mod livekit;
mod record;
mod serve;
mod status_line;

pub use config_args::ConfigArgs;
pub use livekit::LiveKitArgs;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::error::{Error, ErrorKind, Result};

/// `EX_USAGE` of BSD's sysexits.
const USAGE: u8 = 64;
/// Something broke, and what was recorded is kept.
const CUT_SHORT: u8 = 3;

/// Records LiveKit rooms into files, without a browser.
#[derive(Parser)]
#[command(name = "greffier", version, about, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the sidecar: an HTTP door that starts and stops recordings.
    Serve(serve::ServeArgs),
    /// Records one room in the foreground; Ctrl-C finishes the file.
    Record(record::RecordArgs),
    /// Shows the recordings of the running sidecar as `livekit-cli list-egress` does.
    List(list::ListArgs),
    /// Shows what the configuration comes to, and where each value is from.
    Config(config::ConfigVerb),
    /// Tries everything a recording needs, within 10 s: one line each, with the fix.
    Check(check::CheckArgs),
}

/// The program.
pub fn main() -> ExitCode {
    // Fails only when somebody installed one before; then that one is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let verb = match Cli::try_parse() {
        Ok(cli) => cli.verb,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    // The sidecar's configuration says how much it logs.
    if !matches!(verb, Verb::Serve(_)) {
        log_to_stderr("warn");
    }
    let done = match verb {
        Verb::Serve(args) => serve::run(args),
        Verb::Record(args) => record::run(args),
        Verb::List(args) => list::run(&args),
        Verb::Config(args) => config::run(args),
        Verb::Check(args) => check::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "greffier: {error}");
            ExitCode::from(code(&error))
        }
    }
}

/// What this error leaves behind for the shell.
fn code(error: &Error) -> u8 {
    match error.kind {
        ErrorKind::InvalidArgument => USAGE,
        ErrorKind::DataLoss => CUT_SHORT,
        ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Unauthenticated
        | ErrorKind::PermissionDenied
        | ErrorKind::FailedPrecondition
        | ErrorKind::ResourceExhausted
        | ErrorKind::Unavailable
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Unimplemented
        | ErrorKind::Internal => 1,
    }
}

/// Writes `text` to standard output; a reader that has left early is no failure.
fn show(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Internal, format!("cannot write to standard output: {e}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Logs `level` and above, or what `GREFFIER_LOG` (else `RUST_LOG`) says.
fn log_to_stderr(level: &str) {
    let filter =
        std::env::var("GREFFIER_LOG").or_else(|_| std::env::var("RUST_LOG")).unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new(level));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
