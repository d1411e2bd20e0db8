//! Any path may be asked for in a room of any name: a key comes out that a storage takes.
#![no_main]

#[path = "../checks/filename.rs"]
mod check;
// The pure files alone: a fuzzer need not build the whole of Greffier.
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/egress/filename.rs"]
mod filename;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/ids.rs"]
mod ids;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/storage/key.rs"]
mod key;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/recording/output.rs"]
mod output;
#[allow(dead_code, reason = "a part of it is fuzzed")]
#[path = "../../src/recording/preset.rs"]
mod preset;
#[allow(dead_code, unused_imports, reason = "a part of it is fuzzed")]
#[path = "../../src/scene/mod.rs"]
mod scene;

mod recording {
    pub use crate::output::{Container, Profile, VideoSettings};
    pub use crate::preset::Preset;
}

mod storage {
    pub use crate::key::check_key;
}

use filename::{RoomNames, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (path, room_name, room_id) = input;
    check::check(path, room_name, room_id);
});
