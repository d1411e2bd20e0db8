//! Pure. Counts failed attempts per address: so many are answered, then fewer.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures at once.
const BURST: u32 = 20;
/// One more is allowed after each of these: 20 a minute.
const EVERY: Duration = Duration::from_secs(3);
/// Addresses that are remembered; beyond that everybody begins anew.
const PEERS: usize = 10_000;

/// A bucket of tokens per address. A network's IPv6 addresses (/64) count as one.
#[derive(Debug, Default)]
pub struct Failures {
    /// When each will be full again.
    full_at: HashMap<IpAddr, Instant>,
}

impl Failures {
    /// Counts one; gives how long to wait when there were too many.
    pub fn count(&mut self, peer: IpAddr, now: Instant) -> Option<Duration> {
        if self.full_at.len() >= PEERS {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= PEERS {
                self.full_at.clear();
            }
        }
        let full_at = self.full_at.entry(network(peer)).or_insert(now);
        let next = (*full_at).max(now) + EVERY;
        // This many are missing from a full bucket once this one is taken.
        match next.duration_since(now).checked_sub(EVERY * BURST).filter(|over| !over.is_zero()) {
            Some(wait) => Some(wait),
            None => {
                *full_at = next;
                None
            }
        }
    }
}

fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_at_once_then_one_every_three_seconds() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for n in 0..BURST {
            assert_eq!(failures.count(one, start), None, "{n}");
        }
        assert_eq!(failures.count(one, start), Some(EVERY));
        assert_eq!(failures.count(other, start), None, "others have a bucket of their own");
        assert_eq!(failures.count(one, start + EVERY / 2), Some(EVERY / 2));
        assert_eq!(failures.count(one, start + EVERY), None);
        assert_eq!(failures.count(one, start + EVERY), Some(EVERY));
        for n in 0..BURST {
            assert_eq!(failures.count(one, start + EVERY * 100), None, "{n}");
        }
    }

    #[test]
    fn many_addresses_take_little_memory() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        for n in 0..50_000_u32 {
            failures.count(IpAddr::V4(n.into()), start);
        }
        assert!(failures.full_at.len() <= PEERS);
        let mut failures = Failures::default();
        for n in 0..1000_u128 {
            failures.count(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n)), start);
        }
        assert_eq!(failures.full_at.len(), 1, "one network");
        failures.count("::ffff:10.0.0.1".parse().unwrap(), start);
        failures.count("10.0.0.1".parse().unwrap(), start);
        assert_eq!(failures.full_at.len(), 2, "the same address");
    }
}
