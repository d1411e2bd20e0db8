//! What a killed recorder has left: made whole, and measured.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::mixer::RATE;
use super::mp4;
use crate::recording::{Container, Media};

/// An Ogg page is never larger (RFC 3533, section 6): the last one begins within this much of the end, also when another
/// one was cut off behind it.
const TAIL: u64 = 2 * 65_307;

/// Makes the file of an interrupted recording an ordinary one, in place, and says how large and how long it is.
/// Doing it again does no harm.
pub fn salvage(container: Container, path: &Path) -> io::Result<Media> {
    match container {
        Container::Mp4 => Ok(Media { bytes: mp4::finalise(path)?, duration_ns: mp4::duration_ns(path)? }),
        // A decoder stops at a page that is not whole; the pages before it need no index.
        Container::Ogg => {
            let mut file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut tail = Vec::new();
            file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL)))?;
            file.read_to_end(&mut tail)?;
            Ok(Media { bytes, duration_ns: ogg_duration_ns(&tail) })
        }
    }
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
    }
}
