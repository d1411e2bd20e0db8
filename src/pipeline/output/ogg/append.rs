//! Pure. A further take of a sound file: what the muxer writes → what is appended to the stream of the take before.
//!
//! Each take is muxed as if it were the first. Its two header packets are left out (RFC 7845, section 3), its pages become pages
//! of the stream that is there, and their positions go on where it ends.

use super::page::{NO_PACKET, Page};

/// Where the stream of the takes before ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// Bytes up to the end of its last whole page.
    pub bytes: u64,
    /// The stream's serial number.
    pub serial: u32,
    /// Of its last page.
    pub sequence: u32,
    /// Granule position of its last page: samples of 48 kHz, the encoder's priming among them.
    pub granule: u64,
}

/// What the muxer of a further take writes, page by page.
#[derive(Debug)]
pub struct Append {
    end: StreamEnd,
    /// Bytes of a page that is not whole.
    pending: Vec<u8>,
    /// Header packets that are still to come.
    headers: usize,
}

impl Append {
    /// Goes on where the stream ends.
    pub const fn new(end: StreamEnd) -> Self {
        Self { end, pending: Vec::new(), headers: 2 }
    }

    /// The bytes that are to be appended for these of the muxer, in whatever pieces they come.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(page) = Page::read(&self.pending) {
            self.pending.drain(..page.bytes().len());
            if self.headers > 0 {
                // Each of them ends its page.
                self.headers -= usize::from(page.ends_packet());
                continue;
            }
            self.end.sequence = self.end.sequence.wrapping_add(1);
            let granule = match page.granule() {
                NO_PACKET => NO_PACKET,
                granule => granule.saturating_add(self.end.granule),
            };
            out.extend_from_slice(page.moved(self.end.serial, self.end.sequence, granule).bytes());
        }
        if self.pending.len() >= 5 && !self.pending.starts_with(b"OggS\0") {
            return Err("the muxer wrote something else than pages".to_owned());
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A page of one packet.
    fn page(flags: u8, granule: u64, sequence: u32, packet: &[u8]) -> Vec<u8> {
        let head = [b"OggS\0".as_slice(), &[flags], &[0; 20], &[1, packet.len() as u8], packet].concat();
        Page::read(&head).unwrap().moved(5, sequence, granule).bytes().to_vec()
    }

    fn end() -> StreamEnd {
        StreamEnd { bytes: 1000, serial: 77, sequence: 9, granule: 48_000 }
    }

    #[test]
    fn pages_go_on_where_the_stream_ends() {
        let pages =
            [page(2, 0, 0, b"OpusHead"), page(0, 0, 1, b"OpusTags"), page(0, 960, 2, b"a"), page(4, 1920, 3, b"b")];
        for piece in 1..100 {
            let mut append = Append::new(end());
            let out: Vec<u8> = pages.concat().chunks(piece).flat_map(|piece| append.feed(piece).unwrap()).collect();
            let first = Page::read(&out).unwrap();
            let second = Page::read(&out[first.bytes().len()..]).unwrap();
            assert!(first.is_valid() && second.is_valid());
            assert_eq!((first.serial(), first.sequence(), first.granule()), (77, 10, 48_960));
            assert_eq!((second.serial(), second.sequence(), second.granule()), (77, 11, 49_920));
            assert!(super::super::has_ended(&out) && second.bytes().ends_with(b"b"));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_pieces_nothing_panics(bytes: Vec<u8>, piece in 1..64_usize, at in 0..60_usize) {
            let mut written = [page(2, 0, 0, b"OpusHead"), page(0, 0, 1, b"OpusTags")].concat();
            written.splice(at.min(written.len()).., bytes);
            let mut append = Append::new(end());
            for piece in written.chunks(piece) {
                if append.feed(piece).is_err() {
                    break;
                }
            }
        }
    }
}
