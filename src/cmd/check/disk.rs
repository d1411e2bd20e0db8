//! How much room the spool has.

use std::path::Path;

use tokio::process::Command;

use super::finding::Finding;

/// Below this, recordings fail soon: an hour at 3 Mbit/s is 1.4 GB.
const LEAST: u64 = 1 << 30;
/// Below this, it is worth a word.
const GOOD: u64 = 10 << 30;

/// The free space of the folder's file system, asked of `df`: the standard library does not know it.
pub async fn space(folder: &Path) -> Vec<Finding> {
    const WHAT: &str = "disk";
    // The folder may not be there yet.
    let there = folder.ancestors().find(|path| path.is_dir()).filter(|path| !path.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    let asked = Command::new("df").args(["-Pk", "--"]).arg(there).env("LC_ALL", "C").output().await;
    let free = asked.ok().and_then(|done| free(&String::from_utf8_lossy(&done.stdout)));
    vec![match free {
        None => Finding::skipped(WHAT, "`df` does not say how much is free"),
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

/// Bytes available, from POSIX `df -Pk`.
fn free(output: &str) -> Option<u64> {
    let fields: Vec<_> = output.lines().nth(1)?.split_whitespace().collect();
    // The name of the file system may hold blanks; the number of the fields after it is fixed.
    fields.get(fields.len().checked_sub(3)?)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn df_is_read_and_judged() {
        let text = "Filesystem     1024-blocks      Used Available Capacity Mounted on\n\
                    /dev/my disk      263174212 179302820  72255872      72% /\n";
        assert_eq!(free(text), Some(72_255_872 * 1024));
        assert_eq!(free(""), None);
        let verdict = |free| judge("disk", free, "/x").verdict;
        assert_eq!([verdict(0), verdict(5 << 30), verdict(50 << 30)], [Verdict::Fail, Verdict::Warn, Verdict::Ok]);
    }
}
