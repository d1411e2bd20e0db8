//! Pure. Whose request it is when trusted proxies passed it on. For counting and for the log only: it opens nothing.

use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use warp::http::HeaderMap;

use crate::error::{Error, Result};

/// Each proxy appends the address of the one it was called by, so what is furthest right is what the nearest proxy saw.
const HEADER: &str = "x-forwarded-for";

/// `trusted_proxies`: whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads `trusted_proxies`: addresses and networks, such as `127.0.0.1` and `10.0.0.0/8`.
    pub fn read(texts: &[String]) -> Result<Self> {
        texts.iter().map(|text| network(text)).collect::<Result<_>>().map(Self)
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The client's address: the right-most one of `X-Forwarded-For` that no trusted proxy has, because everything to its left is
    /// what that one claims. `peer`, the other end of the connection, unless it is a trusted proxy itself.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        // Several such headers are one list (RFC 9110, 5.3).
        for value in headers.get_all(HEADER).iter().rev() {
            let Ok(list) = value.to_str() else { return client };
            for entry in list.rsplit(',') {
                if !self.has(client) {
                    return client;
                }
                // `unknown`, or whatever else names nobody: the proxy that wrote it is all that is known.
                let Some(address) = address(entry) else { return client };
                client = address.to_canonical();
            }
        }
        client
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, or a network of them.
fn network(text: &str) -> Result<IpNet> {
    let wrong = |why: &str| Error::invalid("trusted_proxies", format!("{text:?} {why}; use 127.0.0.1 or 10.0.0.0/8"));
    if let Ok(address) = text.trim().parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.trim().parse().map_err(|_| wrong("is neither an address nor a network"))?;
    if network.prefix_len() == 0 {
        return Err(wrong("is everybody: anyone could say who he is"));
    }
    Ok(network)
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`: some proxies add the port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn trusted(proxies: &[&str]) -> Result<TrustedProxies> {
        TrustedProxies::read(&proxies.iter().map(|proxy| (*proxy).to_owned()).collect::<Vec<_>>())
    }

    fn client(proxies: &[&str], peer: &str, headers: &[&str]) -> String {
        let value = |text: &&str| warp::http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
        let headers = headers.iter().map(|text| (HEADER.parse().unwrap(), value(text))).collect();
        trusted(proxies).unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn without_the_option_nothing_of_the_header_is_believed() {
        assert!(trusted(&[]).unwrap().is_empty());
        for headers in [&[][..], &["203.0.113.9"], &["127.0.0.1", "::1"]] {
            assert_eq!(client(&[], "127.0.0.1", headers), "127.0.0.1", "{headers:?}");
            assert_eq!(client(&["192.0.2.1"], "127.0.0.1", headers), "127.0.0.1", "another one is trusted");
        }
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_no_trusted_proxy_has() {
        let proxies = &["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"];
        for (peer, headers, wanted) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1", "203.0.113.9", "10.1.2.3 , 2001:db8:1::7"], "203.0.113.9"),
            // A client that is inside itself.
            ("127.0.0.1", &["10.0.0.2,10.0.0.1"], "10.0.0.2"),
            // It says of itself that it is another one, or a proxy.
            ("127.0.0.1", &["10.0.0.7, 203.0.113.9"], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            // With ports, in brackets, mapped.
            ("::ffff:127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("127.0.0.1", &["[2001:db8::9]:4711"], "2001:db8::9"),
            ("127.0.0.1", &["[2001:db8::9]"], "2001:db8::9"),
            ("127.0.0.1", &["203.0.113.9, ::ffff:10.0.0.1"], "203.0.113.9"),
            // What names nobody, from the right.
            ("127.0.0.1", &["203.0.113.9, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9, unknown, 10.0.0.1"], "10.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9,"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9 10.0.0.1"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9", "a\u{e9}"], "127.0.0.1"),
        ] {
            assert_eq!(client(proxies, peer, headers), wanted, "{peer} {headers:?}");
        }
    }

    #[test]
    fn what_is_trusted_is_an_address_or_a_network() {
        assert_eq!(trusted(&["::ffff:10.0.0.1"]), trusted(&["10.0.0.1"]));
        for wrong in ["", "nginx", "10.0.0.0/33", "10.0.0", "10.0.0.1:80", "0.0.0.0/0", "::/0"] {
            let error = trusted(&[wrong]).unwrap_err();
            assert_eq!(error.field(), Some("trusted_proxies"), "{error}");
        }
    }
}
