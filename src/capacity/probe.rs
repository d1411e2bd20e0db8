//! What the machine and this process have used, from /proc.

use std::fs;
use std::time::Instant;

use super::estimate::Used;

/// The kernel counts in hundredths of a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// CpuCounters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct CpuCounters {
    at: Instant,
    machine: f64,
    process: f64,
}

impl CpuCounters {
    /// Cores used since then.
    pub fn since(&self, before: &Self) -> Used {
        let seconds = self.at.duration_since(before.at).as_secs_f64().max(0.001);
        let cores = |now: f64, then: f64| ((now - then) / TICKS / seconds).max(0.0);
        Used { machine: cores(self.machine, before.machine), process: cores(self.process, before.process) }
    }
}

/// The counters now; `None` where there is no /proc.
pub fn read() -> Option<CpuCounters> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let process = fs::read_to_string("/proc/self/stat").ok()?;
    let (own, ended) = used(&process)?;
    let process = own + ended + children(std::process::id());
    Some(CpuCounters { at: Instant::now(), machine: busy(&machine)?, process })
}

/// What the processes have used that this one started and that live: each recorder is one.
fn children(of: u32) -> f64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0.0 };
    let numbers = processes.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_number));
    let stats = numbers.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| parent(stat) == Some(of)).filter_map(|stat| used(&stat)).map(|(own, ended)| own + ended).sum()
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Cores this process may use: what `LIVEKIT_CPU_REQUEST` says, as for LiveKit Egress; else those of the machine, or fewer if
/// its cgroup says so.
pub fn cores() -> f64 {
    let said = std::env::var("LIVEKIT_CPU_REQUEST").ok().and_then(|text| text.parse().ok());
    if let Some(cores) = said.filter(|cores: &f64| cores.is_finite() && *cores > 0.0) {
        return cores;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    #[allow(clippy::cast_precision_loss, reason = "there are not that many")]
    let cores = cores as f64;
    let quota = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().and_then(|text| quota(&text));
    quota.map_or(cores, |quota| quota.min(cores))
}

/// user + nice + system + irq + softirq + steal of all processors (proc(5)).
fn busy(stat: &str) -> Option<f64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let numbers: Vec<f64> = line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    [0, 1, 2, 5, 6, 7].into_iter().map(|n| numbers.get(n).copied()).sum()
}

/// utime + stime of a process, and those of its children that have ended (proc(5)).
fn used(stat: &str) -> Option<(f64, f64)> {
    let mut fields = fields(stat)?.skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?, next()? + next()?))
}

/// Who started a process.
fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.nth(1)?.parse().ok()
}

/// What follows a process's name, which may hold spaces and parentheses.
fn fields(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.get(stat.rfind(')')? + 1..)?.split_whitespace())
}

/// `max` or microseconds of each period.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_as_it_is_written() {
        assert_eq!(busy("cpu  10 1 5 1000 7 1 2 3 0 0\ncpu0 1 1\n"), Some(22.0));
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 120 30 4 1 20 0 9 0";
        assert_eq!((used(stat), parent(stat)), (Some((150.0, 5.0)), Some(1)));
        assert_eq!(quota("150000 100000\n"), Some(1.5));
        assert_eq!(quota("max 100000\n"), None);
        assert!(read().is_some());
    }
}
