//! What GStreamer is asked to launch: from `pipelines/*.gst` to running elements, and what they say.

pub mod bus;
pub mod elements;
pub mod inventory;
pub mod plan;
pub mod template;
