//! What a killed recorder has left: made whole, and measured.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::{mp4, ogg};
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
            let (tail, bytes) = tail(path)?;
            let media = Media { bytes, duration_ns: ogg::duration_ns(&tail) };
            Ok(Left { media, finished: ogg::has_ended(&tail) })
        }
    }
}

/// The end of an Ogg file, with its last whole page in it, and the length of the file.
pub(super) fn tail(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL)))?;
    file.read_to_end(&mut tail)?;
    Ok((tail, bytes))
}

#[cfg(test)]
#[path = "../../../fuzz/checks/ogg.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::check;

    proptest! {
        #[test]
        fn any_end_of_an_ogg_is_read(pieces in proptest::collection::vec((any::<bool>(), any::<Vec<u8>>()), 0..6)) {
            let page = |(page, bytes): (bool, Vec<u8>)| [if page { b"OggS\0".as_slice() } else { b"" }, &bytes].concat();
            check::check(&pieces.into_iter().flat_map(page).collect::<Vec<_>>());
        }
    }
}
