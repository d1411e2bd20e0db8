//! One LiveKit room, joined as a hidden recorder: signalling and WebRTC.

use std::path::PathBuf;

use crate::secret::Secret;

/// A LiveKit server and the key that opens its rooms.
#[derive(Clone, Debug)]
pub struct Server {
    /// `ws://`, `wss://`, `http://` or `https://`.
    pub url: String,
    /// LiveKit API key.
    pub api_key: String,
    /// Its secret.
    pub api_secret: Secret,
    /// PEM file with the certificate authority to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate: tests only.
    pub insecure: bool,
}
