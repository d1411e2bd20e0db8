//! A recording's life: State × (Command | Report) → Step. Wishes may be refused, facts may not.

use std::fmt;

use crate::error::ErrorKind;
use crate::recording::{Event, Failure, Health, Limit, Media, Outcome, Reason};
use crate::scene::Layout;

/// Where a recording is in its life. `Ending` and `Saving` carry the verdict they will become: the end is decided once,
/// where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Joining; no media yet. `EGRESS_STARTING`.
    Starting,
    /// Media reaches the muxer. `EGRESS_ACTIVE`.
    Active,
    /// End-of-stream is travelling. `EGRESS_ENDING`.
    Ending {
        /// What it will have been.
        then: Outcome,
    },
    /// Whole in the spool, not yet at its final place. `EGRESS_ENDING`.
    Saving {
        /// What it will have been.
        then: Outcome,
        /// What is in the spool.
        media: Media,
    },
    /// Over; the file, if there is one, is at its final place.
    Ended(Outcome),
    /// Over, and everybody who was to be notified knows.
    Notified(Outcome),
    /// Over, and about to be forgotten: by request, or because it expired.
    Removing {
        /// What it was.
        outcome: Outcome,
        /// The file goes too.
        object: bool,
    },
}

/// A wish. It may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Finish the file.
    Stop,
    /// Forget the recording once it is over.
    Delete {
        /// The file goes too.
        object: bool,
    },
}

/// A fact about a recording, told by its recorder or by whoever moves its file. It cannot be refused; one that comes too
/// late changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Report {
    /// In the room.
    Joined,
    /// The first samples are on their way to the muxer.
    MediaFlowing,
    /// The room came to its end: closed, or we were removed; the words say which.
    RoomClosed(String),
    /// The server did not come back; the file is being finished.
    ConnectionLost(String),
    /// What is missing from the recording so far; replaces what was said before.
    Health(Box<Health>),
    /// A job of this recording will not be tried again: what, and why, without secrets.
    GaveUp(String),
    /// It is shown in another layout from now on, by order of the LiveKit server.
    LayoutChanged(Layout),
    /// A limit is about to be reached.
    LimitNear(Limit),
    /// A limit was reached.
    LimitHit(Limit),
    /// The disk is about to be full; the words say how much was left.
    DiskLow(String),
    /// The file is whole on disk. Bytes and nanoseconds of media. The recorder's last word.
    Drained {
        /// File size.
        bytes: u64,
        /// Length of the recording.
        duration_ns: u64,
    },
    /// It broke; `salvaged` tells whether a playable file is left. The recorder's last word.
    Broke {
        /// Why.
        failure: Failure,
        /// File size and nanoseconds of media (0: unknown), when a playable file is left.
        salvaged: Option<(u64, u64)>,
    },
    /// The file is at its final place.
    Stored,
    /// The file is gone from the spool and not at its final place: it can never be stored.
    StoreLost(Failure),
    /// This other sidecar has taken it over, and reports what becomes of it.
    TakenOver(String),
    /// Everybody who was to be notified that it is ready knows.
    Notified,
    /// It was kept as long as it was to be kept.
    Expired,
    /// What was to be removed is gone.
    Removed,
}

/// What somebody must do now that the state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a recorder.
    Record,
    /// Tell the recorder to finish the file.
    Drain,
    /// Declare the spooled file whole.
    Seal(Media),
    /// The file is at its final place: free the spool.
    Free,
    /// Nothing can be delivered: free the spool, but for what holds bytes all the same, which is set aside.
    Discard,
    /// Take the row out of the store.
    Forget,
    /// A job: bring the file to its final place, while it grows and when it is whole.
    Upload,
    /// A job: take the file away from its final place, if `object`; `Report::Removed` follows.
    Remove {
        /// The file goes too.
        object: bool,
    },
    /// Jobs: one for everybody who wants to hear of this.
    Notify(Event),
}

/// The next state, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The next state; may be the same.
    pub state: State,
    /// In this order.
    pub effects: Vec<Effect>,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has ended already, like this.
    Ended(Outcome),
    /// It has not ended yet.
    NotEnded,
}

impl State {
    /// The first step of every recording.
    pub fn begin() -> Step {
        Step { state: Self::Starting, effects: vec![Effect::Record, Effect::Notify(Event::Accepted)] }
    }

