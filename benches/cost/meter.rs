//! CPU time and memory of a process, as the kernel counts them (proc(5)).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The part of the media that is measured: neither start nor end.
pub const WINDOW: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(19);
/// When this is set, a child prints what each of its threads costs.
pub const THREADS: &str = "GREFFIER_BENCH_THREADS";
/// `USER_HZ`, which is 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// CPU seconds per second of media, in the window.
    pub core: f64,
    /// The most memory that was resident (`VmHWM`), MB.
    pub megabytes: f64,
    /// CPU seconds before the window beyond `core`: starting.
    pub start: f64,
    /// False when the machine did not keep up, so that less was done than should have been.
    pub whole: bool,
}

impl Reading {
    /// For [`Reading::parse`].
    pub fn line(&self) -> String {
        let Self { core, megabytes, start, whole } = self;
        format!("reading {core} {megabytes} {start} {}", i32::from(*whole))
    }

    /// What a child printed.
    pub fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.strip_prefix("reading ")?.split(' ').map(str::parse::<f64>);
        let mut next = || numbers.next()?.ok();
        Some(Self { core: next()?, megabytes: next()?, start: next()?, whole: next()? > 0.0 })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} core, {:.0} MB, {:.2} s of CPU to start", self.core, self.megabytes, self.start)?;
        if self.whole { Ok(()) } else { write!(f, "; the machine did not keep up, so this does not count") }
    }
}

/// Measures this process over the window, counted from now.
pub fn window() -> JoinHandle<Reading> {
    let began = Instant::now();
    std::thread::spawn(move || over("self", began, std::env::var_os(THREADS).is_some()))
}

/// Measures the process of this id over the window, counted from `began`.
pub fn over(pid: &str, began: Instant, threads: bool) -> Reading {
    let sleep_until = |at: Duration| std::thread::sleep((began + at).saturating_duration_since(Instant::now()));
    sleep_until(WINDOW.start);
    let (before, at, before_each) = (cpu(pid), Instant::now(), each(pid));
    sleep_until(WINDOW.end);
    let (after, seconds, after_each) = (cpu(pid), at.elapsed().as_secs_f64(), each(pid));
    let core = (after - before) / seconds;
    if threads {
        let mut costs: Vec<_> = after_each
            .into_iter()
            .map(|(name, (count, cpu))| {
                let since = cpu - before_each.get(&name).map_or(0.0, |(_, cpu)| *cpu);
                (since / seconds, count, name)
            })
            .collect();
        costs.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (core, count, name) in costs {
            println!("{core:.4} core  {count:>2} × {name}");
        }
    }
    Reading { core, megabytes: memory(pid), start: before - core * WINDOW.start.as_secs_f64(), whole: true }
}

/// CPU seconds, user and system, of a process.
fn cpu(pid: &str) -> f64 {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(0.0, |stat| ticks(&stat) / TICKS_PER_SECOND)
}

/// CPU seconds of a process's threads by their name, and how many have that name.
fn each(pid: &str) -> BTreeMap<String, (usize, f64)> {
    let mut sums = BTreeMap::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return sums };
    for task in tasks.filter_map(Result::ok) {
        // Nanoseconds on the CPU come first.
        let Ok(on_cpu) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let Ok(name) = fs::read_to_string(task.path().join("comm")) else { continue };
        let nanoseconds: f64 = on_cpu.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        let sum: &mut (usize, f64) = sums.entry(name.trim().to_owned()).or_default();
        sum.0 += 1;
        sum.1 += nanoseconds / 1e9;
    }
    sums
}

/// Fields 14 and 15; the second one, the name, may hold spaces but ends with the last parenthesis.
fn ticks(stat: &str) -> f64 {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum()
}

fn memory(pid: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: f64 = line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kilobytes / 1024.0
}
