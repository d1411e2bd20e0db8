//! `greffier completions` and `greffier man`: what a shell and a manual want to know of the command line.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::show;
use crate::error::{Error, Result};

/// Which shell.
#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell that is to complete
    shell: Shell,
}

/// Where to.
#[derive(Args)]
pub struct ManArgs {
    /// The folder that gets a page for the program and for each verb
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Prints the shell's script.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "greffier", &mut script);
    show(&String::from_utf8_lossy(&script))
}

/// Writes the pages.
pub fn man(args: &ManArgs, command: Command) -> Result<()> {
    let folder = args.folder.display();
    clap_mangen::generate_to(command, &args.folder)
        .map_err(|e| Error::invalid("folder", format!("cannot write the pages into {folder}: {e}; make it first")))?;
    show(&format!("{folder}: read them with man -l {folder}/greffier.1\n"))
}