    /// A wish: a step, or the reason why not. Wishing again what is under way already changes nothing.
    pub fn command(&self, command: Command) -> Result<Step, Refused> {
        match (self, command) {
            (Self::Starting | Self::Active, Command::Stop) => Ok(ending(Outcome::Complete(Reason::Stopped))),
            (Self::Ending { .. } | Self::Saving { .. }, Command::Stop) => Ok(self.stay()),
            (Self::Ended(outcome) | Self::Notified(outcome) | Self::Removing { outcome, .. }, Command::Stop) => {
                Err(Refused::Ended(outcome.clone()))
            }
            (Self::Ended(outcome) | Self::Notified(outcome), Command::Delete { object }) => {
                Ok(removing(outcome, object))
            }
            (Self::Removing { .. }, Command::Delete { .. }) => Ok(self.stay()),
            (Self::Starting | Self::Active | Self::Ending { .. } | Self::Saving { .. }, Command::Delete { .. }) => {
                Err(Refused::NotEnded)
            }
        }
    }

    /// A fact: always a step, sometimes one that changes nothing.
    pub fn report(&self, report: Report) -> Step {
        if let Report::TakenOver(by) = &report {
            return self.taken_over(by);
        }
        match self {
            Self::Starting | Self::Active => self.running(report),
            Self::Ending { then } => self.last_word(then.clone(), report),
            Self::Saving { then, .. } => self.saving(then, report),
            Self::Ended(outcome) | Self::Notified(outcome) => self.over(outcome, &report),
            Self::Removing { .. } => match report {
                Report::Removed => Step { state: self.clone(), effects: vec![Effect::Forget] },
                Report::Joined
                | Report::MediaFlowing
                | Report::Health(_)
                | Report::GaveUp(_)
                | Report::LayoutChanged(_)
                | Report::RoomClosed(_)
                | Report::ConnectionLost(_)
                | Report::LimitNear(_)
                | Report::LimitHit(_)
                | Report::DiskLow(_)
                | Report::Drained { .. }
                | Report::Broke { .. }
                | Report::Stored
                | Report::StoreLost(_)
                | Report::TakenOver(_)
                | Report::Notified
                | Report::Expired => self.stay(),
            },
        }
    }

    /// The effects that a restarted process must perform again to leave this state. Other jobs are in the store anyway.
    pub fn pending(&self) -> Vec<Effect> {
        match self {
            Self::Saving { media, .. } => vec![Effect::Seal(*media), Effect::Upload],
            Self::Starting
            | Self::Active
            | Self::Ending { .. }
            | Self::Ended(_)
            | Self::Notified(_)
            | Self::Removing { .. } => vec![],
        }
    }

