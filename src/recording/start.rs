//! Pure. What every API makes of a request to start a recording, for control to judge.

use serde_json::Value;

use crate::ids::RecordingId;
use crate::recording::{Options, Request};

/// A request to start a recording, read and checked as far as that needs nothing but the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The recording's name, when it was given one: the same name again is the same recording.
    pub id: Option<RecordingId>,
    /// The mode, such as `screen_recording`.
    pub mode: String,
    /// What to make.
    pub request: Request,
    /// What goes with it, and who requested it; the storage is still to be sealed into it.
    pub options: Options,
    /// The storage that the request brings along, as the configuration writes it: it holds secrets.
    pub store: Option<Value>,
    /// The name of the API key that its webhook is to be signed with, when we are to sign it.
    pub signing_key: Option<String>,
    /// The only room that the caller may touch, when its token names one.
    pub caller_room: Option<String>,
}

impl Start {
    /// One that brings nothing but its request and options.
    pub fn new(mode: impl Into<String>, request: Request, options: Options) -> Self {
        let mode = mode.into();
        Self { id: None, mode, request, options, store: None, signing_key: None, caller_room: None }
    }
}
