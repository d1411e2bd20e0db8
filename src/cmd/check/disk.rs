//! How much room the spool has.

use std::path::Path;

use super::finding::Finding;
use crate::spool::FreeSpace;

/// Below this, recordings fail soon: an hour at 3 Mbit/s is 1.4 GB.
const LEAST: u64 = 1 << 30;
/// Below this, it is worth a word.
const GOOD: u64 = 10 << 30;

/// The free space of the folder's file system.
pub fn space(folder: &Path) -> Vec<Finding> {
    const WHAT: &str = "disk";
    // The folder may not be there yet.
    let there = folder.ancestors().find(|path| path.is_dir()).filter(|path| !path.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    let free = FreeSpace::of(there).ok().map(|room| room.free);
    vec![match free {
        None => Finding::skipped(WHAT, "the free space of the file system cannot be read"),
        Some(free) => judge(WHAT, free, &folder.display().to_string()),
    }]
}

fn judge(what: &'static str, free: u64, folder: &str) -> Finding {
    let gigabytes = free as f64 / (1 << 30) as f64;
    let hours = free / (3000 * 1000 / 8 * 3600);
    let text = format!("{gigabytes:.1} GiB free for {folder}, {hours} h of video at 3 Mbit/s");
    let fix = "free some, or choose another data_dir";
    match free {
        ..LEAST => Finding::failure(what, format!("{text}; {fix}")),
        LEAST..GOOD => Finding::warning(what, format!("{text}; {fix}")),
        GOOD.. => Finding::ok(what, text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn room_is_judged() {
        let verdict = |free| judge("disk", free, "/x").verdict;
        assert_eq!([verdict(0), verdict(5 << 30), verdict(50 << 30)], [Grade::Fail, Grade::Warn, Grade::Ok]);
    }
}
