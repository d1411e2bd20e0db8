//! Pure. One page of an Ogg stream (RFC 3533, section 6).

use crc::{Algorithm, Crc, Table};

/// Bytes of a page's head, without its table of segments.
const HEAD: usize = 27;

/// Not reflected, nothing before and nothing after (RFC 3533, section 6, field 7).
const CHECKSUM: Algorithm<u32> = Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0,
    refin: false,
    refout: false,
    xorout: 0,
    check: 0x89a1_897f,
    residue: 0,
};

/// The page begins its stream.
const FIRST: u8 = 2;
/// No packet ends on the page.
pub const NO_PACKET: u64 = u64::MAX;

/// A whole page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(Vec<u8>);

impl Page {
    /// The page that `bytes` begin with, if it is whole. Whether it is undamaged says [`is_valid`](Self::is_valid).
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD).filter(|head| head.starts_with(b"OggS\0"))?;
        let segments = usize::from(*head.get(26)?);
        let table = bytes.get(HEAD..HEAD + segments)?;
        let length = HEAD + segments + table.iter().map(|size| usize::from(*size)).sum::<usize>();
        Some(Self(bytes.get(..length)?.to_vec()))
    }

    /// What is written to the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its checksum is right.
    pub fn is_valid(&self) -> bool {
        self.number(22) == self.checksum()
    }

    /// It begins a stream.
    pub fn is_first(&self) -> bool {
        self.0.get(5).is_some_and(|flags| flags & FIRST != 0)
    }

    /// A packet ends at its end: the last segment is not a full one.
    pub fn ends_packet(&self) -> bool {
        let segments = self.0.get(26).map_or(0, |count| usize::from(*count));
        segments > 0 && self.0.get(HEAD + segments - 1).is_some_and(|size| *size < 255)
    }

    /// The granule position; [`NO_PACKET`] when none ends here.
    pub fn granule(&self) -> u64 {
        self.0.get(6..14).and_then(|bytes| bytes.try_into().ok()).map_or(NO_PACKET, u64::from_le_bytes)
    }

    /// The stream's serial number.
    pub fn serial(&self) -> u32 {
        self.number(14)
    }

    /// Counts the pages of the stream.
    pub fn sequence(&self) -> u32 {
        self.number(18)
    }

    /// The same page as one of another stream.
    #[must_use]
    pub fn moved(mut self, serial: u32, sequence: u32, granule: u64) -> Self {
        self.put(6, &granule.to_le_bytes());
        self.put(14, &serial.to_le_bytes());
        self.put(18, &sequence.to_le_bytes());
        let checksum = self.checksum();
        self.put(22, &checksum.to_le_bytes());
        self
    }

    /// Over the whole page, with zeros where it stands itself.
    fn checksum(&self) -> u32 {
        let crc: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CHECKSUM);
        let mut digest = crc.digest();
        digest.update(self.0.get(..22).unwrap_or_default());
        digest.update(&[0; 4]);
        digest.update(self.0.get(26..).unwrap_or_default());
        digest.finalize()
    }

    fn number(&self, at: usize) -> u32 {
        self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}
