//! How many recordings of the sample scene this machine holds: more and more of them, until one leaves something away.

use std::num::NonZero;
use std::time::Instant;

use super::live::{Recording, Room};
use super::meter;

/// What is recorded: its name, the files' ending, the options, and how many more each time.
const KINDS: [(&str, &str, &[&str], usize); 3] =
    [("720p15", "mp4", &["--framerate", "15"], 1), ("720p30", "mp4", &[], 1), ("sound", "ogg", &["--audio-only"], 4)];
/// Nobody asks for more on a machine that this is run on.
const MOST: usize = 24;

/// Prints what each number of recordings costs, and the last that kept up.
pub fn run() {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut room = Room::open();
    for (kind, ending, options, more) in KINDS {
        let mut running: Vec<Recording> = Vec::new();
        let mut held = 0;
        while running.len() < MOST {
            for _ in 0..more {
                running.push(room.start(&format!("holds-{kind}-{}.{ending}", running.len()), options));
            }
            // Beginning is dearer than going on.
            let started: Vec<bool> = running.iter().map(Recording::keeps_up).collect();
            let began = Instant::now();
            let pids = running.iter().map(Recording::pid);
            let each: Vec<_> = pids.map(|pid| std::thread::spawn(move || meter::over(&pid, began, false))).collect();
            let all: f64 = each.into_iter().map(|one| one.join().expect("a reading").core).sum();
            let behind = running.iter().filter(|one| !one.keeps_up()).count();
            let n = running.len();
            println!(
                "  {n} × {kind}: {:.3} core each, {all:.2} of {cores} cores; {behind} do not keep up ({} while starting)",
                all / n as f64,
                started.iter().filter(|kept| !**kept).count()
            );
            if behind > 0 {
                break;
            }
            held = n;
        }
        println!("{kind}: {held} at once on {cores} cores, publisher and server beside them");
        for one in running {
            one.stop();
        }
    }
}
