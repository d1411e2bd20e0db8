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
    Some(CpuCounters { at: Instant::now(), machine: busy(&machine)?, process: used(&process)? })
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

/// utime + stime of a process (proc(5)); its name may hold spaces and parentheses.
fn used(stat: &str) -> Option<f64> {
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
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
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 120 30 0 0 20 0 9 0";
        assert_eq!(used(stat), Some(150.0));
        assert_eq!(quota("150000 100000\n"), Some(1.5));
        assert_eq!(quota("max 100000\n"), None);
        assert!(read().is_some());
    }
}
