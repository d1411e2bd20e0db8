//! Unpacks gzip within a limit, so that a small message cannot fill the memory.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// Why nothing was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    /// More than is allowed.
    TooLong,
    /// Not gzip, or cut off.
    Broken,
}

/// The unpacked bytes, at most `longest`.
pub fn gunzip(packed: &[u8], longest: usize) -> Result<Bytes, GzipError> {
    let mut plain = Vec::new();
    // One byte more than allowed tells "just fits" from "too long".
    let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed).take(limit).read_to_end(&mut plain).map_err(|_| GzipError::Broken)?;
    if plain.len() > longest { Err(GzipError::TooLong) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_limit_is_the_last_length_that_passes() {
        let packed = gzip(&[7; 1000]);
        assert_eq!(gunzip(&packed, 1000).unwrap(), vec![7; 1000]);
        assert_eq!(gunzip(&packed, 999), Err(GzipError::TooLong));
    }

    #[test]
    fn broken_data_is_refused() {
        let mut packed = gzip(b"hello");
        packed.truncate(packed.len() - 3);
        assert_eq!(gunzip(&packed, 100), Err(GzipError::Broken));
        assert_eq!(gunzip(b"plain", 100), Err(GzipError::Broken));
    }
}
