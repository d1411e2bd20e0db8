//! The flags that say where the configuration is, shared by the verbs that need all of it. Variables are read by `config`,
//! which remembers where each value comes from.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Overrides, Sources};
use crate::secret::Secret;

/// Where the configuration is; every flag goes before the environment, and that before the file.
#[derive(Clone, Args)]
pub struct ConfigArgs {
    /// YAML file; LiveKit Egress's files are understood [env: GREFFIER_CONFIG, EGRESS_CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file's text itself [env: EGRESS_CONFIG_BODY]
    #[arg(long, value_name = "YAML", conflicts_with = "config")]
    config_body: Option<String>,
    /// LiveKit server, such as ws://127.0.0.1:7880 [env: LIVEKIT_URL, LIVEKIT_WS_URL]
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
    /// Address and port of the HTTP door [default: 127.0.0.1:7990] [env: GREFFIER_LISTEN]
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
        let Self { config, config_body, url, api_key, api_secret, ca_file, insecure, listen, data_dir, api_token } =
            self;
        let flags = Overrides {
            url,
            api_key,
            api_secret: api_secret.map(Secret::new),
            ca_file,
            insecure,
            listen,
            data_dir,
            api_token: api_token.map(Secret::new),
        };
        Sources::of_process(config, config_body, flags)
    }
}
