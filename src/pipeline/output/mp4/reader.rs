//! Reads the boxes of a long file with few reads: what stands side by side is read at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::boxes::{self, BoxHead};

/// A box of metadata larger than this is not believed.
const LARGEST: u64 = 64 << 20;
/// Bytes of a read: the `moof` of a second and the head of the `mdat` behind it fit in, and no disk reads less in less time.
const AHEAD: usize = 8 << 10;

/// A file and what was last read of it.
#[derive(Debug)]
pub struct Reader {
    file: File,
    length: u64,
    window: Vec<u8>,
    /// Where the window begins.
    from: u64,
    /// How often the file was asked.
    #[cfg(test)]
    pub reads: usize,
}

impl Reader {
    /// Of a file of this length; what grows behind it is not seen.
    pub fn new(file: File, length: u64) -> Self {
        Self {
            file,
            length,
            window: Vec::new(),
            from: 0,
            #[cfg(test)]
            reads: 0,
        }
    }

    /// The head of the box at `at`; `None` at the end, or when the box is not whole.
    pub fn head(&mut self, at: u64) -> io::Result<Option<BoxHead>> {
        let left = self.length.saturating_sub(at);
        if left < 8 {
            return Ok(None);
        }
        let length = self.length;
        let head = boxes::head(self.read(at, left.min(16))?);
        Ok(head.filter(|h| h.size >= h.length as u64 && at.saturating_add(h.size) <= length))
    }

    /// So many bytes at `at`.
    pub fn read(&mut self, at: u64, size: u64) -> io::Result<&[u8]> {
        let too_large = || io::Error::new(io::ErrorKind::InvalidData, format!("a box of {size} bytes"));
        let size = usize::try_from(size).ok().filter(|_| size <= LARGEST).ok_or_else(too_large)?;
        if self.within(at, size).is_none() {
            let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
            self.window.clear();
            self.window.resize((size + AHEAD).min(left).max(size), 0);
            self.from = at;
            #[cfg(test)]
            {
                self.reads += 1;
            }
            if let Err(e) = self.file.read_exact_at(&mut self.window, at) {
                self.window.clear();
                return Err(e);
            }
        }
        self.within(at, size).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The file again.
    pub fn into_file(self) -> File {
        self.file
    }

    fn within(&self, at: u64, size: usize) -> Option<&[u8]> {
        let begin = usize::try_from(at.checked_sub(self.from)?).ok()?;
        self.window.get(begin..begin.checked_add(size)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A `moof` of 1.2 kB and an `mdat` of 50 kB.
    const MOOF: usize = 1200;
    const MDAT: usize = 50_000;

    #[test]
    fn a_fragment_takes_one_read() {
        let mut file = tempfile::tempfile().unwrap();
        for _ in 0..100 {
            file.write_all(&boxes::boxed(b"moof", &[1; MOOF])).unwrap();
            file.write_all(&boxes::boxed(b"mdat", &[2; MDAT])).unwrap();
        }
        let length = file.metadata().unwrap().len();
        let mut reader = Reader::new(file, length);
        let (mut at, mut kinds) = (0, Vec::new());
        while let Some(head) = reader.head(at).unwrap() {
            if &head.kind == b"moof" {
                assert!(reader.read(at, head.size).unwrap()[8..].iter().all(|byte| *byte == 1));
            }
            kinds.push(head.kind);
            at += head.size;
        }
        assert_eq!((kinds.len(), at, reader.reads), (200, length, 100));
    }

    #[test]
    fn what_lies_about_its_size_is_not_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&boxes::large_head(*b"moof", 3)).unwrap();
        let mut reader = Reader::new(file, 16);
        assert_eq!(reader.head(0).unwrap(), None, "smaller than its own head");
        assert!(reader.read(0, 1 << 40).is_err());
        assert!(reader.read(8, 9).is_err(), "beyond the end");
    }
}
