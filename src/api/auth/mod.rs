//! Who may pass: bearers of an API token or of a LiveKit access token; else, when so configured, programs on this machine, never
//! web pages.

mod failures;
mod scope;
mod token;

pub use scope::{Scope, Scopes};
pub use token::ApiToken;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use livekit_api::access_token::TokenVerifier;
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, AsHeaderName, HOST, ORIGIN};

use crate::error::{Error, ErrorKind};
use crate::secret::Secret;
use failures::Failures;

/// Who asks, as far as the connection tells.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The headers sent.
    pub headers: HeaderMap,
    /// The other end of the connection.
    pub peer: IpAddr,
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What the caller may do.
    pub scopes: Scopes,
    /// Only in this room.
    pub room: Option<String>,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In words.
    pub error: Error,
    /// There were too many failures: wait this long.
    pub wait: Option<Duration>,
}

/// LiveKit's key, by which access tokens and webhooks are signed.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: Secret,
}

/// Checks requests.
#[derive(Clone, Debug)]
pub struct Guard {
    tokens: Vec<ApiToken>,
    livekit: TokenVerifier,
    /// Programs on this machine need none.
    open: bool,
    failures: Arc<Mutex<Failures>>,
}

impl Asker {
    /// The text of this header.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        text(&self.headers, name)
    }
}

impl Caller {
    /// May the caller do anything with this room?
    pub fn may_enter(&self, room: &str) -> bool {
        self.room.as_ref().is_none_or(|own| own == room)
    }

    /// The caller, if this is among what may be done.
    fn with(self, needs: Scope) -> Result<Self, Error> {
        if self.scopes.allow(needs) {
            return Ok(self);
        }
        Err(denied(&format!("the token does not allow this: it lacks the scope {}", needs.name())))
    }

    /// An error unless the caller may.
    pub fn enter(&self, room: &str) -> Result<(), Error> {
        if self.may_enter(room) { Ok(()) } else { Err(denied("the token is for another room")) }
    }
}

impl Guard {
    /// A guard that knows these tokens and those signed by `key`; `open` lets programs on this machine pass without.
    pub fn new(tokens: Vec<ApiToken>, key: &Key, open: bool) -> Self {
        let livekit = TokenVerifier::with_api_key(&key.name, key.secret.expose());
        Self { tokens, livekit, open, failures: Arc::default() }
    }

    /// Who is it, if the request may pass? Failures are counted: those that come too often are refused without a word about
    /// the token. Who shows a good one passes all the same, so that nobody is shut out by others behind the same proxy.
    pub fn admit(&self, asker: &Asker, needs: Scope, now: Instant) -> Result<Caller, Refused> {
        let caller = self.identify(&asker.headers).map_err(|error| self.refuse(asker.peer, error, now))?;
        caller.with(needs).map_err(|error| Refused { error, wait: None })
    }

    /// Who is it, if the headers may see recordings? Nothing is counted.
    pub fn check(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        self.identify(headers)?.with(Scope::Read)
    }

    /// Counts a failure of this peer.
    pub fn refuse(&self, peer: IpAddr, error: Error, now: Instant) -> Refused {
        let wait = self.failures.lock().unwrap_or_else(PoisonError::into_inner).count(peer, now);
        match wait {
            Some(wait) => {
                tracing::info!(%peer, "too many refused requests");
                let error = Error::new(ErrorKind::ResourceExhausted, "too many refused requests; wait");
                Refused { error, wait: Some(wait) }
            }
            None => {
                tracing::info!(%peer, %error, "a request was refused");
                Refused { error, wait: None }
            }
        }
    }

    fn identify(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let everywhere = |scopes| Caller { scopes, room: None };
        match text(headers, AUTHORIZATION).map(bearer) {
            Some(Some(shown)) => {
                if let Some(token) = ApiToken::shown(&self.tokens, shown) {
                    return Ok(everywhere(token.scopes));
                }
                let wrong = || unauthenticated("the token is neither a configured one nor signed by LiveKit's key");
                let grants = self.livekit.verify(shown).map_err(|_| wrong())?.video;
                let room = Some(grants.room).filter(|room| !room.is_empty());
                Ok(Caller { scopes: Scopes::of_grants(grants.room_record, grants.room_admin), room })
            }
            Some(None) => Err(unauthenticated("send `Bearer <token>`")),
            None if self.open => {
                local(headers)?;
                Ok(everywhere(Scopes::ALL))
            }
            None => Err(unauthenticated("missing; send `Bearer <token>`")),
        }
    }
}

