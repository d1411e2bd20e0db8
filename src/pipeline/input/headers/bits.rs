//! Pure. Reads a header bit by bit, highest first, as every video codec writes them. `None` is the end of the data.

/// Where reading stands.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    data: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> Bits<'a> {
    /// At the beginning.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next bit.
    pub fn bit(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of `count` bits, at most 32.
    pub fn number(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            number = number << 1 | u32::from(self.bit()?);
        }
        Some(number)
    }

    /// Leaves `count` bits out.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at + count;
        if at > self.data.len() * 8 {
            return None;
        }
        self.at = at;
        Some(())
    }

    /// H.264's `ue(v)` (9.1), which is AV1's `uvlc()` (4.10.3) too.
    pub fn exponential(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.number(zeros)?)
    }

    /// H.264's `se(v)` (9.1.1).
    pub fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.exponential()?);
        let value = if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 };
        i32::try_from(value).ok()
    }
}
