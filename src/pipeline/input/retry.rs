//! Pure. When a decoder that broke is opened anew: at once the first time, then after pauses that double, for ever.

const SECOND: i64 = 1_000_000_000;
/// The longest pause.
const LONGEST_NS: i64 = 30 * SECOND;
/// A decoder that has held for this long counts as sound again.
const HEALTHY_NS: i64 = 60 * SECOND;

/// The tries of one track.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    last: Option<i64>,
}

impl Retry {
    /// It broke at `now` (nanoseconds, any zero). True when it has broken before, not long ago.
    pub fn failed(&mut self, now: i64) -> bool {
        if self.last.is_none_or(|last| now - last >= HEALTHY_NS) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
        self.failures > 1
    }

    /// Whether another try is due.
    pub fn is_due(&self, now: i64) -> bool {
        let pause = match self.failures {
            0 | 1 => 0,
            n => SECOND.saturating_mul(1 << (n - 2).min(5)).min(LONGEST_NS),
        };
        self.last.is_none_or(|last| now - last >= pause)
    }

    /// What went wrong lies behind: the next failure counts as the first.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_never_end() {
        let mut retry = Retry::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        assert!(retry.is_due(now));
        for n in 0..9 {
            assert_eq!(retry.failed(now), n > 0);
            let pause = (0..).find(|pause| retry.is_due(now + pause * SECOND)).unwrap();
            pauses.push(pause);
            now += pause * SECOND;
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(!retry.failed(now + HEALTHY_NS), "it held for a minute");
        retry.failed(now + HEALTHY_NS);
        retry.forget();
        assert!(retry.is_due(now + HEALTHY_NS) && !retry.failed(now + HEALTHY_NS));
    }
}
