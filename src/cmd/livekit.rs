//! The flags that name a LiveKit server, shared by every verb that needs one. Variables are read by `config`, which remembers
//! where each value comes from.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Overrides, Sources};
use crate::error::Result;
use crate::livekit::Server;
use crate::secret::Secret;

/// Which server, with which key; every flag goes before the environment, and that before the file.
#[derive(Clone, Args)]
pub struct LiveKitArgs {
    /// YAML file; LiveKit Egress's files are understood [env: GREFFIER_CONFIG, EGRESS_CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file's text itself [env: EGRESS_CONFIG_BODY]
    #[arg(long, value_name = "YAML", conflicts_with = "config")]
    config_body: Option<String>,
    /// LiveKit server, such as ws://127.0.0.1:7880 [env: LIVEKIT_URL, LIVEKIT_WS_URL, LIVEKIT_API_URL]
    #[arg(long)]
    url: Option<String>,
    /// LiveKit API key [env: LIVEKIT_API_KEY]
    #[arg(long)]
    api_key: Option<String>,
    /// Its secret [env: LIVEKIT_API_SECRET, LIVEKIT_API_SECRET_FILE]
    #[arg(long)]
    api_secret: Option<String>,
    /// PEM file of a certificate authority to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept any certificate (tests only)
    #[arg(long)]
    insecure: bool,
}

impl LiveKitArgs {
    /// The server that these flags, the environment and the file name, or an error that names what is wrong and the fix.
    pub fn server(self) -> Result<Server> {
        Config::server(&self.sources(Overrides::default()))
    }

    /// With the environment of this process, and with flags of other options.
    pub fn sources(self, others: Overrides) -> Sources {
        let Self { config, config_body, url, api_key, api_secret, ca_file, insecure } = self;
        let api_secret = api_secret.map(Secret::new);
        Sources::of_process(config, config_body, Overrides { url, api_key, api_secret, ca_file, insecure, ..others })
    }
}
