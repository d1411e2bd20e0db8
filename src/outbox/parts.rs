//! Pure. How a file is cut into parts, and which of them are still to be sent.
//!
//! All parts but the last are equally long: some stores (Cloudflare R2) refuse others when the object is put together. How
//! long is decided before the first is sent, by what the file may become; a store that takes fewer parts than were needed gets
//! larger ones in another upload.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::recording::{Part, Request};
use crate::storage::SMALLEST_PART;

/// The smallest that S3 takes: what is left to be sent at the end is small.
pub const PART: u64 = SMALLEST_PART;
/// The largest that we make unasked; each is in memory while it is sent.
pub const LARGEST: u64 = 128 << 20;
/// The most parts that S3 takes.
const MOST: u32 = 10_000;
/// What a file whose length is known is cut into at most: Scaleway takes 1000 parts, and bitrates are targets.
const USUAL: u64 = 900;
const MIB: u64 = 1 << 20;

/// How long the parts of a file of this length are; `None` when nobody knows how long it becomes. Never below `least`.
pub fn length_for(expected: Option<u64>, least: u64) -> u64 {
    let wanted = expected.map_or(PART, |bytes| whole_mib(bytes.div_ceil(USUAL)));
    wanted.clamp(PART, LARGEST).max(least)
}

/// The bytes that a recording has when it runs into its limits; `None` without any.
pub fn expected(request: &Request) -> Option<u64> {
    let Request { output, limits, .. } = request;
    let video = output.video().map_or(0, |video| u64::from(video.bitrate));
    let audio = output.audio().map_or(0, |audio| u64::from(audio.bitrate));
    let by_time = limits.max_duration.map(|length| length.as_secs().saturating_mul((video + audio) * 1000 / 8));
    by_time.into_iter().chain(limits.max_bytes).min()
}

/// How long the parts must be instead for a file of `size` bytes (that may grow, unless it is `whole`) when the store refused to
/// take more parts than these; `None` when that is more than `most`.
pub fn larger(sent: &[Part], part: u64, size: u64, whole: bool, most: u64) -> Option<u64> {
    let taken = sent.iter().map(|part| part.index).max().map_or(1, |last| u64::from(last) + 1);
    let end = if whole { size } else { size.saturating_mul(2) };
    let wanted = whole_mib(end.div_ceil(taken)).max(part.saturating_mul(2));
    (part < most).then_some(wanted.min(most))
}

/// Where a part lies in its file, as long as the file is long enough.
pub fn range(index: u32, part: u64) -> Range<u64> {
    let begin = part.saturating_mul(index.into());
    begin..begin.saturating_add(part)
}

/// Where a part lies in a file of this size.
pub fn range_in(index: u32, part: u64, size: u64) -> Range<u64> {
    let Range { start, end } = range(index, part);
    start.min(size)..end.min(size)
}

/// No store takes this many.
pub fn too_many(index: u32) -> bool {
    index >= MOST
}

/// The next part to send while the file grows: one that is whole, in order, or its unfinished end when that is `due`. Both are sent
/// again later: the first part because the head of an MP4 changes at the end, the last one because it grows. What the store
/// has makes a film at any time: only the last part of an upload may be short.
pub fn next(sent: &[Part], part: u64, size: u64, due: bool) -> Option<(u32, Range<u64>)> {
    let whole: BTreeSet<_> = sent.iter().filter(|one| one.bytes == part).map(|one| one.index).collect();
    let mut all = (0..).map(|index| (index, range_in(index, part, size)));
    let (index, range) = all.find(|(index, range)| range.end - range.start < part || !whole.contains(index))?;
    if range.end - range.start == part {
        return Some((index, range));
    }
    let has = sent.iter().find(|one| one.index == index).map_or(0, |one| one.bytes);
    (due && range.end - range.start > has).then_some((index, range))
}

/// What a film can be made of before its end is there: the parts from the first on, of which the last may be short.
pub fn playable(sent: &[Part], part: u64) -> Vec<Part> {
    let mut sorted = sent.to_vec();
    sorted.sort_by_key(|one| one.index);
    let whole = sorted.iter().zip(0..).take_while(|(one, index)| one.index == *index && one.bytes == part).count();
    let end = sorted.get(whole).filter(|one| usize::try_from(one.index) == Ok(whole) && one.bytes < part);
    let length = whole + usize::from(end.is_some());
    sorted.truncate(length);
    sorted
}

