//! Anything may be written as a length of time in a configuration.
#![no_main]

#[path = "../checks/length.rs"]
mod check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/config/length.rs"]
mod length;

use length::length;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| check::check(text));
