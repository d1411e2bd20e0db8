//! Any bytes may be published as sound: their length is one that Opus has, or none.
#![no_main]

#[path = "../checks/opus.rs"]
mod check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/pipeline/input/opus.rs"]
mod opus;

use libfuzzer_sys::fuzz_target;
use opus::ticks;

fuzz_target!(|packet: &[u8]| check::check(packet));
