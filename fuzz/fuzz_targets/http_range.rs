//! Any headers may ask for a part of a file: what is given lies within it.
#![no_main]

#[path = "../checks/range.rs"]
mod check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/api/media/range.rs"]
mod range;

use libfuzzer_sys::fuzz_target;
use range::{RangeRequest, RangeDecision};

fuzz_target!(|input: (Option<&str>, Option<&str>, Option<&str>, u64)| {
    let (range, if_range, if_none_match, bytes) = input;
    check::check(range, if_range, if_none_match, bytes);
});
