//! Any body may be signed by LiveKit's key: it is read or refused.
#![no_main]

#[path = "../checks/event.rs"]
mod check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/api/rest/livekit_event.rs"]
mod livekit_event;

use libfuzzer_sys::fuzz_target;
use livekit_event::Event;

fuzz_target!(|body: &[u8]| check::check(body));
