//! Pure. Which bytes of a file were requested (RFC 9110, 13 and 14).

use std::ops::Range;

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeDecision {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 416: the file has none of these bytes.
    Unsatisfiable,
    /// 304: the client has it already.
    Unchanged,
}

/// The headers that decide, as they came; one that is not text counts as not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeRequest<'a> {
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
}

impl RangeRequest<'_> {
    /// The answer for a file of `bytes` with this strong entity tag. What is not understood is ignored, and several ranges at
    /// once are too: the RFC allows both, and no player asks for them.
    pub fn decide(&self, bytes: u64, etag: &str) -> RangeDecision {
        if self.if_none_match.is_some_and(|list| lists(list, etag)) {
            return RangeDecision::Unchanged;
        }
        // A date or a weak tag never equals a strong one: then the whole file is sent.
        if self.if_range.is_some_and(|known| known.trim() != etag) {
            return RangeDecision::Whole;
        }
        self.range.and_then(|range| range_of(range, bytes)).unwrap_or(RangeDecision::Whole)
    }
}

/// Weak comparison (RFC 9110, 13.1.2).
fn lists(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// One range of bytes: `bytes=0-9`, `bytes=10-`, `bytes=-5`.
fn range_of(header: &str, bytes: u64) -> Option<RangeDecision> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let range = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(0)) => return Some(RangeDecision::Unsatisfiable),
        (None, Some(length)) => bytes.saturating_sub(length)..bytes,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(bytes),
        (Some(first), None) => first..bytes,
    };
    Some(if range.start < bytes { RangeDecision::Part(range) } else { RangeDecision::Unsatisfiable })
}

/// Digits, or nothing at all; a number too large for us lies behind every file's end.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
#[path = "../../../fuzz/checks/range.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"tag\"";

    fn of(range: &str, bytes: u64) -> RangeDecision {
        RangeRequest { range: Some(range), ..RangeRequest::default() }.decide(bytes, TAG)
    }

    #[test]
    fn single_ranges_are_cut_to_the_file() {
        for (range, wanted) in [
            ("bytes=0-", 0..100),
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("BYTES=90-1000", 90..100),
            ("bytes=99-99", 99..100),
            ("bytes=-1", 99..100),
            ("bytes=-1000", 0..100),
            ("bytes=5-99999999999999999999999", 5..100),
        ] {
            assert_eq!(of(range, 100), RangeDecision::Part(wanted), "{range}");
        }
    }

    #[test]
    fn what_the_file_has_not_is_said_so_and_nonsense_is_ignored() {
        for range in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(range, 100), RangeDecision::Unsatisfiable, "{range}");
        }
        assert_eq!(of("bytes=0-", 0), RangeDecision::Unsatisfiable);
        assert_eq!(of("bytes=-5", 0), RangeDecision::Unsatisfiable);
        for range in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "bytes=+1-2"]
        {
            assert_eq!(of(range, 100), RangeDecision::Whole, "{range}");
        }
    }

    #[test]
    fn a_part_is_given_only_of_the_file_the_client_knows() {
        let requested = |if_range, if_none_match| RangeRequest { range: Some("bytes=0-9"), if_range, if_none_match };
        assert_eq!(requested(Some(TAG), None).decide(100, TAG), RangeDecision::Part(0..10));
        for other in ["\"other\"", "W/\"tag\"", "Sun, 22 Nov 2026 20:00:00 GMT"] {
            assert_eq!(requested(Some(other), None).decide(100, TAG), RangeDecision::Whole, "{other}");
        }
        for known in [TAG, "*", "\"other\", W/\"tag\""] {
            assert_eq!(requested(None, Some(known)).decide(100, TAG), RangeDecision::Unchanged, "{known}");
        }
        assert_eq!(requested(None, Some("\"other\"")).decide(100, TAG), RangeDecision::Part(0..10));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_a_part_lies_within_the_file(
            range in "(bytes|BYTES|lines)?=?[0-9]{0,25}-?[0-9]{0,25}|.*", bytes: u64, small in 0..100_u64,
        ) {
            for bytes in [bytes, small] {
                check::check(Some(&range), None, None, bytes);
            }
        }

        #[test]
        fn a_range_within_the_file_is_given_as_asked(bytes in 1..u64::MAX, a: u64, b: u64) {
            let (a, b) = (a % bytes, b % bytes);
            let (first, last) = (a.min(b), a.max(b));
            prop_assert_eq!(of(&format!("bytes={first}-{last}"), bytes), RangeDecision::Part(first..last + 1));
            prop_assert_eq!(of(&format!("bytes={first}-"), bytes), RangeDecision::Part(first..bytes));
            prop_assert_eq!(of(&format!("bytes=-{}", last + 1), bytes), RangeDecision::Part(bytes - last - 1..bytes));
        }

        #[test]
        fn no_header_panics(range in ".*", if_range in "\"tag\"|.*", if_none_match in "\"tag\"|.*", bytes: u64) {
            check::check(Some(&range), Some(&if_range), Some(&if_none_match), bytes);
        }
    }
}
