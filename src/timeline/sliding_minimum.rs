//! The least delay seen lately: a minimum over a sliding window.

/// Length of a half of the window, nanoseconds: a publisher's clock that is 100 ppm off moves 0.5 ms in it.
const HALF_NS: i64 = 5_000_000_000;

/// The smallest value pushed within the last five to ten seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlidingMinimum {
    before: Option<i64>,
    now: Option<(i64, i64)>,
}

impl SlidingMinimum {
    /// A value at this time (nanoseconds).
    pub fn push(&mut self, at: i64, value: i64) {
        match self.now {
            Some((since, lowest)) if at - since < HALF_NS => self.now = Some((since, lowest.min(value))),
            Some((since, lowest)) => {
                // After a long silence nothing old counts.
                self.before = (at - since < 2 * HALF_NS).then_some(lowest);
                self.now = Some((at, value));
            }
            None => self.now = Some((at, value)),
        }
    }

    /// The smallest one; `None` when nothing was pushed.
    pub fn get(&self) -> Option<i64> {
        let (_, now) = self.now?;
        Some(self.before.map_or(now, |before| before.min(now)))
    }
}
