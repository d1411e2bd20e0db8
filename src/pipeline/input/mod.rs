//! One track on its way in: what its decoder may be given, when, and what comes out of it.

pub mod admission;
pub mod budget;
pub mod decoder;
pub mod frame_queue;
pub mod headers;
pub mod jitter_buffer;
pub mod keyframe_gate;
pub mod opus;
pub mod retry;
pub mod track;
