//! The command line: one file per verb. Exit codes: 0 done, 1 failed, 3 cut short, 64 a flag or the configuration is wrong.

mod check;
mod client;
mod config;
mod config_args;
mod delete;
mod help;
mod list;
mod livekit;
mod log;
mod reach;
mod record;
mod recover;
mod serve;
mod share;
mod shell;
mod show;
mod sidecar_args;
mod start;
mod status_line;
mod stop;
mod token;
mod words;
mod worker;

pub use config_args::ConfigArgs;
pub use livekit::LiveKitArgs;
pub use sidecar_args::SidecarArgs;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{Error, ErrorKind, Result};

/// `EX_USAGE` of BSD's sysexits.
const USAGE: u8 = 64;
/// Something broke, and what was recorded is kept.
const CUT_SHORT: u8 = 3;

/// Records LiveKit rooms into files, without a browser.
#[derive(Parser)]
#[command(name = "greffier", version, about, max_term_width = 120, after_help = help::PROGRAM)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Records one room in the foreground; Ctrl-C finishes the file
    #[command(after_help = help::RECORD)]
    Record(record::RecordArgs),
    /// Runs the sidecar: an HTTP API that starts and stops recordings
    #[command(after_help = help::SERVE)]
    Serve(serve::ServeArgs),
    /// Tries everything a recording needs, within 10 s: one line each, with the fix
    #[command(after_help = help::CHECK)]
    Check(check::CheckArgs),
    /// Shows what the configuration comes to, and where each value is from
    #[command(after_help = help::CONFIG)]
    Config(config::ConfigVerb),
    /// Starts a recording in the running sidecar
    #[command(after_help = help::START)]
    Start(start::StartArgs),
    /// Ends a recording of the running sidecar; its file follows
    #[command(after_help = help::STOP)]
    Stop(stop::StopArgs),
    /// Lists the recordings of the running sidecar, newest first
    #[command(after_help = help::LIST)]
    List(list::ListArgs),
    /// Shows everything about one recording
    #[command(after_help = help::SHOW)]
    Show(show::ShowArgs),
    /// Makes a link to a recording for people without a token
    #[command(after_help = help::SHARE)]
    Share(share::ShareArgs),
    /// Deletes a recording that has ended, with its file
    #[command(after_help = help::DELETE)]
    Delete(delete::DeleteArgs),
    /// Finishes recordings of a sidecar that was lost with its disk, from what is in the bucket
    #[command(after_help = help::RECOVER)]
    Recover(recover::RecoverArgs),
    /// Makes a LiveKit access token that may record one room, to try the API with
    #[command(after_help = help::TOKEN)]
    Token(token::TokenArgs),
    /// Prints a script by which a shell completes verbs and flags
    #[command(after_help = help::COMPLETIONS)]
    Completions(shell::CompletionsArgs),
    /// Writes manual pages into a folder
    #[command(after_help = help::MAN)]
    Man(shell::ManArgs),
}

/// The program.
pub fn main() -> ExitCode {
    // Fails only when somebody installed one before; then that one is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Some((parent, logging)) = worker::requested() {
        return worker::run(parent, logging);
    }
    let verb = match Cli::try_parse() {
        Ok(cli) => cli.verb,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    // The sidecar's configuration says how much it logs.
    if !matches!(verb, Verb::Serve(_)) {
        log::start_for_people();
    }
    let done = match verb {
        Verb::Serve(args) => serve::run(args),
        Verb::Record(args) => record::run(args),
        Verb::Start(args) => start::run(&args),
        Verb::Stop(args) => stop::run(&args),
        Verb::List(args) => list::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Share(args) => share::run(&args),
        Verb::Delete(args) => delete::run(&args),
        Verb::Recover(args) => recover::run(args),
        Verb::Token(args) => token::run(args),
        Verb::Config(args) => config::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Completions(args) => shell::completions(&args, Cli::command()),
        Verb::Man(args) => shell::man(&args, Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("greffier: {error}"));
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

/// Writes a line to standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;
    use crate::config::{TABLE, ValueKind};

    /// What the help of this verb's flag says, with what clap adds to it.
    fn help(verb: &str, flag: &str) -> String {
        let command = Cli::command();
        let verb = command.find_subcommand(verb).expect("a verb");
        let argument = verb.get_arguments().find(|argument| argument.get_long() == Some(flag)).expect("a flag");
        let usual: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        format!("{} [default: {}]", argument.get_help().map(ToString::to_string).unwrap_or_default(), usual.join(" "))
    }

    /// A default is the option's, wherever it is told.
    #[test]
    fn help_and_the_manual_tell_the_defaults_that_apply() {
        let default = |entry: &crate::config::Entry| format!("[default: {}]", entry.default);
        let reported = TABLE.iter().filter(|entry| entry.kind == ValueKind::Text && !entry.default.is_empty());
        let reported: Vec<_> =
            reported.filter_map(|entry| Some((entry, entry.flag?.trim_start_matches('-')))).collect();
        assert!(reported.len() >= 2, "listen and data_dir");
        for (entry, flag) in reported {
            assert!(help("serve", flag).contains(&default(entry)), "--{flag}: {}", help("serve", flag));
        }
        let listen = TABLE.iter().find(|entry| entry.path == "listen").expect("an option").default;
        assert!(help("show", "server").contains(&format!("http://{listen}]")), "{}", help("show", "server"));
        let manual = include_str!("../../docs/command-line.md");
        let flags = ["width", "height", "framerate", "video-bitrate"];
        let usual = flags.map(|flag| help("record", flag).rsplit_once("default: ").expect("it says so").1.to_owned());
        let usual = usual.map(|value| value.trim_end_matches(']').to_owned()).join(" ");
        assert_eq!(usual, "1280 720 30 3000", "a change of these is a change of what users get");
        assert!(manual.contains(&format!("| `--{}` | {usual} |", flags.join(" --"))), "docs/command-line.md: {usual}");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example_its_exit_codes_and_where_to_read_more() {
        let command = Cli::command();
        for verb in command.get_subcommands() {
            let name = verb.get_name();
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("greffier {name}")), "{name} has no example");
            assert!(help.contains("Exit codes: 0 "), "{name} does not say how it exits");
            assert!(help.contains("README.md"), "{name} does not say where to read more");
        }
    }

    /// What is in the environment is not printed: it may be a secret.
    #[test]
    fn help_shows_no_values_of_the_environment() {
        let command = Cli::command();
        let flags = command.get_subcommands().flat_map(|verb| verb.get_arguments().map(move |flag| (verb, flag)));
        for (verb, flag) in flags.filter(|(_, flag)| flag.get_env().is_some()) {
            assert!(flag.is_hide_env_values_set(), "{} --{}", verb.get_name(), flag.get_id());
        }
    }
}
