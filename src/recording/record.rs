//! A recording: the durable thing with an id and a life.

use jiff::Timestamp;

use crate::ids::RecordingId;
use crate::recording::{Effect, Media, Options, Request, State, Step};

/// A recording as it is kept. Only control changes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its name, inside and outside.
    pub id: RecordingId,
    /// The mode the client named, such as `screen_recording`.
    pub mode: String,
    /// What is made.
    pub request: Request,
    /// What the client said besides.
    pub options: Options,
    /// Where it is in its life.
    pub state: State,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When media began to flow.
    pub started_at: Option<Timestamp>,
    /// When media stopped, or when it ended without any.
    pub ended_at: Option<Timestamp>,
    /// The file, once it is whole.
    pub media: Option<Media>,
}

impl Recording {
    /// A new one, and its first effects.
    pub fn begin(
        id: RecordingId,
        mode: String,
        request: Request,
        options: Options,
        now: Timestamp,
    ) -> (Self, Vec<Effect>) {
        let Step { state, effects } = State::begin();
        let recording = Self {
            id,
            mode,
            request,
            options,
            state,
            created_at: now,
            updated_at: now,
            started_at: None,
            ended_at: None,
            media: None,
        };
        (recording, effects)
    }

    /// Takes a step at `now`; gives the effects to perform once the change is committed.
    pub fn take(&mut self, step: Step, now: Timestamp) -> Vec<Effect> {
        if self.state != step.state {
            self.updated_at = now;
        }
        match &step.state {
            State::Starting => {}
            State::Active => {
                self.started_at.get_or_insert(now);
            }
            State::Ending { .. } => {
                self.ended_at.get_or_insert(now);
            }
            State::Saving { media, .. } => {
                self.ended_at.get_or_insert(now);
                self.media = Some(*media);
            }
            State::Ended(_) => {
                self.ended_at.get_or_insert(now);
            }
        }
        self.state = step.state;
        step.effects
    }

    /// The file's ending, without a dot.
    pub fn extension(&self) -> &'static str {
        self.request.output.container().extension()
    }

    /// The finished file's name within the data directory, and its key in a store: `recordings/<id>.<extension>`.
    pub fn key(&self) -> String {
        format!("recordings/{}.{}", self.id, self.extension())
    }
}
