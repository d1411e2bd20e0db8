//! A recording's life: State × (Command | Report) → Step. Wishes may be refused, facts may not.

use std::fmt;

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
    /// Over, for good.
    Ended(Outcome),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should; the reason says who ended it.
    Complete(Reason),
    /// A limit ended it; the file is whole.
    LimitReached(Limit),
    /// It broke, and what was recorded until then is kept.
    CutShort(Failure),
    /// It ended before anything was recorded: there is no file.
    Aborted(Reason),
    /// Nothing can be delivered.
    Failed(Failure),
}

/// What ended a recording that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody asked for it.
    Stopped,
    /// The room came to its end: closed, or we were removed; the words say which.
    RoomClosed(String),
    /// The recorder finished without saying why.
    ByItself,
}

/// A file's size and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// File size.
    pub bytes: u64,
    /// Nanoseconds of media; 0 when unknown (found after a crash).
    pub duration_ns: u64,
}

/// A wish. It may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Finish the file.
    Stop,
}

/// A fact about a recording, told by its recorder or by whoever moves its file. It cannot be refused; one that comes too
/// late changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Joined, and the first samples are on their way to the muxer.
    MediaFlowing,
    /// The room came to its end: closed, or we were removed; the words say which.
    RoomClosed(String),
    /// The server did not come back; the file is being finished.
    ConnectionLost(String),
    /// A limit was reached.
    LimitHit(Limit),
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
    /// The file could not be moved to its final place; it stays in the spool.
    StoreLost(Failure),
}

/// What ends a recording by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `max_duration`.
    Duration,
}

/// Why it broke, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// What somebody must do now that the state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a recorder.
    Record,
    /// Tell the recorder to finish the file.
    Drain,
    /// Declare the spooled file whole and move it to its final place.
    Seal(Media),
    /// Nothing worth keeping is in the spool: free it.
    Discard,
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
}

impl State {
    /// The first step of every recording.
    pub fn begin() -> Step {
        Step { state: Self::Starting, effects: vec![Effect::Record] }
    }

    /// A wish: a step, or the reason why not. Stopping what is ending already changes nothing.
    pub fn command(&self, command: Command) -> Result<Step, Refused> {
        match (self, command) {
            (Self::Starting | Self::Active, Command::Stop) => Ok(ending(Outcome::Complete(Reason::Stopped))),
            (Self::Ending { .. } | Self::Saving { .. }, Command::Stop) => Ok(self.stay()),
            (Self::Ended(outcome), Command::Stop) => Err(Refused::Ended(outcome.clone())),
        }
    }

    /// A fact: always a step, sometimes one that changes nothing.
    pub fn report(&self, report: Report) -> Step {
        match self {
            Self::Starting | Self::Active => self.running(report),
            Self::Ending { then } => self.drained_or_broke(then.clone(), report),
            Self::Saving { then, .. } => match report {
                Report::Stored => Step { state: Self::Ended(then.clone()), effects: vec![] },
                Report::StoreLost(failure) => Step { state: Self::Ended(Outcome::Failed(failure)), effects: vec![] },
                Report::MediaFlowing
                | Report::RoomClosed(_)
                | Report::ConnectionLost(_)
                | Report::LimitHit(_)
                | Report::Drained { .. }
                | Report::Broke { .. } => self.stay(),
            },
            Self::Ended(_) => self.stay(),
        }
    }

    /// The effects that a restarted process must perform again to leave this state.
    pub fn pending(&self) -> Vec<Effect> {
        match self {
            Self::Saving { media, .. } => vec![Effect::Seal(*media)],
            Self::Starting | Self::Active | Self::Ending { .. } | Self::Ended(_) => vec![],
        }
    }

    /// True while a second recording of the same room must wait.
    pub fn holds_room(&self) -> bool {
        match self {
            Self::Starting | Self::Active => true,
            Self::Ending { .. } | Self::Saving { .. } | Self::Ended(_) => false,
        }
    }

    /// True once nothing can change any more.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Ended(_) => true,
            Self::Starting | Self::Active | Self::Ending { .. } | Self::Saving { .. } => false,
        }
    }

    fn running(&self, report: Report) -> Step {
        match report {
            Report::MediaFlowing => Step { state: Self::Active, effects: vec![] },
            Report::RoomClosed(why) => ending(Outcome::Complete(Reason::RoomClosed(why))),
            Report::ConnectionLost(why) => ending(Outcome::CutShort(Failure(why))),
            Report::LimitHit(limit) => ending(Outcome::LimitReached(limit)),
            Report::Drained { .. } | Report::Broke { .. } | Report::Stored | Report::StoreLost(_) => {
                self.drained_or_broke(Outcome::Complete(Reason::ByItself), report)
            }
        }
    }

    /// The recorder's last word, when the verdict so far is `then`.
    fn drained_or_broke(&self, then: Outcome, report: Report) -> Step {
        match report {
            Report::Drained { bytes: 0, .. } | Report::Drained { duration_ns: 0, .. } => nothing(aborted(then)),
            Report::Drained { bytes, duration_ns } => saving(then, Media { bytes, duration_ns }),
            Report::Broke { failure, salvaged: None | Some((0, _)) } => nothing(Outcome::Failed(failure)),
            Report::Broke { failure, salvaged: Some((bytes, duration_ns)) } => {
                saving(Outcome::CutShort(failure), Media { bytes, duration_ns })
            }
            Report::MediaFlowing
            | Report::RoomClosed(_)
            | Report::ConnectionLost(_)
            | Report::LimitHit(_)
            | Report::Stored
            | Report::StoreLost(_) => self.stay(),
        }
    }

    fn stay(&self) -> Step {
        Step { state: self.clone(), effects: vec![] }
    }
}

impl Outcome {
    /// One line for people when there is something to explain: an error, or what ended it.
    pub fn words(&self) -> String {
        match self {
            Self::Complete(reason) | Self::Aborted(reason) => reason.to_string(),
            Self::LimitReached(limit) => limit.to_string(),
            Self::CutShort(failure) | Self::Failed(failure) => failure.to_string(),
        }
    }

    /// The failure, when something broke.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::CutShort(failure) | Self::Failed(failure) => Some(failure),
            Self::Complete(_) | Self::LimitReached(_) | Self::Aborted(_) => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped on request"),
            Self::RoomClosed(why) => f.write_str(why),
            Self::ByItself => f.write_str("the recorder finished by itself"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration => f.write_str("max_duration reached"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(outcome) => write!(f, "the recording has ended already ({})", outcome.words()),
        }
    }
}

fn ending(then: Outcome) -> Step {
    Step { state: State::Ending { then }, effects: vec![Effect::Drain] }
}

fn saving(then: Outcome, media: Media) -> Step {
    Step { state: State::Saving { then, media }, effects: vec![Effect::Seal(media)] }
}

fn nothing(outcome: Outcome) -> Step {
    Step { state: State::Ended(outcome), effects: vec![Effect::Discard] }
}

/// What `then` is called when nothing had been recorded.
fn aborted(then: Outcome) -> Outcome {
    match then {
        Outcome::Complete(reason) | Outcome::Aborted(reason) => Outcome::Aborted(reason),
        Outcome::LimitReached(limit) => Outcome::Aborted(Reason::RoomClosed(limit.to_string())),
        Outcome::CutShort(failure) | Outcome::Failed(failure) => Outcome::Failed(failure),
    }
}
