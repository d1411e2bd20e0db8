//! Pure. Where a request that came over HTTP may send us: to the world, and of the networks within only where we are configured
//! to go ourselves.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::{Error, Result};

/// Hosts that requests may name although they are within.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    allowed: Vec<String>,
    /// Hosts with their ports.
    ours: Vec<(String, u16)>,
    everything: bool,
}

/// What is to be known of a host before we go there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// It is named by the configuration, or an address of the world.
    Allowed,
    /// A name: the addresses that it stands for decide.
    Resolve(String, u16),
}

impl Targets {
    /// `allowed` is `requests.allowed_hosts`: names, addresses, `*.suffix`, or `*` for everything. `ours` are URLs of the
    /// configuration: their hosts are allowed too, at their ports.
    pub fn new<'a>(allowed: Vec<String>, ours: impl IntoIterator<Item = &'a str>) -> Self {
        let place = |url: &str| {
            let url = Url::parse(url).ok()?;
            Some((plain(url.host_str()?), url.port_or_known_default()?))
        };
        let everything = allowed.iter().any(|host| host == "*");
        let allowed = allowed.iter().map(|host| plain(host)).collect();
        Self { allowed, ours: ours.into_iter().filter_map(place).collect(), everything }
    }

    /// May a request send us to this URL? The error names `field`.
    pub fn check(&self, field: &str, url: &str) -> Result<Destination> {
        let url = Url::parse(url).map_err(|_| Error::invalid(field, "not a URL"))?;
        let host = url.host().ok_or_else(|| Error::invalid(field, "without a host"))?;
        let (plain_host, port) = (plain(&host.to_string()), url.port_or_known_default().unwrap_or(443));
        if self.everything || self.names(&plain_host) || self.ours.contains(&(plain_host, port)) {
            return Ok(Destination::Allowed);
        }
        let (address, name) = match host {
            Host::Ipv4(address) => (Some(IpAddr::V4(address)), String::new()),
            Host::Ipv6(address) => (Some(IpAddr::V6(address)), String::new()),
            Host::Domain(name) => (None, plain(name)),
        };
        match address {
            Some(address) if is_within(address) => Err(within(field)),
            Some(_) => Ok(Destination::Allowed),
            None if is_name_within(&name) => Err(within(field)),
            None => Ok(Destination::Resolve(name, port)),
        }
    }

    /// What a name stands for is of the world, all of it.
    pub fn check_addresses(&self, field: &str, addresses: &[IpAddr]) -> Result<()> {
        if addresses.iter().any(|address| is_within(*address)) { Err(within(field)) } else { Ok(()) }
    }

    fn names(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(suffix) => host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')),
            None => allowed == host,
        })
    }
}

fn within(field: &str) -> Error {
    let fix = "requests.allowed_hosts allows it";
    Error::invalid(field, format!("a host of the network within, which requests over HTTP may not name; {fix}"))
}

/// As hosts are compared.
fn plain(host: &str) -> String {
    host.trim().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_lowercase()
}

/// Names that stand for this machine or its network, whatever they resolve to. One without a dot is another container's, or is
/// looked up within.
fn is_name_within(name: &str) -> bool {
    let suffixes = ["localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain", "cluster.local"];
    !name.contains('.')
        || suffixes.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}

/// An address that the world does not reach (IANA's special-purpose registries), or that stands for one.
pub fn is_within(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_within_v4(address),
        IpAddr::V6(address) => is_within_v6(address),
    }
}

fn is_within_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared by carriers (RFC 6598), protocol assignments, benchmarks.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
}

fn is_within_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let last = || {
        let [a, b, c, d] = [segments[6] >> 8, segments[6] & 255, segments[7] >> 8, segments[7] & 255];
        Ipv4Addr::from([a, b, c, d].map(|byte| u8::try_from(byte).unwrap_or(0)))
    };
    match segments {
        // Unspecified, loopback, mapped and compatible ones; NAT64 (RFC 6052); 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            segments[..5] == [0; 5] && segments[5] == 0 || is_within_v4(last())
        }
        [0x64, 0xff9b, ..] => true,
        [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_within_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Unique local, link-local, site-local, multicast; Teredo.
        [first, second, ..] => {
            first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first >= 0xff00 || (first == 0x2001 && second == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_within_are_refused_however_they_are_written() {
        let targets = Targets::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "minio",
            "backend",
            "metadata.google.internal",
            "printer.local",
            "svc.ns.svc.cluster.local",
        ] {
            let error = targets.check("webhooks.url", &format!("http://{host}:8000/x")).unwrap_err().message;
            assert!(error.starts_with("webhooks.url: ") && error.contains("requests.allowed_hosts"), "{host}: {error}");
        }
        for host in ["8.8.8.8", "[2606:4700::1111]", "172.32.0.1", "100.128.0.1", "[64:ff9b::808:808]"] {
            assert_eq!(targets.check("f", &format!("https://{host}/")).unwrap(), Destination::Allowed, "{host}");
        }
        let wanted = Destination::Resolve("hooks.example.org".into(), 443);
        assert_eq!(targets.check("f", "https://Hooks.example.org/x").unwrap(), wanted);
        assert!(targets.check_addresses("f", &["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()]).is_err());
        assert!(targets.check_addresses("f", &["8.8.8.8".parse().unwrap()]).is_ok());
    }

    #[test]
    fn what_the_configuration_names_is_allowed() {
        let allowed = vec!["10.0.0.9".into(), "*.svc.cluster.local".into(), "fd00::1".into()];
        let targets = Targets::new(allowed, ["http://backend:8000/hook", "ws://127.0.0.1:7880", "nonsense"]);
        for url in [
            "http://backend:8000/x",
            "http://127.0.0.1:7880",
            "http://10.0.0.9",
            "http://a.svc.cluster.local",
            "http://[fd00::1]/",
        ] {
            assert_eq!(targets.check("f", url).unwrap(), Destination::Allowed, "{url}");
        }
        for url in [
            "http://minio:9000",
            "http://backend:22/",
            "http://127.0.0.1:6379",
            "http://127.0.0.2",
            "http://svc.cluster.local",
            "http://10.0.0.90",
        ] {
            assert!(targets.check("f", url).is_err(), "{url}");
        }
        let everything = Targets::new(vec!["*".into()], []);
        assert_eq!(everything.check("f", "http://169.254.169.254/").unwrap(), Destination::Allowed);
    }

    proptest! {
        #[test]
        fn an_address_is_judged_the_same_however_it_is_mapped(address: u32) {
            let v4 = Ipv4Addr::from_bits(address);
            prop_assert_eq!(is_within(IpAddr::V4(v4)), is_within(IpAddr::V6(v4.to_ipv6_mapped())));
            let nat64 = Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | u128::from(address));
            prop_assert_eq!(is_within(IpAddr::V4(v4)), is_within(IpAddr::V6(nat64)));
        }

        #[test]
        fn nothing_written_as_a_url_panics(text in ".*") {
            let _ = Targets::default().check("f", &text);
            let _ = Targets::default().check("f", &format!("http://{text}/"));
        }
    }
}
