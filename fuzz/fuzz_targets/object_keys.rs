//! Anything may be asked for as an object's key: what is let through stays below its folder.
#![no_main]

#[path = "../checks/key.rs"]
mod check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/storage/key.rs"]
mod key;

use key::{check_key, content_type_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|key: &str| check::check(key));
