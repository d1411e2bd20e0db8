//! A recording: the durable thing with an id and a life.

use jiff::Timestamp;

use crate::ids::RecordingId;
use crate::recording::{Effect, Health, Media, Options, Policy, Request, State, Step};

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
    /// The object's key in the store: a relative path with `/`, never with `..`.
    pub key: String,
    /// When it is to be removed.
    pub expires_at: Option<Timestamp>,
    /// Share links of earlier generations are revoked.
    pub share_generation: u32,
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
    /// What it lacks.
    pub health: Health,
}

impl Recording {
    /// A new one, and its first effects.
    pub fn begin(
        id: RecordingId,
        mode: String,
        request: Request,
        options: Options,
        policy: &Policy,
        now: Timestamp,
    ) -> (Self, Vec<Effect>) {
        let Step { state, effects } = State::begin();
        let usual = || format!("{}/{id}.{}", policy.output_folder, request.output.container().extension());
        let key = options.key.clone().unwrap_or_else(usual);
        // A time beyond the calendar's end is never.
        let kept = options.expires_after.or(policy.expires_after);
        let expires_at = kept.and_then(|kept| now.checked_add(kept).ok());
        let recording = Self {
            id,
            mode,
            request,
            options,
            key,
            expires_at,
            share_generation: 0,
            state,
            created_at: now,
            updated_at: now,
            started_at: None,
            ended_at: None,
            media: None,
            health: Health::default(),
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
            State::Ended(_) | State::Notified(_) | State::Removing { .. } => {
                self.ended_at.get_or_insert(now);
            }
        }
        self.state = step.state;
        step.effects
    }

    /// It ended, and there is no file.
    pub fn left_nothing(&self) -> bool {
        self.state.outcome().is_some_and(|outcome| !outcome.has_file())
    }

    /// The mode whose own storage, if it has one, takes the file. LiveKit's clients name no mode.
    pub fn storing_mode(&self) -> Option<&str> {
        self.options.origin.names_mode().then_some(self.mode.as_str())
    }

    /// The file's ending, without a dot.
    pub fn extension(&self) -> &'static str {
        self.request.output.container().extension()
    }

    /// With a picture, and not audio alone?
    pub fn class_is_video(&self) -> bool {
        self.request.output.video().is_some()
    }

    /// The file's media type: `video/mp4` or `audio/ogg`.
    pub fn content_type(&self) -> &'static str {
        self.request.output.container().content_type()
    }
}
