//! Greffier records LiveKit rooms without a browser. The modules, in reading order:

// Pure: no clock, no IO, no tasks.
pub mod ids;
pub mod error;
pub mod secret;
pub mod media;
pub mod fields;
pub mod timeline;
pub mod scene;
pub mod compositor;
pub mod recording;
pub mod egress;
// Hands: one outside world each; they decide nothing.
pub mod vault;
pub mod capacity;
pub mod spool;
pub mod storage;
pub mod db;
pub mod http;
pub mod livekit;
pub mod psrpc;
pub mod room;
pub mod pipeline;
pub mod notify;
// Drivers: tasks that own something.
pub mod recorder;
pub mod outbox;
pub mod control;
// Doors: translate, nothing else.
pub mod api;
// Assembly.
pub mod config;
pub mod sidecar;
pub mod cmd;
