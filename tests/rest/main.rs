//! The REST API, against a real sidecar whose recorder is a fake: lives of recordings, callers, storages, and the document.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod callers;
mod health;
mod kept;
mod life;
mod lost;
mod media;
mod openapi;
mod rights;
#[path = "../support/mod.rs"]
mod support;
