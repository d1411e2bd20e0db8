//! The flags that name a LiveKit server, shared by the verbs that join rooms.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::room::Server;
use crate::secret::Secret;

/// Which server, with which key.
#[derive(Clone, Args)]
pub struct LiveKitArgs {
    /// LiveKit server, such as ws://127.0.0.1:7880
    #[arg(long, env = "LIVEKIT_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// LiveKit API key
    #[arg(long, env = "LIVEKIT_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// Its secret
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    pub api_secret: Option<String>,
    /// PEM file of a certificate authority to trust besides the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate (tests only)
    #[arg(long)]
    pub insecure: bool,
}

impl LiveKitArgs {
    /// The server these flags name, or an error that names the flag and the fix.
    pub fn server(&self) -> Result<Server> {
        let server = Server {
            url: self.url.clone().unwrap_or_default(),
            api_key: self.api_key.clone().unwrap_or_default(),
            api_secret: Secret::new(self.api_secret.as_deref().unwrap_or_default()),
            ca_file: self.ca_file.clone(),
            insecure: self.insecure,
        };
        server.validate()?;
        Ok(server)
    }
}

impl std::fmt::Debug for LiveKitArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveKitArgs").field("url", &self.url).field("api_key", &self.api_key).finish_non_exhaustive()
    }
}
