//! How much room the file system of a folder has.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// With less than this, recordings fail soon: an hour at 3 Mbit/s is 1.4 GB.
const LEAST: u64 = 1 << 30;

/// The room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// What this user may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Measures a file system.
#[derive(Clone)]
pub struct Gauge(Arc<dyn Fn() -> io::Result<FreeSpace> + Send + Sync>);

impl Gauge {
    /// Asks by this function.
    pub fn new(read: impl Fn() -> io::Result<FreeSpace> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Asks the file system of this folder.
    pub fn of(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self::new(move || FreeSpace::of(&folder))
    }

    /// As it is now.
    pub fn read(&self) -> io::Result<FreeSpace> {
        (self.0)()
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauge")
    }
}

impl FreeSpace {
    /// Asks the file system of this folder.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Self { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }

    /// Too little is left to begin another recording: those that run need it. A gibibyte, or a twentieth of a small disk.
    pub fn is_low(&self) -> bool {
        self.free < LEAST.min(self.total / 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_is_low_later() {
        let low = |free, total| FreeSpace { free, total }.is_low();
        assert!(low(LEAST - 1, LEAST * 1000) && !low(LEAST, LEAST * 1000));
        assert!(low(9, 200) && !low(10, 200));
        assert!(!low(0, 0), "a file system that does not say");
        let room = FreeSpace::of(&std::env::temp_dir()).unwrap();
        assert!(room.free <= room.total && room.total > 0, "{room:?}");
    }
}
