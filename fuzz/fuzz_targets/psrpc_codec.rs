//! Any payload may come out of Redis: reading it never panics, and what was read is written and read the same.
#![no_main]

// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/psrpc/frame.rs"]
mod frame;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/psrpc/gzip.rs"]
mod gzip;

use bytes::Bytes;
use frame::{FrameBody, ClaimRequest, ClaimResponse, RequestFrame, Response, open, seal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let payload = Bytes::copy_from_slice(payload);
    survives::<RequestFrame>(&payload);
    survives::<Response>(&payload);
    survives::<ClaimRequest>(&payload);
    survives::<ClaimResponse>(&payload);
});

fn survives<B: FrameBody>(payload: &Bytes) {
    if let Ok(body) = open::<B>(payload.clone()) {
        let written = seal(&body);
        let again = open::<B>(written.clone()).expect("what we write can be read");
        // Bytes, not values: an affinity may be a NaN, which equals nothing.
        assert_eq!(seal(&again), written);
    }
}
