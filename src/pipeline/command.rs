//! What is requested of the engine, by the handle, the inputs and the output, none of which needs to know it.

use std::time::Instant;

use crate::ids::{ParticipantId, TrackId};

use super::{Codec, SenderReport, Unit};

/// One input and all others, told apart: a track may come again while its former input still plays out.
pub type Generation = u64;

/// What is requested of the engine.
#[derive(Debug)]
pub enum EngineCommand {
    /// [`super::Pipeline::attach`].
    Attach(TrackId, ParticipantId, Codec),
    /// [`super::Pipeline::detach`].
    Detach(TrackId),
    /// [`super::Pipeline::push`].
    Unit(TrackId, Unit),
    /// [`super::Pipeline::report`].
    Report(TrackId, SenderReport),
    /// [`super::Pipeline::drain`], and when.
    Drain(Instant),
    /// An input's decoder broke.
    InputFailed(Generation, String),
    /// An input has played out.
    InputEnded(Generation),
    /// The output broke.
    OutputBroke(String),
    /// The output has written everything.
    OutputEnded,
}
