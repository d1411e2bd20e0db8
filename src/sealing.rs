//! Keeps what must be kept but not in clear: sealed with a key that only whoever knows the API secret can make again.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce (NIST SP 800-38D, 8.2).
const NONCE: usize = 12;

/// Seals and opens.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; KEY],
}

/// A key of its own for each purpose, all from one secret (HKDF, RFC 5869).
pub fn derive(secret: &Secret, purpose: &str) -> [u8; KEY] {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            KEY
        }
    }
    let mut key = [0; KEY];
    let root = Salt::new(HKDF_SHA256, b"greffier").extract(secret.expose().as_bytes());
    root.expand(&[purpose.as_bytes()], Length)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes are within HKDF's limit");
    key
}

impl Sealer {
    /// The vault of this secret.
    pub fn new(secret: &Secret) -> Self {
        Self { key: derive(secret, "stored credentials") }
    }

    /// Makes it unreadable: a nonce, then AES-256-GCM.
    pub fn seal(&self, clear: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = clear.to_vec();
        let broken = |_| Error::new(ErrorKind::Internal, "cannot encrypt");
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.key).map_err(broken)?;
        let nonce = key.seal_in_place_append_tag(Aad::empty(), &mut bytes).map_err(broken)?;
        Ok([nonce.as_ref().as_slice(), &bytes].concat())
    }

    /// What was sealed. `FailedPrecondition` when it was sealed with another secret.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>> {
        let closed = || Error::new(ErrorKind::FailedPrecondition, "api_secret: this was kept under another secret");
        let (nonce, bytes) = sealed.split_at_checked(NONCE).ok_or_else(closed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| closed())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.key).map_err(|_| closed())?;
        let mut bytes = bytes.to_vec();
        let clear = key.open_in_place(nonce, Aad::empty(), &mut bytes).map_err(|_| closed())?;
        Ok(clear.to_vec())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_opens_it() {
        let sealer = Sealer::new(&Secret::new("one"));
        let sealed = sealer.seal(b"access key").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"access"));
        assert_ne!(sealer.seal(b"access key").unwrap(), sealed, "the nonce differs");
        assert_eq!(sealer.open(&sealed).unwrap(), b"access key");
        assert!(Sealer::new(&Secret::new("two")).open(&sealed).is_err());
        let mut broken = sealed.clone();
        broken[20] ^= 1;
        assert!(sealer.open(&broken).is_err());
        assert!(sealer.open(b"short").is_err());
    }
}
