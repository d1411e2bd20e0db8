//! Any bytes may be published as video: reading their headers never panics, never loops, and never takes a size on trust.
#![no_main]

// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/pipeline/input/headers/mod.rs"]
mod headers;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/media.rs"]
mod media;

use headers::{Heading, Sizes};
use libfuzzer_sys::fuzz_target;
use media::Codec;

fuzz_target!(|input: (u8, Vec<Vec<u8>>)| {
    let (codec, units) = input;
    let codec = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1][usize::from(codec % 4)];
    let mut sizes = Sizes::default();
    for (n, unit) in units.into_iter().enumerate() {
        let heading = headers::read(codec, &unit);
        let passed = sizes.unit(heading, n as i64 * 33_000_000);
        if let (Heading::Declares(extent), Ok(())) = (heading, passed) {
            assert!(headers::fits(extent.width, extent.height), "{extent:?}");
        }
        if codec == Codec::Vp9 {
            // With the index that is added, the first frame is the same.
            let indexed = headers::superframe(unit.clone().into());
            assert!(indexed.starts_with(&unit) && media::vp9::frames(&indexed).is_some());
        }
    }
});
