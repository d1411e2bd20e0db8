//! The flags that say where the running sidecar is, shared by the verbs that talk to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::client::RestClient;
use crate::config::{Overrides, Sources};
use crate::error::Result;
use crate::secret::Secret;

/// Whom to ask. What is not given comes from the sidecar's own configuration, where it can be read.
#[derive(Args)]
pub struct SidecarArgs {
    /// The sidecar's address [default: the configuration's `listen`, http://127.0.0.1:7990]
    #[arg(long, env = "GREFFIER_SERVER", hide_env_values = true, value_name = "URL")]
    server: Option<String>,
    /// One of its API tokens, when it wants one; a LiveKit access token with roomRecord does too [env: GREFFIER_API_TOKEN,
    /// GREFFIER_API_TOKEN_FILE]
    #[arg(long, value_name = "TOKEN")]
    api_token: Option<String>,
    /// The sidecar's YAML file [env: GREFFIER_CONFIG, EGRESS_CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl SidecarArgs {
    /// A way to ask it.
    pub fn client(&self) -> Result<RestClient> {
        let flags = Overrides { api_token: self.api_token.clone().map(Secret::new), ..Overrides::default() };
        let tree = Sources::of_process(self.config.clone(), None, flags).read()?.tree;
        let text = |path: &str| tree.get(path).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
        let server = self.server.clone().filter(|server| !server.is_empty());
        let server = server.unwrap_or_else(|| address(text("listen").unwrap_or_default()));
        RestClient::new(&server, text("api_token").map(Secret::new))
    }
}

/// Where one who listens there is reached from this machine.
fn address(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_unspecified() => {
            let ip =
                if at.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]) };
            format!("http://{}", SocketAddr::new(ip, at.port()))
        }
        Ok(_) | Err(_) => format!("http://{listen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn who_listens_everywhere_is_reached_here() {
        for (listen, url) in [
            ("127.0.0.1:7990", "http://127.0.0.1:7990"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.1:80", "http://10.0.0.1:80"),
        ] {
            assert_eq!(address(listen), url);
        }
    }
}
