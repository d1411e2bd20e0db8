//! Who may pass: bearers of an API token or of a LiveKit access token; else, when so configured, programs on this machine, never
//! web pages.

mod failures;
mod forwarded;
mod local;
mod scope;
mod token;
mod viewer;

pub use forwarded::TrustedProxies;
pub use local::Tokenless;
pub use scope::{Scope, Scopes};
pub use token::{ApiToken, Entry};
pub use viewer::{COOKIE_NAME, Sight, Viewer, cookie, member_of_all, sight};

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use warp::Filter;
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, AsHeaderName};

use crate::error::{Error, ErrorKind};
use crate::livekit::token::Verifier;
use crate::secret::Secret;
use failures::Failures;

/// Who asks, as far as the connection tells.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The headers sent.
    pub headers: HeaderMap,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The request is of HTTP/1.0.
    pub by_old_http: bool,
}

/// The other end of a connection, as a request of it carries it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The request is of HTTP/1.0.
    pub by_old_http: bool,
}

/// Who asks. Nobody in particular, when the connection does not tell.
pub fn asker() -> impl Filter<Extract = (Asker,), Error = std::convert::Infallible> + Copy {
    warp::header::headers_cloned().and(warp::ext::optional::<Peer>()).map(|headers, peer: Option<Peer>| {
        let nobody = Peer { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), by_old_http: true };
        let Peer { address: peer, by_old_http } = peer.unwrap_or(nobody);
        Asker { headers, peer, by_old_http }
    })
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
pub struct Rejected {
    /// In words.
    pub error: Error,
    /// There were too many failures: wait this long.
    pub wait: Option<Duration>,
}

/// LiveKit's key, by which access tokens and webhooks are signed.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: Secret,
}

/// Checks requests.
#[derive(Clone, Debug)]
pub struct Guard {
    tokens: Vec<ApiToken>,
    livekit: Verifier,
    /// What those get who show none.
    tokenless: Tokenless,
    /// Who says truly for whom a request is.
    proxies: TrustedProxies,
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
    /// A guard that knows these tokens and those signed by `key`.
    pub fn new(tokens: Vec<ApiToken>, key: &ApiKey, tokenless: Tokenless, proxies: TrustedProxies) -> Self {
        let livekit = Verifier::new(&key.name, &key.secret);
        Self { tokens, livekit, tokenless, proxies, failures: Arc::default() }
    }

    /// Who is it, if the request may pass? Failures are counted: those that come too often are refused without a word about
    /// the token. Who shows a good one passes all the same, so that nobody is shut out by others behind the same proxy.
    pub fn admit(&self, asker: &Asker, needs: Scope, now: Instant) -> Result<Caller, Rejected> {
        let caller = self.identify(asker).map_err(|error| self.refuse(asker, error, now))?;
        caller.with(needs).map_err(|error| Rejected { error, wait: None })
    }

    /// Who is it, if recordings may be seen? Wrong tokens are counted; to come without one, as people do before they sign in, is
    /// no attempt.
    pub fn look(&self, asker: &Asker, now: Instant) -> Result<Caller, Rejected> {
        let shown = asker.headers.contains_key(AUTHORIZATION);
        let caller = self
            .identify(asker)
            .map_err(|error| if shown { self.refuse(asker, error, now) } else { Rejected { error, wait: None } })?;
        caller.with(Scope::Read).map_err(|error| Rejected { error, wait: None })
    }

    /// Counts a failure of this client.
    pub fn refuse(&self, asker: &Asker, error: Error, now: Instant) -> Rejected {
        let client = self.proxies.client(asker.peer, &asker.headers);
        let wait = self.failures.lock().unwrap_or_else(PoisonError::into_inner).count(client, now);
        match wait {
            Some(wait) => {
                tracing::info!(%client, "too many refused requests");
                let error = Error::new(ErrorKind::ResourceExhausted, "too many refused requests; wait");
                Rejected { error, wait: Some(wait) }
            }
            None => {
                tracing::info!(%client, %error, "a request was refused");
                Rejected { error, wait: None }
            }
        }
    }

