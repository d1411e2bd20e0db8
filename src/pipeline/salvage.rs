//! What a killed recorder has left: made whole, and measured.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::mixer::RATE;
use super::mp4;
use crate::recording::{Container, Media};

/// An Ogg page is never larger (RFC 3533, section 6): the last one begins within this much of the end, also when another
/// one was cut off behind it.
const TAIL: u64 = 2 * 65_307;

/// What a recorder has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file, as it is now.
    pub media: Media,
    /// The recorder had finished it: nothing is missing.
    pub finished: bool,
}

/// Makes the file of an interrupted recording an ordinary one, in place, and says how large and how long it is.
/// Doing it again does no harm. `steps` counts what is done, for whoever waits.
pub fn salvage(container: Container, path: &Path, steps: &AtomicU64) -> io::Result<Left> {
    match container {
        Container::Mp4 => {
            let mp4::Finalised { bytes, before } = mp4::finalise(path, steps)?;
            Ok(Left { media: Media { bytes, duration_ns: mp4::duration_ns(path)? }, finished: before })
        }
        // A decoder stops at a page that is not whole; the pages before it need no index.
        Container::Ogg => {
            let mut file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut tail = Vec::new();
            file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL)))?;
            file.read_to_end(&mut tail)?;
            let media = Media { bytes, duration_ns: ogg_duration_ns(&tail) };
            Ok(Left { media, finished: ogg_ended(&tail) })
        }
    }
}

/// The last page ends its stream (RFC 3533, section 6: header type flag 4).
fn ogg_ended(tail: &[u8]) -> bool {
    let last = tail.windows(6).rfind(|page| page.starts_with(b"OggS\0"));
    last.and_then(|page| page.get(5)).is_some_and(|flags| flags & 4 != 0)
}

/// From the newest granule position: samples of 48 kHz since the beginning (RFC 7845, section 4), the encoder's 6.5 ms of
/// priming among them. 0 without any.
fn ogg_duration_ns(tail: &[u8]) -> u64 {
    let positions = tail.windows(14).filter(|page| page.starts_with(b"OggS\0"));
    // All ones: no packet ends on this page.
    let samples =
        positions.filter_map(|page| page[6..].try_into().ok().map(u64::from_le_bytes)).filter(|p| *p != u64::MAX);
    let ns = samples.max().map_or(0, |samples| u128::from(samples) * 1_000_000_000 / RATE as u128);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_page_of_an_ogg_counts() {
        let page = |position: u64| [b"OggS\0\0".as_slice(), &position.to_le_bytes(), b"serial and so on"].concat();
        let file = [page(48_000), page(96_000), page(u64::MAX), page(144_000)[..9].to_vec()].concat();
        assert_eq!(ogg_duration_ns(&file), 2_000_000_000);
        assert_eq!(ogg_duration_ns(b""), 0);
        assert!(!ogg_ended(&file) && !ogg_ended(b""));
        let end = [b"OggS\0\x04".as_slice(), &1_u64.to_le_bytes(), b"serial and so on"].concat();
        assert!(ogg_ended(&[page(1), end.clone()].concat()));
        assert!(!ogg_ended(&[end, page(1)].concat()), "another stream began behind it");
    }
}
