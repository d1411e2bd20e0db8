//! Pure. API tokens: only their hashes are known here.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::api::auth::{Scope, Scopes};
use crate::error::{Error, Result};

/// A token that a client may show as `Authorization: Bearer …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Whose it is, for logs and refusals.
    pub name: String,
    /// What its bearer may do.
    pub scopes: Scopes,
    sha256: [u8; 32],
}

/// An entry of `api_tokens` as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entry {
    name: String,
    sha256: String,
    scopes: Vec<String>,
}

/// How the hash of a token is made.
const HINT: &str = "make a token with `openssl rand -hex 32` and its hash with `printf %s TOKEN | sha256sum`";

impl ApiToken {
    /// The token `text` of `name`, of which only the hash is kept.
    pub fn hashing(name: &str, text: &str, scopes: Scopes) -> Self {
        Self { name: name.to_owned(), scopes, sha256: sha256(text) }
    }

    /// What the entry says.
    pub fn read(entry: Entry) -> Result<Self> {
        let Entry { name, sha256, scopes } = entry;
        if name.is_empty() {
            return Err(Error::invalid("name", "missing; say whose it is, such as backend"));
        }
        let sha256 =
            decode(&sha256).ok_or_else(|| Error::invalid("sha256", format!("not 64 hexadecimal digits; {HINT}")))?;
        let known = "use some of read, record, delete, admin";
        if scopes.is_empty() {
            return Err(Error::invalid("scopes", format!("missing; {known}")));
        }
        let scope = |name: &String| {
            Scope::named(name).ok_or_else(|| Error::invalid("scopes", format!("there is no scope {name:?}; {known}")))
        };
        let scopes = Scopes::of(scopes.iter().map(scope).collect::<Result<Vec<_>>>()?);
        Ok(Self { name, scopes, sha256 })
    }

    /// The one among `tokens` that was shown. The time it takes tells nothing about them.
    pub fn shown<'a>(tokens: &'a [Self], text: &str) -> Option<&'a Self> {
        let hash = sha256(text);
        let same = |token: &Self| verify_slices_are_equal(&token.sha256, &hash).is_ok();
        // Every one is compared, whichever fits.
        tokens.iter().fold(None, |found, token| if same(token) { Some(token) } else { found })
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// 64 hexadecimal digits.
fn decode(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document;

    fn read(entry: serde_json::Value) -> Result<ApiToken> {
        ApiToken::read(document::read(entry, "")?)
    }

    #[test]
    fn the_token_shown_is_found_by_its_hash() {
        // printf %s 0123456789abcdef | sha256sum
        let sha256 = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        let entry = json!({"name": "backend", "sha256": sha256, "scopes": ["record"]});
        let read = read(entry).unwrap();
        let tokens = [read, ApiToken::hashing("other", "another token", Scopes::ALL)];
        assert_eq!(ApiToken::shown(&tokens, "0123456789abcdef").unwrap().name, "backend");
        assert_eq!(ApiToken::shown(&tokens, "another token").unwrap().scopes, Scopes::ALL);
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", sha256] {
            assert_eq!(ApiToken::shown(&tokens, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_entry_names_its_field() {
        let hash = "0".repeat(64);
        for (entry, field) in [
            (json!({"sha256": hash, "scopes": ["read"]}), "name: missing"),
            (json!({"name": "a", "scopes": ["read"]}), "sha256: not 64"),
            (json!({"name": "a", "sha256": "é".repeat(32), "scopes": ["read"]}), "sha256: not 64"),
            (json!({"name": "a", "sha256": hash}), "scopes: missing"),
            (json!({"name": "a", "sha256": hash, "scopes": []}), "scopes: missing"),
            (json!({"name": "a", "sha256": hash, "scopes": "read"}), "scopes: expected a list, found a string"),
            (json!({"name": "a", "sha256": hash, "scopes": ["read"], "token": "x"}), "token: there is no such field"),
            (json!({"name": "a", "sha256": hash, "scopes": ["write"]}), "scopes: there is no scope \"write\""),
        ] {
            let error = read(entry).unwrap_err().message;
            assert!(error.starts_with(field), "{error}");
        }
    }
}
