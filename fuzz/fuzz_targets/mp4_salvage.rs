//! Any bytes may be what a killed recorder has left: they are made whole or refused, with memory in proportion.
#![no_main]

#[path = "../checks/mp4.rs"]
mod mp4_check;
#[path = "../checks/ogg.rs"]
mod ogg_check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/pipeline/output/mp4/mod.rs"]
mod mp4;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/pipeline/output/ogg/mod.rs"]
mod ogg;

use libfuzzer_sys::fuzz_target;
use mp4::{duration_ns, finalise};

fuzz_target!(|bytes: &[u8]| {
    // In memory, with `TMPDIR=/dev/shm`.
    mp4_check::check(bytes, &std::env::temp_dir().join(format!("salvage-{}.mp4", std::process::id())));
    ogg_check::check(bytes);
});