/// What is to be sent of a file that is whole, in this order: the first part is the last.
pub fn missing(sent: &[Part], part: u64, size: u64) -> Vec<u32> {
    let sent = indexes(sent);
    let all = (0..).take_while(|index| range(*index, part).start < size);
    let mut missing: Vec<_> = all.filter(|index| !sent.contains(index)).collect();
    if missing.first() == Some(&0) {
        missing.rotate_left(1);
    }
    missing
}

/// Forgets the parts that a file of this size does not have, or has of another length.
pub fn keep_fitting(sent: &mut Vec<Part>, part: u64, size: u64) {
    sent.retain(|one| {
        let Range { start, end } = range_in(one.index, part, size);
        start < end && one.bytes == end - start
    });
}

/// The parts whose bytes may have changed since, the likeliest first: the head, then from the end.
pub fn suspects(sent: &[Part]) -> Vec<Part> {
    let mut suspects = sent.to_vec();
    suspects.sort_by_key(|part| if part.index == 0 { u32::MAX } else { part.index });
    suspects.reverse();
    suspects
}

fn indexes(sent: &[Part]) -> BTreeSet<u32> {
    sent.iter().map(|part| part.index).collect()
}

fn whole_mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB).saturating_mul(MIB)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::recording::{Limits, Output, VideoSettings};
    use crate::scene::Layout;

    fn parts(of: &[(u32, u64)]) -> Vec<Part> {
        of.iter().map(|(index, bytes)| Part { index: *index, bytes: *bytes, crc32: 0, id: String::new() }).collect()
    }

    #[test]
    fn parts_cover_the_file_without_gaps_and_are_equal() {
        for part in [PART, PART + MIB, LARGEST] {
            for index in [0, 1, 7_999, 8_000, 9_998] {
                assert_eq!(range(index, part).end, range(index + 1, part).start);
                assert_eq!(range(index, part).end - range(index, part).start, part);
            }
        }
        assert!(too_many(10_000) && !too_many(9_999));
    }

    #[test]
    fn a_known_length_fits_into_a_thousand_parts() {
        for bytes in [1, PART, 3 << 30, 40 << 30, 100 << 30] {
            let part = length_for(Some(bytes), 0);
            assert!(bytes.div_ceil(part) <= 1000, "{bytes}: {part}");
            assert!((PART..=LARGEST).contains(&part) && part.is_multiple_of(MIB));
        }
        assert_eq!((length_for(None, 0), length_for(Some(0), 0)), (PART, PART));
        assert_eq!((length_for(None, 20 * MIB), length_for(Some(u64::MAX), 0)), (20 * MIB, LARGEST));
        let hours = |hours: u64| {
            let output = Output::mp4(VideoSettings::preset(Layout::from_name(""))).unwrap();
            let limits = Limits { max_duration: Some(Duration::from_secs(hours * 3600)), ..Limits::default() };
            expected(&Request { room: "r".into(), output, limits }).unwrap()
        };
        assert!((1 << 30..2 << 30).contains(&hours(1)), "{}", hours(1));
        assert_eq!(length_for(Some(hours(1)), 0), PART);
        assert!(length_for(Some(hours(8)), 0) > PART);
    }

    #[test]
    fn fewer_parts_are_larger_ones_and_that_ends() {
        let of = |count: u32| parts(&(1..count).map(|index| (index, PART)).collect::<Vec<_>>());
        // The thousand-and-first was refused.
        let part = larger(&of(1000), PART, 1001 * PART, false, LARGEST).unwrap();
        assert!(2002 * PART / part <= 1000, "{part}");
        // One part alone: the whole file, when it is known.
        assert_eq!(larger(&[], PART, 36 * MIB + 1, true, LARGEST), Some(37 * MIB));
        // It never stays as it is, and it ends.
        let (mut part, mut turns) = (PART, 0);
        while let Some(next) = larger(&[], part, 10 << 30, false, LARGEST) {
            assert!(next > part);
            (part, turns) = (next, turns + 1);
        }
        assert!(part == LARGEST && turns < 8);
    }

    #[test]
    fn the_first_part_is_the_last() {
        assert_eq!(missing(&parts(&[(1, PART), (2, PART)]), PART, 3 * PART + 7), [3, 0]);
        assert_eq!(missing(&parts(&[(0, PART)]), PART, PART + 1), [1]);
        assert_eq!(missing(&[], PART, 2 * PART), [1, 0]);
    }

    #[test]
    fn parts_are_sent_in_order_and_the_unfinished_end_when_it_is_due() {
        let next = |sent: &[(u32, u64)], size, due| next(&parts(sent), PART, size, due);
        assert_eq!(next(&[], PART - 1, false), None);
        assert_eq!(next(&[], PART - 1, true), Some((0, 0..PART - 1)));
        assert_eq!(next(&[(0, PART - 1)], PART - 1, true), None, "it has not grown");
        assert_eq!(next(&[(0, PART - 1)], PART, false), Some((0, 0..PART)), "it is whole now");
        assert_eq!(next(&[(0, PART), (1, PART)], 2 * PART + 9, false), None);
        assert_eq!(next(&[(0, PART), (1, PART)], 2 * PART + 9, true), Some((2, 2 * PART..2 * PART + 9)));
        assert_eq!(next(&[(0, PART), (1, 7), (2, PART)], 4 * PART, true), Some((1, PART..2 * PART)));
        assert_eq!(
            next(&[(1, PART), (2, PART)], 3 * PART, false),
            Some((0, 0..PART)),
            "an earlier version kept it back"
        );
        assert_eq!(next(&[], 0, true), None);
    }

    proptest::proptest! {
        /// However a file grows and whenever its end is due: what the store has is the beginning of the file, without a gap,
        /// nothing that is whole waits, and a last try leaves nothing unsent.
        #[test]
        fn the_store_always_has_a_beginning_that_plays(steps in proptest::collection::vec((0..3 * PART, proptest::bool::ANY, 0..4_usize), 1..40)) {
            let (mut sent, mut size) = (Vec::new(), 0);
            for (more, due, most) in steps {
                size += more;
                for _ in 0..most {
                    let Some((index, range)) = next(&sent, PART, size, due) else { break };
                    sent.retain(|one: &Part| one.index != index);
                    sent.push(Part { index, bytes: range.end - range.start, crc32: 0, id: String::new() });
                }
                let playable = playable(&sent, PART);
                assert_eq!(playable.len(), sent.len());
                let bytes: u64 = playable.iter().map(|one| one.bytes).sum();
                assert!(bytes <= size && next(&sent, PART, size, false).is_some() == (size / PART > bytes / PART));
            }
            while let Some((index, range)) = next(&sent, PART, size, true) {
                sent.retain(|one| one.index != index);
                sent.push(Part { index, bytes: range.end - range.start, crc32: 0, id: String::new() });
            }
            assert_eq!(playable(&sent, PART).iter().map(|one| one.bytes).sum::<u64>(), size);
        }
    }

    #[test]
    fn a_film_is_made_of_what_is_there_without_a_gap() {
        let made = |sent: &[(u32, u64)]| playable(&parts(sent), PART).iter().map(|one| one.index).collect::<Vec<_>>();
        assert_eq!(made(&[(2, 9), (0, PART), (1, PART)]), [0, 1, 2]);
        assert_eq!(made(&[(0, PART), (2, PART)]), [0]);
        assert_eq!(made(&[(0, PART), (1, 9), (2, PART)]), [0, 1], "nothing follows a short one");
        assert_eq!(made(&[(1, PART)]), [0_u32; 0]);
        assert_eq!(made(&[(0, 9)]), [0]);
    }

    #[test]
    fn a_shorter_file_forgets_parts() {
        let mut sent = parts(&[(1, PART), (2, PART), (3, PART), (4, 9)]);
        keep_fitting(&mut sent, PART, 3 * PART + 10);
        assert_eq!(sent, parts(&[(1, PART), (2, PART)]));
        keep_fitting(&mut sent, PART, 2 * PART);
        assert_eq!(sent, parts(&[(1, PART)]));
        let order: Vec<_> = suspects(&parts(&[(1, 1), (0, 1), (3, 1)])).iter().map(|part| part.index).collect();
        assert_eq!(order, [0, 3, 1]);
    }
}