    /// True while a second recording of the same room must wait.
    pub fn holds_room(&self) -> bool {
        match self {
            Self::Starting | Self::Active => true,
            Self::Ending { .. } | Self::Saving { .. } | Self::Ended(_) | Self::Notified(_) | Self::Removing { .. } => {
                false
            }
        }
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Ended(outcome) | Self::Notified(outcome) | Self::Removing { outcome, .. } => Some(outcome),
            Self::Starting | Self::Active | Self::Ending { .. } | Self::Saving { .. } => None,
        }
    }

    /// True once the verdict can change no more and the file is where it belongs.
    pub fn is_final(&self) -> bool {
        self.outcome().is_some()
    }

    fn running(&self, report: Report) -> Step {
        match report {
            Report::Joined if *self == Self::Starting => {
                Step { state: Self::Starting, effects: vec![Effect::Notify(Event::Joined)] }
            }
            Report::Joined => self.stay(),
            Report::MediaFlowing if *self == Self::Starting => {
                Step { state: Self::Active, effects: vec![Effect::Upload, Effect::Notify(Event::Started)] }
            }
            Report::MediaFlowing | Report::Health(_) | Report::GaveUp(_) | Report::LayoutChanged(_) => self.stay(),
            Report::RoomClosed(why) => ending(Outcome::Complete(Reason::RoomClosed(why))),
            Report::ConnectionLost(why) => ending(Outcome::CutShort(Failure::new(ErrorKind::Unavailable, why))),
            Report::LimitNear(limit) => {
                Step { state: self.clone(), effects: vec![Effect::Notify(Event::LimitNear(limit))] }
            }
            Report::LimitHit(limit) => ending(Outcome::LimitReached(limit)),
            Report::DiskLow(why) => ending(Outcome::CutShort(Failure::new(ErrorKind::ResourceExhausted, why))),
            Report::Drained { .. }
            | Report::Broke { .. }
            | Report::Stored
            | Report::StoreLost(_)
            | Report::TakenOver(_)
            | Report::Notified
            | Report::Expired
            | Report::Removed => notified_of_the_end(self.last_word(Outcome::Complete(Reason::ByItself), report)),
        }
    }

    /// The recorder's last word, when the verdict so far is `then`.
    fn last_word(&self, then: Outcome, report: Report) -> Step {
        match report {
            Report::Drained { bytes: 0, .. } | Report::Drained { duration_ns: 0, .. } => nothing(then.without_file()),
            Report::Drained { bytes, duration_ns } => saving(then, Media { bytes, duration_ns }),
            Report::Broke { failure, salvaged: None | Some((0, _)) } => nothing(Outcome::Failed(failure)),
            Report::Broke { failure, salvaged: Some((bytes, duration_ns)) } => {
                saving(Outcome::CutShort(failure), Media { bytes, duration_ns })
            }
            Report::Joined
            | Report::MediaFlowing
            | Report::Health(_)
            | Report::GaveUp(_)
            | Report::LayoutChanged(_)
            | Report::RoomClosed(_)
            | Report::ConnectionLost(_)
            | Report::LimitNear(_)
            | Report::LimitHit(_)
            | Report::DiskLow(_)
            | Report::Stored
            | Report::StoreLost(_)
            | Report::TakenOver(_)
            | Report::Notified
            | Report::Expired
            | Report::Removed => self.stay(),
        }
    }

    /// While the file is on its way.
    fn saving(&self, then: &Outcome, report: Report) -> Step {
        match report {
            Report::Stored => {
                Step { state: Self::Ended(then.clone()), effects: vec![Effect::Free, Effect::Notify(Event::Ended)] }
            }
            Report::StoreLost(failure) => nothing(Outcome::Failed(failure)),
            Report::TakenOver(_)
            | Report::Joined
            | Report::MediaFlowing
            | Report::Health(_)
            | Report::GaveUp(_)
            | Report::LayoutChanged(_)
            | Report::RoomClosed(_)
            | Report::ConnectionLost(_)
            | Report::LimitNear(_)
            | Report::LimitHit(_)
            | Report::DiskLow(_)
            | Report::Drained { .. }
            | Report::Broke { .. }
            | Report::Notified
            | Report::Expired
            | Report::Removed => self.stay(),
        }
    }

    /// After the end.
    fn over(&self, outcome: &Outcome, report: &Report) -> Step {
        match report {
            Report::Notified => Step { state: Self::Notified(outcome.clone()), effects: vec![] },
            Report::Expired => removing(outcome, true),
            Report::Joined
            | Report::MediaFlowing
            | Report::Health(_)
            | Report::GaveUp(_)
            | Report::LayoutChanged(_)
            | Report::RoomClosed(_)
            | Report::ConnectionLost(_)
            | Report::LimitNear(_)
            | Report::LimitHit(_)
            | Report::DiskLow(_)
            | Report::Drained { .. }
            | Report::Broke { .. }
            | Report::Stored
            | Report::StoreLost(_)
            | Report::TakenOver(_)
            | Report::Removed => self.stay(),
        }
    }

    /// Nobody is notified: that is for whoever has it now.
    fn taken_over(&self, by: &str) -> Step {
        let ended =
            || Self::Ended(Outcome::Failed(Failure::new(ErrorKind::Unavailable, format!("taken over by {by}"))));
        match self {
            Self::Starting | Self::Active | Self::Ending { .. } => {
                Step { state: ended(), effects: vec![Effect::Drain] }
            }
            Self::Saving { .. } => Step { state: ended(), effects: vec![] },
            Self::Ended(_) | Self::Notified(_) | Self::Removing { .. } => self.stay(),
        }
    }

    fn stay(&self) -> Step {
        Step { state: self.clone(), effects: vec![] }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(outcome) => write!(f, "the recording has ended already ({})", outcome.words()),
            Self::NotEnded => f.write_str("the recording has not ended yet"),
        }
    }
}

fn ending(then: Outcome) -> Step {
    Step { state: State::Ending { then }, effects: vec![Effect::Drain, Effect::Notify(Event::Ending)] }
}

fn saving(then: Outcome, media: Media) -> Step {
    // The job may be there already; enqueueing it again wakes it.
    Step { state: State::Saving { then, media }, effects: vec![Effect::Seal(media), Effect::Upload] }
}

/// Nobody has heard yet that it ends: whoever waits for the file learns when it ended before it appears.
fn notified_of_the_end(mut step: Step) -> Step {
    if matches!(step.state, State::Saving { .. }) {
        step.effects.push(Effect::Notify(Event::Ending));
    }
    step
}

fn nothing(outcome: Outcome) -> Step {
    Step { state: State::Ended(outcome), effects: vec![Effect::Discard, Effect::Notify(Event::Ended)] }
}

fn removing(outcome: &Outcome, object: bool) -> Step {
    Step { state: State::Removing { outcome: outcome.clone(), object }, effects: vec![Effect::Remove { object }] }
}
