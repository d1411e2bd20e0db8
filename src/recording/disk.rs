//! Pure. How much of its disk a recording leaves alone.

use std::time::Duration;

/// What stays free without a setting, in bytes; on a small disk an eightieth of it.
const RESERVE: u64 = 256 << 20;

/// When a disk is so full that something must be done while recordings run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskMarks {
    /// With less than this free the log warns, in percent of the disk.
    pub warning: u32,
    /// Recordings end before less than this is free, in bytes; by the size of the disk without a setting.
    pub reserve: Option<u64>,
}

impl Default for DiskMarks {
    fn default() -> Self {
        Self { warning: 15, reserve: None }
    }
}

impl DiskMarks {
    /// How often the disk is asked while something is recorded.
    pub const POLL: Duration = Duration::from_secs(2);

    /// What stays free of a disk of `total` bytes.
    pub fn reserve(&self, total: u64) -> u64 {
        self.reserve.unwrap_or(RESERVE.min(total / 80))
    }

    /// Is this little enough for a warning?
    pub fn warns(&self, free: u64, total: u64) -> bool {
        u128::from(free) * 100 < u128::from(total) * u128::from(self.warning)
    }
}
