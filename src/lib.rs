//! Greffier records LiveKit rooms without a browser. The modules, in reading order:

// Pure: no clock, no IO, no tasks.
pub mod ids; // Identifiers of rooms, participants, tracks, recordings.
pub mod error; // What went wrong: kind and message.
pub mod secret; // Strings that cannot be printed.
pub mod media; // What goes between room and pipeline: units, sender reports, tracks.
pub mod document; // JSON and YAML → structs; errors name the path and show no value.
pub mod timeline; // RTP time and arrival → recording time.
pub mod scene; // Geometry: who is seen where.
pub mod compositor; // Frames → one canvas.
pub mod recording; // What a recording is, and its lifecycle as a table.
pub mod egress; // LiveKit's egress messages ↔ ours.
// Adapters: one outside world each; what they decide is in pure files.
pub mod sealing; // Sealing of credentials.
pub mod capacity; // What the machine can still take, and what a start costs.
pub mod spool; // Files in the making.
pub mod storage; // Object stores and folders.
pub mod db; // The embedded store.
pub mod http; // One HTTP client.
pub mod livekit; // LiveKit's server: where it is, trust, tokens, room service, webhooks.
pub mod psrpc; // LiveKit's RPC over Redis.
pub mod room; // One LiveKit session.
pub mod pipeline; // Encoded media in, a file out, by GStreamer.
pub mod notify; // Emails, webhooks, room notices, LiveKit itself: one attempt each.
// Drivers: tasks that own something.
pub mod recorder; // One room and one pipeline.
pub mod outbox; // Jobs that are done until they succeed.
pub mod control; // The registry of recordings: the single writer.
pub mod worker; // Recorders as processes, supervised.
// API: reads requests, writes answers.
pub mod api; // REST, pages, metrics, egress API.
// Assembly.
pub mod config; // Files, variables and flags → settings.
pub mod sidecar; // Puts `greffier serve` together.
pub mod cmd; // The verbs of the command line.
