//! Who may pass: a bearer token when one is configured; else only programs on this machine, never web pages.

use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, HOST, ORIGIN};

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// Checks requests.
#[derive(Clone, Debug)]
pub struct Guard {
    token: Option<Secret>,
}

impl Guard {
    /// A guard that asks for this token.
    pub fn new(token: Option<Secret>) -> Self {
        Self { token }
    }

    /// May this request pass?
    pub fn check(&self, headers: &HeaderMap) -> Result<()> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        match &self.token {
            Some(token) => match text(AUTHORIZATION).and_then(bearer) {
                Some(shown) if same(shown.as_bytes(), token.expose().as_bytes()) => Ok(()),
                Some(_) => {
                    Err(Error::new(ErrorKind::Unauthenticated, "Authorization: the token is not the configured one"))
                }
                None => Err(Error::new(ErrorKind::Unauthenticated, "Authorization: send `Bearer <api_token>`")),
            },
            None => {
                // Without a token everybody on this machine may pass, and so could any web page in its browsers:
                // by a form (browsers then send Origin), or by a name of its own that resolves to 127.0.0.1.
                if headers.contains_key(ORIGIN) {
                    return Err(denied("Origin: web pages may not use this without an api_token"));
                }
                match text(HOST) {
                    Some(host) if !is_loopback(host) => Err(denied("Host: not this machine; configure an api_token")),
                    Some(_) | None => Ok(()),
                }
            }
        }
    }
}

fn denied(why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Equal? The time it takes tells the length of what was shown and nothing else.
fn same(shown: &[u8], wanted: &[u8]) -> bool {
    let mut different = u8::from(shown.len() != wanted.len());
    for (n, byte) in shown.iter().enumerate() {
        different |= std::hint::black_box(byte ^ wanted[n % wanted.len()]);
    }
    std::hint::black_box(different) == 0
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // An IPv6 address without a port ends in a bracket.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_token_passes() {
        let guard = Guard::new(Some(Secret::new("0123456789abcdef")));
        let kind = |value: &str| guard.check(&headers(&[("authorization", value)])).map_err(|e| e.kind);
        assert_eq!(kind("Bearer 0123456789abcdef"), Ok(()));
        assert_eq!(kind("bearer 0123456789abcdef"), Ok(()));
        for wrong in ["Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Bearer ", "Basic x", "Bearer"] {
            assert_eq!(kind(wrong), Err(ErrorKind::Unauthenticated), "{wrong}");
        }
        // Twice the token has the token's bytes at every place, but not its length.
        assert_eq!(kind("Bearer 0123456789abcdef0123456789abcdef"), Err(ErrorKind::Unauthenticated));
        assert!(guard.check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn without_a_token_web_pages_do_not_pass() {
        let guard = Guard::new(None);
        for host in ["127.0.0.1:7990", "localhost:7990", "localhost", "[::1]:7990", "[::1]"] {
            assert!(guard.check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        assert!(guard.check(&headers(&[("host", "evil.example:7990")])).is_err());
        assert!(guard.check(&headers(&[("host", "localhost"), ("origin", "http://localhost")])).is_err());
    }
}
