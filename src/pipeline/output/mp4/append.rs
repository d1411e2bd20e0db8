//! Pure. A further take of a film: what the muxer writes → what is appended to the fragmented file of the take before.
//!
//! Each take is muxed as if it were the first. Its `ftyp` and `moov` are left out (the file has them already), and the decode
//! times, sequence numbers and offsets of its fragments go on where the file ends (ISO/IEC 14496-12, 8.8).

use super::boxes::{self, boxed, child, children, decode_time, u32_at, u64_at};
use super::end::{FileEnd, TrackEnd};

/// A box of metadata larger than this is not believed.
const LARGEST: u64 = 64 << 20;

/// What the muxer of a further take writes, box by box.
#[derive(Debug)]
pub struct Append {
    end: FileEnd,
    /// Bytes that came in.
    taken: u64,
    /// Where the box began that is being read, in what came in.
    box_at: u64,
    /// Bytes that went out, counted from the beginning of the file.
    given: u64,
    state: State,
    /// The first `moov` has been seen. At the end the muxer writes it once more, with what it has counted.
    fits: bool,
}

#[derive(Debug)]
enum State {
    /// A head is being read.
    Head(Vec<u8>),
    /// A box that is read as a whole.
    Whole { kind: [u8; 4], bytes: Vec<u8>, left: u64 },
    /// Media: it passes.
    Pass(u64),
    /// What the file has already, or does not need.
    Skip(u64),
}

impl Append {
    /// Goes on where the file ends.
    pub const fn new(end: FileEnd) -> Self {
        let given = end.bytes;
        Self { end, taken: 0, box_at: 0, given, state: State::Head(Vec::new()), fits: false }
    }

    /// The bytes that are to be appended for these of the muxer, in whatever pieces they come. The error says why the take does
    /// not fit the file.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let state = std::mem::replace(&mut self.state, State::Head(Vec::new()));
            let rest;
            (self.state, rest) = self.step(state, bytes, &mut out)?;
            self.taken += (bytes.len() - rest.len()) as u64;
            bytes = rest;
        }
        self.given += out.len() as u64;
        Ok(out)
    }

    fn step<'a>(&mut self, state: State, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<(State, &'a [u8]), String> {
        let split = |left: u64| bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
        match state {
            State::Head(mut head) => {
                let (now, rest) = bytes.split_at(1);
                if head.is_empty() {
                    self.box_at = self.taken;
                }
                head.extend_from_slice(now);
                let long = head.get(..4) == Some(&[0, 0, 0, 1]);
                if head.len() < if long { 16 } else { 8 } {
                    return Ok((State::Head(head), rest));
                }
                Ok((self.begin(head, out)?, rest))
            }
            State::Pass(left) => {
                let (now, rest) = split(left);
                out.extend_from_slice(now);
                Ok((remaining(left, now, State::Pass), rest))
            }
            State::Skip(left) => {
                let (now, rest) = split(left);
                Ok((remaining(left, now, State::Skip), rest))
            }
            State::Whole { kind, bytes: mut all, left } => {
                let (now, rest) = split(left);
                all.extend_from_slice(now);
                let left = left - now.len() as u64;
                if left > 0 {
                    return Ok((State::Whole { kind, bytes: all, left }, rest));
                }
                if &kind == b"moov" {
                    self.check(&all)?;
                    self.fits = true;
                } else {
                    let written = self.given + out.len() as u64;
                    out.extend(self.fragment(&all, written).ok_or("a fragment of the muxer is malformed")?);
                }
                Ok((State::Head(Vec::new()), rest))
            }
        }
    }

    /// A head is whole.
    fn begin(&self, head: Vec<u8>, out: &mut Vec<u8>) -> Result<State, String> {
        let read = boxes::head(&head).filter(|read| read.size >= read.length as u64);
        let read = read.ok_or("the muxer wrote a box without a size")?;
        let left = read.size - read.length as u64;
        Ok(match &read.kind {
            b"moov" if self.fits => remaining(left, &[], State::Skip),
            b"moov" | b"moof" if read.size <= LARGEST => State::Whole { kind: read.kind, bytes: head, left },
            b"mdat" => {
                out.extend_from_slice(&head);
                remaining(left, &[], State::Pass)
            }
            _ => remaining(left, &[], State::Skip),
        })
    }

    /// The samples of both takes are decoded by one description.
    fn check(&self, moov: &[u8]) -> Result<(), String> {
        let tracks = super::index::Index::new(moov).map(|index| index.ends()).unwrap_or_default();
        let same = |a: &TrackEnd, b: &TrackEnd| {
            (a.id, a.timescale, a.handler, &a.description) == (b.id, b.timescale, b.handler, &b.description)
        };
        let fits =
            tracks.len() == self.end.tracks.len() && tracks.iter().zip(&self.end.tracks).all(|(a, b)| same(a, b));
        if fits { Ok(()) } else { Err("the encoders make another stream than the one in the file".to_owned()) }
    }

    /// A `moof` as it is in the file, at `written`.
    fn fragment(&self, moof: &[u8], written: u64) -> Option<Vec<u8>> {
        let inner = moof.get(8..)?;
        // Decode times take eight bytes from now on, where the muxer may have written four.
        let tfdt = |traf| child(traf, b"tfdt");
        let trafs = children(inner).filter(|(kind, _, _)| kind == b"traf");
        let short = trafs.filter(|(_, _, traf)| tfdt(traf).is_some_and(|tfdt| tfdt.first() == Some(&0))).count();
        let growth = u32::try_from(short * 4).ok()?;
        let mut out = Vec::new();
        for (kind, whole, payload) in children(inner) {
            match &kind {
                b"mfhd" => {
                    let number = u32_at(payload, 4)?.saturating_add(self.end.fragments);
                    out.extend(boxed(b"mfhd", &[payload.get(..4)?, &number.to_be_bytes()].concat()));
                }
                b"traf" => out.extend(boxed(b"traf", &self.track(payload, growth, written)?)),
                _ => out.extend_from_slice(whole),
            }
        }
        Some(boxed(b"moof", &out))
    }

    fn track(&self, traf: &[u8], growth: u32, written: u64) -> Option<Vec<u8>> {
        let id = u32_at(child(traf, b"tfhd")?, 4)?;
        let end = self.end.tracks.iter().find(|track| track.id == id)?.end;
        let mut out = Vec::new();
        for (kind, whole, payload) in children(traf) {
            match &kind {
                b"tfhd" => {
                    let mut tfhd = payload.to_vec();
                    // `base-data-offset-present`: from the beginning of the file.
                    if u32_at(payload, 0)? & 1 != 0 {
                        let base = u64_at(payload, 8)?.checked_sub(self.box_at)?.checked_add(written)?;
                        tfhd.get_mut(8..16)?.copy_from_slice(&base.to_be_bytes());
                    }
                    out.extend(boxed(b"tfhd", &tfhd));
                }
                b"tfdt" => {
                    let time = decode_time(payload)?.checked_add(end)?;
                    out.extend(boxed(b"tfdt", &[&[1, 0, 0, 0], time.to_be_bytes().as_slice()].concat()));
                }
                b"trun" => {
                    let mut trun = payload.to_vec();
                    // `data-offset-present`: from the beginning of the `moof`, which has grown.
                    if u32_at(payload, 0)? & 1 != 0 {
                        let offset = u32_at(payload, 8)?.checked_add(growth)?;
                        trun.get_mut(8..12)?.copy_from_slice(&offset.to_be_bytes());
                    }
                    out.extend(boxed(b"trun", &trun));
                }
                _ => out.extend_from_slice(whole),
            }
        }
        Some(out)
    }
}

