//! Pure. May a program pass without a token? Only on this machine, and only when it speaks to us directly.

use warp::http::HeaderMap;
use warp::http::header::{HOST, ORIGIN};

use core::net::IpAddr;

use super::{Asker, TrustedProxies, text, unauthenticated};
use crate::error::{Error, ErrorKind};

/// What proxies add to what they pass on, besides all that begins with `x-forwarded`.
const FORWARDED: &[&str] = &[
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-envoy-external-address",
    "x-proxyuser-ip",
    "true-client-ip",
    "client-ip",
    "cf-connecting-ip",
    "cf-ray",
    "fastly-client-ip",
    "fly-client-ip",
    "cdn-loop",
    "x-arr-log-id",
    "x-azure-clientip",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
];

/// What those get who show no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokenless {
    /// Nothing.
    Refused,
    /// Nothing: `public_url` or `trusted_proxies` says that a proxy stands before us.
    Published,
    /// Everything, as long as they are programs on this machine.
    Local,
}

impl Tokenless {
    /// What the configuration wants; `public_url` is where people reach the pages.
    pub fn of(open: bool, public_url: Option<&str>, proxies: &TrustedProxies) -> Self {
        let published = !proxies.is_empty()
            || public_url.is_some_and(|url| {
                let host = url.split_once("://").map_or(url, |(_, rest)| rest);
                !is_this_machine(host.split('/').next().unwrap_or_default())
            });
        match (open, published) {
            (false, _) => Self::Refused,
            (true, true) => Self::Published,
            (true, false) => Self::Local,
        }
    }

    /// Lets pass who is on this machine and speaks to us directly. Web pages in its browsers are kept out: browsers send
    /// Origin with forms, and the name by which a page of somebody else's found us as Host.
    pub fn check(self, asker: &Asker) -> Result<(), Error> {
        let why = match self {
            Self::Refused => return Err(unauthenticated("missing; send `Bearer <token>`")),
            Self::Published => "public_url or trusted_proxies: a proxy stands before this".to_owned(),
            Self::Local => match fault(asker) {
                None => return Ok(()),
                Some(why) => why,
            },
        };
        let fix = "set api_token (GREFFIER_API_TOKEN) and send `Bearer <token>`";
        let message = format!("{why}, and only programs on this machine pass without a token; {fix}");
        Err(Error::new(ErrorKind::Unauthenticated, message))
    }
}

/// Why this is no program on this machine that speaks to us directly.
fn fault(asker: &Asker) -> Option<String> {
    if !asker.peer.to_canonical().is_loopback() {
        return Some("Authorization: missing; the connection comes from elsewhere".to_owned());
    }
    if let Some(name) = forwarded(&asker.headers) {
        return Some(format!("{name}: a proxy passed this on"));
    }
    // nginx speaks it to those behind it unless told otherwise, and says nothing else of itself.
    if asker.by_old_http {
        return Some("Authorization: missing; HTTP/1.0 is what proxies speak".to_owned());
    }
    if asker.headers.contains_key(ORIGIN) {
        return Some("Origin: a web page asks".to_owned());
    }
    match text(&asker.headers, HOST) {
        Some(host) if is_this_machine(host) => None,
        Some(_) | None => Some("Host: does not name this machine".to_owned()),
    }
}

/// The header by which a proxy shows itself.
fn forwarded(headers: &HeaderMap) -> Option<&str> {
    let names = headers.keys().map(|name| name.as_str());
    names.into_iter().find(|name| name.starts_with("x-forwarded") || FORWARDED.contains(name))
}

/// `host` or `host:port` is a name or an address of the loopback interface.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // An IPv6 address without a port ends in a bracket.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);

    fn asker(peer: IpAddr, pairs: &[(&str, &str)]) -> Asker {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Asker { headers: pairs.collect(), peer, by_old_http: false }
    }

    #[test]
    fn programs_on_this_machine_pass_when_open_and_web_pages_never() {
        for host in ["127.0.0.1:7990", "localhost:7990", "LOCALHOST", "[::1]:7990", "[::1]", "127.0.0.2"] {
            let asker = asker(HERE, &[("host", host)]);
            assert!(Tokenless::Local.check(&asker).is_ok(), "{host}");
            assert!(Tokenless::Refused.check(&asker).is_err() && Tokenless::Published.check(&asker).is_err());
        }
        let strangers: [&[(&str, &str)]; 6] = [
            &[("host", "evil.example:7990")],
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "localhost.evil.example:1")],
            &[("host", "localhost"), ("origin", "http://localhost")],
            &[("host", "localhost"), ("origin", "null")],
            &[],
        ];
        for pairs in strangers {
            assert!(Tokenless::Local.check(&asker(HERE, pairs)).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn whoever_comes_by_way_of_a_proxy_or_from_elsewhere_does_not() {
        let more = ["X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Server", "X-Forwarded"];
        for name in FORWARDED.iter().chain(&more) {
            for value in ["127.0.0.1", "", "203.0.113.9"] {
                let error = Tokenless::Local.check(&asker(HERE, &[("host", "127.0.0.1:7990"), (name, value)]));
                let error = error.unwrap_err().message;
                assert!(error.contains("set api_token") && error.contains(&name.to_lowercase()), "{error}");
            }
        }
        let old = Asker { by_old_http: true, ..asker(HERE, &[("host", "127.0.0.1:7990")]) };
        assert!(Tokenless::Local.check(&old).is_err());
        for peer in ["203.0.113.9", "10.0.0.1", "0.0.0.0", "::", "fe80::1"] {
            assert!(Tokenless::Local.check(&asker(peer.parse().unwrap(), &[("host", "localhost")])).is_err(), "{peer}");
        }
        for peer in ["127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert!(Tokenless::Local.check(&asker(peer.parse().unwrap(), &[("host", "localhost")])).is_ok(), "{peer}");
        }
    }

    #[test]
    fn a_published_address_is_not_open() {
        let none = TrustedProxies::default();
        for url in ["https://record.example.org", "http://10.0.0.1:7990", "https://localhost.example.org", "http://h"] {
            assert_eq!(Tokenless::of(true, Some(url), &none), Tokenless::Published, "{url}");
        }
        for url in ["http://127.0.0.1:7990", "http://localhost", "http://[::1]:7990"] {
            assert_eq!(Tokenless::of(true, Some(url), &none), Tokenless::Local, "{url}");
        }
        assert_eq!(Tokenless::of(true, None, &none), Tokenless::Local);
        assert_eq!(Tokenless::of(false, Some("http://localhost"), &none), Tokenless::Refused);
    }
}
