//! Bits of headers: read, written, copied; Exp-Golomb codes and emulation prevention of H.264.

/// Reads from the most significant bit on.
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` bits; `None` beyond the end.
    pub fn bits(&mut self, count: usize) -> Option<u64> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// `ue(v)` (ITU-T H.264, 9.1).
    pub fn ue(&mut self) -> Option<u64> {
        let zeros = (0..32).take_while(|_| self.bit() == Some(0)).count();
        Some((1 << zeros | self.bits(zeros)?) - 1)
    }

    fn bit(&mut self) -> Option<u64> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u64::from(bit))
    }
}

/// Writes from the most significant bit on; the last byte is filled with zeros.
#[derive(Default)]
pub struct Writer {
    data: Vec<u8>,
    at: usize,
}

impl Writer {
    pub fn bits(&mut self, count: usize, value: u64) {
        for nth in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.data.push(0);
            }
            if let Some(last) = self.data.last_mut() {
                *last |= ((value >> nth & 1) as u8) << (7 - self.at % 8);
            }
            self.at += 1;
        }
    }

    pub fn ue(&mut self, value: u64) {
        let length = 64 - (value + 1).leading_zeros() as usize;
        self.bits(length - 1, 0);
        self.bits(length, value + 1);
    }

    /// All that is left to read.
    pub fn rest(mut self, from: &mut Reader) -> Vec<u8> {
        while let Some(bit) = from.bit() {
            self.bits(1, bit);
        }
        self.data
    }
}

/// Without emulation prevention bytes (ITU-T H.264, 7.4.1).
pub fn unescape(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    for byte in unit {
        if *byte != 3 || !out.ends_with(&[0, 0]) {
            out.push(*byte);
        }
    }
    out
}

/// With them.
pub fn escape(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len() + 8);
    for byte in unit {
        if *byte <= 3 && out.ends_with(&[0, 0]) {
            out.push(3);
        }
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.bits(3, 5);
        for value in [0, 1, 7, 1023] {
            writer.ue(value);
        }
        let data = writer.rest(&mut Reader::new(&[]));
        let mut reader = Reader::new(&data);
        assert_eq!(reader.bits(3), Some(5));
        assert_eq!([0, 1, 7, 1023].map(|_| reader.ue().expect("a code")), [0, 1, 7, 1023]);
        assert_eq!(unescape(&escape(&[0, 0, 0, 0, 0, 1, 9])), [0, 0, 0, 0, 0, 1, 9]);
    }
}
