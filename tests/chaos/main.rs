//! Chaos: the real program among real servers, through a seeded schedule of everything that goes wrong, judged by what it leaves.
//!
//! `make chaos SEED=7` plays one seed, `RUNS=20` that many from it on, `ABREAST=2` so many side by side. Clocks are not set here: that
//! would take libfaketime, which this machine's packages need not have.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test; figures are printed")]

mod film;
mod judge;
mod plan;
mod play;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use plan::Plan;
use report::{Run, summary};
use support::attempts;
use world::World;

/// Short runs with much in them.
const USUAL: [u64; 2] = [16, 122];
/// How often a run that failed is played; who is repeated is counted.
const TRIES: usize = 2;

/// One run, from its world's beginning to its end.
fn run(seed: u64, beside: bool) -> Run {
    let plan = Plan::of(seed);
    let mut story = None;
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(&plan, beside);
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let told = story.insert(play::play(&plan, &mut world));
            judge::judge(&plan, &mut world, told)
        }));
        let wrong = judged.unwrap_or_else(|why| vec![attempts::message(&*why)]);
        if !wrong.is_empty() {
            keep(&plan, &world);
        }
        wrong
    }));
    let wrong = played.unwrap_or_else(|why| vec![attempts::message(&*why)]);
    let run = Run::of(&plan, story.as_ref(), wrong);
    println!("{run}");
    if !run.wrong.is_empty() {
        println!("{plan}");
        if let Some(story) = &story {
            for (fault, from, to) in &story.happened {
                println!("  happened {:.2} – {:.2} s: {fault}", from - story.began, to - story.began);
            }
        }
        run.wrong.iter().for_each(|what| println!("  ! {what}"));
    }
    run
}

/// Copies log and films of a run that failed below `GREFFIER_KEEP`, if set, so that a person can look at them.
fn keep(plan: &Plan, world: &World) {
    let Some(folder) = std::env::var_os("GREFFIER_KEEP") else { return };
    let folder = PathBuf::from(folder).join(format!("seed-{}", plan.seed));
    std::fs::create_dir_all(&folder).expect("GREFFIER_KEEP is a folder that can be written");
    std::fs::write(folder.join("sidecar.log"), world.sidecar.log()).expect("the log is kept");
    for key in judge::keys(world).iter().filter(|key| key.starts_with("recordings/")) {
        let name = key.rsplit('/').next().unwrap_or(key);
        std::fs::write(folder.join(name), world.minio.object(key).1).expect("the film is kept");
    }
}

/// So many runs from this seed on, some of them side by side.
fn runs(first: u64, count: u64, abreast: u64) -> Vec<Run> {
    let (next, done) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..abreast.clamp(1, count) {
            scope.spawn(|| {
                while let Some(nth) = Some(next.fetch_add(1, Relaxed)).filter(|nth| *nth < count) {
                    let run = run(first + nth, abreast > 1);
                    done.lock().unwrap().push(run);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
}

#[test]
fn whatever_goes_wrong_recordings_are_whole_or_say_what_they_lack() {
    let (seed, count) = (number("SEED"), number("RUNS"));
    if seed.is_none() && count.is_none() {
        for seed in USUAL {
            attempts::play(TRIES, || {
                let Run { plan, wrong, .. } = run(seed, false);
                assert!(wrong.is_empty(), "{plan}{}", wrong.join("\n"));
            });
        }
        return;
    }
    let all = runs(seed.unwrap_or(1), count.unwrap_or(1), number("ABREAST").unwrap_or(1));
    println!("{}", summary(&all));
    let failed: Vec<u64> = all.iter().filter(|run| !run.wrong.is_empty()).map(|run| run.plan.seed).collect();
    assert!(failed.is_empty(), "these seeds failed: {failed:?}");
}
