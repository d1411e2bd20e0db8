//! Pure. Whether a worker is alive: it speaks every second, its recorder gets on, and its memory stays within bounds.

use std::time::Duration;

/// How often this is looked at.
pub(super) const POLL: Duration = Duration::from_secs(1);
/// So many looks in a row without a word: it hangs. They are counted, because a machine that stood still held us up as well.
const SILENT: u32 = 5;
/// So many looks in a row without new figures while media should flow: its recorder hangs.
const STALE: u32 = 15;
/// A worker larger than this is replaced unless told otherwise, bytes: a recording takes a fifth of it on the worst of days.
pub(super) const MOST_MEMORY: u64 = 2 << 30;

/// What was seen of a worker.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    silent: u32,
    stale: u32,
    /// Figures have come, and its recorder was not ordered to end.
    records: bool,
}

impl Vitals {
    /// It said something.
    pub fn spoke(&mut self) {
        self.silent = 0;
    }

    /// Its recorder published figures: it does so twice a second, until it is `draining`.
    pub fn progressed(&mut self, draining: bool) {
        (self.silent, self.stale, self.records) = (0, 0, !draining);
    }

    /// It was ordered to end: finishing a file may take long, and its figures are another's concern.
    pub fn draining(&mut self) {
        self.records = false;
    }

    /// Another look, with the memory it takes and may take, bytes. The reason why it must be replaced, if it must.
    pub fn poll(&mut self, memory: Option<u64>, most: u64) -> Option<String> {
        self.silent += 1;
        self.stale += u32::from(self.records);
        match memory {
            Some(bytes) if bytes > most => Some(format!("it took {} MiB of memory", bytes >> 20)),
            Some(_) | None if self.silent > SILENT => Some(format!("it said nothing for {SILENT} s")),
            Some(_) | None if self.stale > STALE => Some(format!("its recorder stood still for {STALE} s")),
            Some(_) | None => None,
        }
    }
}

/// Bytes of memory that a process takes, by its `statm` (proc(5)) and the size of a page.
pub(super) fn resident(statm: &str, page: u64) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_or_stands_still_or_grows_is_replaced() {
        let mut vitals = Vitals::default();
        assert_eq!((0..5).find_map(|_| vitals.poll(Some(1), 9)), None);
        assert_eq!(vitals.poll(None, 9).as_deref(), Some("it said nothing for 5 s"));
        vitals.progressed(false);
        let speaks = |vitals: &mut Vitals| {
            vitals.spoke();
            vitals.poll(Some(1), 9)
        };
        assert_eq!((0..15).find_map(|_| speaks(&mut vitals)), None);
        assert_eq!(speaks(&mut vitals).as_deref(), Some("its recorder stood still for 15 s"));
        vitals.progressed(false);
        vitals.draining();
        assert_eq!((0..100).find_map(|_| speaks(&mut vitals)), None, "a long file may take long to finish");
        assert!(vitals.poll(Some(MOST_MEMORY + 1), MOST_MEMORY).unwrap().contains("2048 MiB"));
    }

    #[test]
    fn memory_is_the_second_number() {
        assert_eq!(resident("34567 1234 99 1 0 2 0\n", 4096), Some(1234 * 4096));
        assert_eq!(resident("", 4096), None);
    }
}
