//! Pure. How a file is cut into parts, and which of them are still to be sent.
//!
//! Parts are equal for the first 39 GiB, because some stores want that, and there are never more than 10 000 of them.

use std::ops::Range;

use crate::recording::Part;

/// The smallest part that S3 takes, but for the last one: what is left to be sent at the end is small.
pub const PART: u64 = 5 << 20;
/// How many of those there are.
const MANY: u32 = 8_000;
/// The parts behind them.
const LARGE: u64 = 128 << 20;

/// Where a part lies in its file, as long as the file is long enough.
pub fn range(index: u32) -> Range<u64> {
    let begin = |index: u32| PART * u64::from(index.min(MANY)) + LARGE * u64::from(index.saturating_sub(MANY));
    begin(index)..begin(index.saturating_add(1))
}

/// Where a part lies in a file of this size.
pub fn range_in(index: u32, size: u64) -> Range<u64> {
    let Range { start, end } = range(index);
    start..end.min(size)
}

/// The next part to send while the file grows. Never the first: the head of an MP4 changes at the end.
pub fn next_whole(sent: &[Part], size: u64) -> Option<u32> {
    (1..).take_while(|index| range(*index).end <= size).find(|index| !is_sent(sent, *index))
}

/// What is to be sent of a file that is whole, in this order: the first part is the last.
pub fn missing(sent: &[Part], size: u64) -> Vec<u32> {
    let all = (0..).take_while(|index| range(*index).start < size);
    let mut missing: Vec<_> = all.filter(|index| !is_sent(sent, *index)).collect();
    if missing.first() == Some(&0) {
        missing.rotate_left(1);
    }
    missing
}

/// Forgets the parts that a file of this size does not have, or has of another length.
pub fn keep_fitting(sent: &mut Vec<Part>, size: u64) {
    sent.retain(|part| {
        let Range { start, end } = range_in(part.index, size);
        start < end && part.bytes == end - start
    });
}

/// The parts whose bytes may have changed since, the likeliest first: the head, then from the end.
pub fn suspects(sent: &[Part]) -> Vec<Part> {
    let mut suspects = sent.to_vec();
    suspects.sort_by_key(|part| if part.index == 0 { u32::MAX } else { part.index });
    suspects.reverse();
    suspects
}

fn is_sent(sent: &[Part], index: u32) -> bool {
    sent.iter().any(|part| part.index == index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(of: &[(u32, u64)]) -> Vec<Part> {
        of.iter().map(|(index, bytes)| Part { index: *index, bytes: *bytes, crc32: 0, id: String::new() }).collect()
    }

    #[test]
    fn parts_cover_the_file_without_gaps() {
        for index in [0, 1, MANY - 1, MANY, 9_998] {
            assert_eq!(range(index).end, range(index + 1).start);
        }
        assert_eq!((range(0), range(MANY - 1).end), (0..PART, PART * u64::from(MANY)));
        assert!(range(9_999).end > 270 << 30, "10 000 parts are enough for a day of 25 Mbit/s");
    }

    #[test]
    fn the_first_part_is_the_last() {
        assert_eq!(next_whole(&[], 2 * PART - 1), None);
        assert_eq!(next_whole(&[], 2 * PART), Some(1));
        assert_eq!(next_whole(&parts(&[(1, PART)]), 2 * PART), None);
        assert_eq!(next_whole(&parts(&[(2, PART)]), 3 * PART), Some(1), "one that was dropped");
        assert_eq!(missing(&parts(&[(1, PART), (2, PART)]), 3 * PART + 7), [3, 0]);
        assert_eq!(missing(&parts(&[(0, PART)]), PART + 1), [1]);
        assert_eq!(missing(&[], 2 * PART), [1, 0]);
    }

    #[test]
    fn a_shorter_file_forgets_parts() {
        let mut sent = parts(&[(1, PART), (2, PART), (3, PART), (4, 9)]);
        keep_fitting(&mut sent, 3 * PART + 10);
        assert_eq!(sent, parts(&[(1, PART), (2, PART)]));
        keep_fitting(&mut sent, 2 * PART);
        assert_eq!(sent, parts(&[(1, PART)]));
        let order: Vec<_> = suspects(&parts(&[(1, 1), (0, 1), (3, 1)])).iter().map(|part| part.index).collect();
        assert_eq!(order, [0, 3, 1]);
    }
}