/// Without a token everybody on this machine may pass, and so could any web page in its browsers: by a form (browsers then send
/// Origin), or by a name of its own that resolves to 127.0.0.1.
fn local(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key(ORIGIN) {
        return Err(denied("Origin: web pages may not use this without a token"));
    }
    match text(headers, HOST) {
        Some(host) if !is_loopback(host) => Err(denied("Host: not this machine; configure api_tokens")),
        Some(_) | None => Ok(()),
    }
}

/// Nobody in particular, when the connection does not tell.
pub const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn denied(why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

fn unauthenticated(why: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, format!("Authorization: {why}"))
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110, 11.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // An IPv6 address without a port ends in a bracket.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::{AccessToken, VideoGrants};

    use super::*;

    fn asker(pairs: &[(&'static str, &str)]) -> Asker {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Asker { headers, peer: NOBODY }
    }

    fn guard(open: bool) -> Guard {
        let tokens = vec![
            ApiToken::hashing("api_token", "0123456789abcdef", Scopes::ALL),
            ApiToken::hashing("reader", "fedcba9876543210", Scopes::of([Scope::Read])),
        ];
        Guard::new(tokens, &Key { name: "key".into(), secret: Secret::new("secret") }, open)
    }

    fn kind(guard: &Guard, header: &str, needs: Scope) -> Result<Caller, ErrorKind> {
        guard.admit(&asker(&[("authorization", header)]), needs, Instant::now()).map_err(|refused| refused.error.kind)
    }

    #[test]
    fn only_a_good_token_with_its_scope_passes() {
        let guard = guard(false);
        for right in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
            assert!(kind(&guard, right, Scope::Delete).is_ok(), "{right}");
        }
        for wrong in ["Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Bearer ", "Basic x", "Bearer"] {
            assert_eq!(kind(&guard, wrong, Scope::Read), Err(ErrorKind::Unauthenticated), "{wrong}");
        }
        assert!(kind(&guard, "Bearer fedcba9876543210", Scope::Read).is_ok());
        assert_eq!(kind(&guard, "Bearer fedcba9876543210", Scope::Record), Err(ErrorKind::PermissionDenied));
        assert_eq!(
            guard.admit(&asker(&[]), Scope::Read, Instant::now()).unwrap_err().error.kind,
            ErrorKind::Unauthenticated
        );
    }

    #[test]
    fn livekits_tokens_pass_for_their_room() {
        let guard = guard(false);
        let token = |secret: &str, grants: VideoGrants| {
            let jwt = AccessToken::with_api_key("key", secret).with_identity("a").with_grants(grants).to_jwt().unwrap();
            format!("Bearer {jwt}")
        };
        let record = VideoGrants { room_record: true, room: "daily".into(), ..VideoGrants::default() };
        let caller = kind(&guard, &token("secret", record.clone()), Scope::Record).unwrap();
        assert!(caller.may_enter("daily") && !caller.may_enter("another") && caller.enter("another").is_err());
        assert_eq!(kind(&guard, &token("secret", record.clone()), Scope::Delete), Err(ErrorKind::PermissionDenied));
        assert_eq!(kind(&guard, &token("forged", record.clone()), Scope::Record), Err(ErrorKind::Unauthenticated));
        let joiner = VideoGrants { room_join: true, room: "daily".into(), ..VideoGrants::default() };
        assert_eq!(kind(&guard, &token("secret", joiner), Scope::Read), Err(ErrorKind::PermissionDenied));
        let anywhere = VideoGrants { room: String::new(), ..record };
        assert!(kind(&guard, &token("secret", anywhere), Scope::Read).unwrap().may_enter("any"));
    }

    #[test]
    fn without_a_token_programs_pass_when_open_and_web_pages_never() {
        let passes = |open, pairs: &[(&'static str, &str)]| {
            guard(open).admit(&asker(pairs), Scope::Delete, Instant::now()).is_ok()
        };
        for host in ["127.0.0.1:7990", "localhost:7990", "localhost", "[::1]:7990", "[::1]"] {
            assert!(passes(true, &[("host", host)]), "{host}");
            assert!(!passes(false, &[("host", host)]), "{host}");
        }
        assert!(!passes(true, &[("host", "evil.example:7990")]));
        assert!(!passes(true, &[("host", "localhost"), ("origin", "http://localhost")]));
        assert!(!passes(true, &[("host", "localhost"), ("authorization", "Bearer wrong")]), "what is shown is checked");
    }

    #[test]
    fn failures_are_counted_but_shut_nobody_out() {
        let (guard, now) = (guard(false), Instant::now());
        let wrong = asker(&[("authorization", "Bearer wrong")]);
        let waits = (0..30).filter(|_| guard.admit(&wrong, Scope::Read, now).unwrap_err().wait.is_some()).count();
        assert_eq!(waits, 10);
        assert!(guard.admit(&asker(&[("authorization", "Bearer 0123456789abcdef")]), Scope::Read, now).is_ok());
    }
}
