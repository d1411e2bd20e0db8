//! `greffier check`
use crate::error::Result;
use clap::Args;
/// x
#[derive(Args)]
pub struct CheckArgs {}
/// x
pub fn run(_: CheckArgs) -> Result<()> {
    Ok(())
}
