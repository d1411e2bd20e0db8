//! `greffier config`: what the configuration comes to, and every option there is.

use clap::Args;

use super::{ConfigArgs, show};
use crate::config::{self, Config};
use crate::error::Result;

/// What to print.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what"))]
pub struct ConfigVerb {
    /// Print the effective options as YAML, each with its origin; secrets are masked (done without a flag too)
    #[arg(long, group = "what")]
    show: bool,
    /// Print the table of every option, as Markdown
    #[arg(long, group = "what")]
    options: bool,
    #[command(flatten)]
    sources: ConfigArgs,
}

/// Prints it. A configuration that is wrong is shown too; then comes the error.
pub fn run(args: ConfigVerb) -> Result<()> {
    if args.options {
        return show(&config::reference());
    }
    let effective = args.sources.sources().read()?;
    show(&config::show(&effective))?;
    for warning in Config::of(&effective)?.1 {
        tracing::warn!("{warning}");
    }
    Ok(())
}