    fn identify(&self, asker: &Asker) -> Result<Caller, Error> {
        let everywhere = |scopes| Caller { scopes, room: None };
        match text(&asker.headers, AUTHORIZATION).map(bearer) {
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
            None => self.tokenless.check(asker).map(|()| everywhere(Scopes::ALL)),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use livekit_api::access_token::{AccessToken, VideoGrants};

    use super::*;

    fn asker(pairs: &[(&'static str, &str)]) -> Asker {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Asker { headers, peer: Ipv4Addr::LOCALHOST.into(), by_old_http: false }
    }

    fn guard(tokenless: Tokenless) -> Guard {
        let tokens = vec![
            ApiToken::hashing("api_token", "0123456789abcdef", Scopes::ALL),
            ApiToken::hashing("reader", "fedcba9876543210", Scopes::of([Scope::Read])),
        ];
        Guard::new(
            tokens,
            &ApiKey { name: "key".into(), secret: Secret::new("secret") },
            tokenless,
            TrustedProxies::default(),
        )
    }

    fn kind(guard: &Guard, header: &str, needs: Scope) -> Result<Caller, ErrorKind> {
        guard.admit(&asker(&[("authorization", header)]), needs, Instant::now()).map_err(|refused| refused.error.kind)
    }

    #[test]
    fn only_a_good_token_with_its_scope_passes() {
        let guard = guard(Tokenless::Refused);
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
        let guard = guard(Tokenless::Refused);
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
    fn what_is_shown_is_checked_where_none_is_needed() {
        let passes = |more: &[(&'static str, &str)]| {
            let asker = asker(&[&[("host", "localhost")], more].concat());
            guard(Tokenless::Local).admit(&asker, Scope::Delete, Instant::now()).is_ok()
        };
        assert!(passes(&[]) && !passes(&[("authorization", "Bearer wrong")]));
        assert!(!passes(&[("x-forwarded-for", "203.0.113.9")]));
        assert!(passes(&[("x-forwarded-for", "203.0.113.9"), ("authorization", "Bearer 0123456789abcdef")]));
    }

    #[test]
    fn who_looks_is_counted_when_a_wrong_token_is_shown() {
        let (guard, now) = (guard(Tokenless::Refused), Instant::now());
        let waits = |asker: &Asker| (0..30).filter(|_| guard.look(asker, now).unwrap_err().wait.is_some()).count();
        assert_eq!(waits(&asker(&[])), 0);
        assert_eq!(waits(&asker(&[("authorization", "Bearer wrong")])), 10);
    }

    #[test]
    fn failures_are_counted_but_shut_nobody_out() {
        let (guard, now) = (guard(Tokenless::Refused), Instant::now());
        let wrong = asker(&[("authorization", "Bearer wrong")]);
        let waits = (0..30).filter(|_| guard.admit(&wrong, Scope::Read, now).unwrap_err().wait.is_some()).count();
        assert_eq!(waits, 10);
        assert!(guard.admit(&asker(&[("authorization", "Bearer 0123456789abcdef")]), Scope::Read, now).is_ok());
    }

    #[test]
    fn clients_behind_a_trusted_proxy_are_counted_apart_and_never_local() {
        let proxies = TrustedProxies::read(&["127.0.0.1".to_owned()]).unwrap();
        let trusting = Guard { proxies, ..guard(Tokenless::Local) };
        let now = Instant::now();
        let wrong = |client: &str| asker(&[("authorization", "Bearer wrong"), ("x-forwarded-for", client)]);
        let waits =
            |guard: &Guard, client: &str| guard.admit(&wrong(client), Scope::Read, now).unwrap_err().wait.is_some();
        // One who says of himself that he is somebody else each time.
        assert_eq!((0..30).filter(|n| waits(&trusting, &format!("192.0.2.{n}, 203.0.113.9"))).count(), 10);
        assert!(!waits(&trusting, "203.0.113.10"), "another one");
        // Nobody is believed unless told so: all are the proxy.
        let believing_nobody = guard(Tokenless::Local);
        assert_eq!((0..30).filter(|n| waits(&believing_nobody, &format!("203.0.113.{n}"))).count(), 10);
        let local = asker(&[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")]);
        assert!(trusting.admit(&local, Scope::Read, now).is_err());
    }
}