fn remaining(left: u64, now: &[u8], state: impl Fn(u64) -> State) -> State {
    match left - now.len() as u64 {
        0 => State::Head(Vec::new()),
        left => state(left),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> FileEnd {
        let track = |id, end| TrackEnd { id, timescale: 1000, end, handler: *b"vide", description: Vec::new() };
        FileEnd { bytes: 10_000, fragments: 7, tracks: vec![track(1, 5000), track(2, 1 << 33)], picture: None }
    }

    /// A fragment of one sample of the track, with times of four bytes.
    fn fragment(track: u32, sequence: u32, time: u32) -> Vec<u8> {
        let full = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let traf = [
            boxed(b"tfhd", &full(&[0x02_0000, track])),
            boxed(b"tfdt", &full(&[0, time])),
            boxed(b"trun", &full(&[0x1, 1, 100])),
        ];
        let moof = [boxed(b"mfhd", &full(&[0, sequence])), boxed(b"traf", &traf.concat())].concat();
        [boxed(b"moof", &moof), boxed(b"mdat", b"moofmoof")].concat()
    }

    fn fed(append: &mut Append, bytes: &[u8], piece: usize) -> Vec<u8> {
        bytes.chunks(piece).flat_map(|piece| append.feed(piece).unwrap()).collect()
    }

    #[test]
    fn fragments_go_on_where_the_file_ends() {
        let written =
            [boxed(b"ftyp", b"isom"), fragment(1, 1, 0), fragment(2, 2, 40), boxed(b"mfra", b"index")].concat();
        let whole = fed(&mut Append::new(end()), &written, written.len());
        for piece in 1..40 {
            assert_eq!(fed(&mut Append::new(end()), &written, piece), whole, "in pieces of {piece}");
        }
        let boxes: Vec<_> = children(&whole).map(|(kind, _, payload)| (kind, payload)).collect();
        let kinds: Vec<_> = boxes.iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [b"moof", b"mdat", b"moof", b"mdat"]);
        for (moof, sequence, time) in [(boxes[0].1, 8, 5000), (boxes[2].1, 9, (1 << 33) + 40)] {
            assert_eq!(u32_at(child(moof, b"mfhd").unwrap(), 4), Some(sequence));
            let traf = child(moof, b"traf").unwrap();
            assert_eq!(u64_at(child(traf, b"tfdt").unwrap(), 4), Some(time));
            assert_eq!(u32_at(child(traf, b"trun").unwrap(), 8), Some(104), "the fragment has grown by four bytes");
        }
        assert_eq!((boxes[1].1, boxes[3].1), (b"moofmoof".as_slice(), b"moofmoof".as_slice()));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_pieces_nothing_panics(bytes: Vec<u8>, piece in 1..64_usize, at in 0..150_usize) {
            let mut written = fragment(1, 1, 0);
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
