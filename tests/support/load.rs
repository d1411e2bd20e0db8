//! How busy the machine is: some figures of real-time media are judged less strictly when other work takes the cores away,
//! and `make test` lists each time that this was so.

use super::attempts::note;

/// Processes that want to run, for each core: our own server, publisher and recorder are less than this.
const BUSY: f64 = 1.5;

/// `tight`, or on a busy machine `wide`; of that there is a line in the log of attempts.
pub fn tolerance(what: &str, tight: f64, wide: f64) -> f64 {
    let load = per_core();
    if load <= BUSY {
        return tight;
    }
    note("wide", &format!("{what}: {wide} instead of {tight}, with {load:.1} processes for each core"));
    wide
}

/// The mean of the last minute.
fn per_core() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").expect("Linux tells its load");
    let mean: f64 = text.split(' ').next().and_then(|first| first.parse().ok()).expect("the load is a number");
    mean / std::thread::available_parallelism().expect("the number of cores").get() as f64
}
