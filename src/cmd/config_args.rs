//! The flags that say where the configuration is, shared by the verbs that need all of it.

use std::path::PathBuf;

use clap::Args;

use super::LiveKitArgs;
use crate::config::{Overrides, Sources};
use crate::secret::Secret;

/// Where the configuration is; every flag goes before the environment, and that before the file.
#[derive(Clone, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    livekit: LiveKitArgs,
    /// Address and port of the HTTP API [default: 127.0.0.1:7990] [env: GREFFIER_LISTEN]
    #[arg(long)]
    listen: Option<String>,
    /// Where recordings and their state are kept [default: greffier-data] [env: GREFFIER_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What clients must show as `Authorization: Bearer`; needed unless --listen is this machine alone [env:
    /// GREFFIER_API_TOKEN, GREFFIER_API_TOKEN_FILE]
    #[arg(long, value_name = "TOKEN")]
    api_token: Option<String>,
}

impl ConfigArgs {
    /// With the environment of this process.
    pub fn sources(self) -> Sources {
        let Self { livekit, listen, data_dir, api_token } = self;
        livekit.sources(Overrides { listen, data_dir, api_token: api_token.map(Secret::new), ..Overrides::default() })
    }
}
