//! The REST door, against a real sidecar whose recorder is a fake: lives of recordings, callers, storages, and the document.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod callers;
mod kept;
mod life;
mod media;
mod openapi;
#[path = "../support/mod.rs"]
mod support;
