//! Pure. What the end of an OGG file says of the whole, and how a further take is appended to it.

mod append;
mod page;

pub use append::{Append, StreamEnd};
use page::{NO_PACKET, Page};

/// Granule positions of Opus count samples of 48 kHz, whatever went in (RFC 7845, section 4).
const GRANULE_RATE: u128 = 48_000;

/// The last page ends its stream (RFC 3533, section 6: header type flag 4).
pub fn has_ended(tail: &[u8]) -> bool {
    let last = tail.windows(6).rfind(|page| page.starts_with(b"OggS\0"));
    last.and_then(|page| page.get(5)).is_some_and(|flags| flags & 4 != 0)
}

/// From the newest granule position: samples of 48 kHz since the beginning (RFC 7845, section 4), the encoder's 6.5 ms of
/// priming among them. 0 without any.
pub fn duration_ns(tail: &[u8]) -> u64 {
    let positions = tail.windows(14).filter(|page| page.starts_with(b"OggS\0"));
    // All ones: no packet ends on this page.
    let samples =
        positions.filter_map(|page| page[6..].try_into().ok().map(u64::from_le_bytes)).filter(|p| *p != u64::MAX);
    let ns = samples.max().map_or(0, |samples| u128::from(samples) * 1_000_000_000 / GRANULE_RATE);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Where the stream ends that a further take is to be appended to: behind the last undamaged page of `tail`, the end of a file
/// of `length` bytes. `None` without one, or when the stream has ended.
pub fn reopen(tail: &[u8], length: u64) -> Option<StreamEnd> {
    let starts =
        (0..tail.len().saturating_sub(4)).filter(|at| tail.get(*at..).is_some_and(|rest| rest.starts_with(b"OggS\0")));
    let mut pages =
        starts.filter_map(|at| Some((at, Page::read(tail.get(at..)?)?))).filter(|(_, page)| page.is_valid());
    let (at, page) = pages.rfind(|(_, page)| page.granule() != NO_PACKET)?;
    let (whole, granule) = (at + page.bytes().len(), page.granule());
    if granule == 0 || page.is_first() || has_ended(tail.get(..whole)?) {
        return None;
    }
    let bytes = length.checked_sub((tail.len() - whole) as u64)?;
    Some(StreamEnd { bytes, serial: page.serial(), sequence: page.sequence(), granule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_page_of_an_ogg_counts() {
        let page = |position: u64| [b"OggS\0\0".as_slice(), &position.to_le_bytes(), b"serial and so on"].concat();
        let file = [page(48_000), page(96_000), page(u64::MAX), page(144_000)[..9].to_vec()].concat();
        assert_eq!(duration_ns(&file), 2_000_000_000);
        assert_eq!(duration_ns(b""), 0);
        assert!(!has_ended(&file) && !has_ended(b""));
        let end = [b"OggS\0\x04".as_slice(), &1_u64.to_le_bytes(), b"serial and so on"].concat();
        assert!(has_ended(&[page(1), end.clone()].concat()));
        assert!(!has_ended(&[end, page(1)].concat()), "another stream began behind it");
    }
}
