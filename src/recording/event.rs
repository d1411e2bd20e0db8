//! What the outside is told about a recording, in the order in which it can happen.

use crate::recording::Limit;

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Accepted; the recorder is joining.
    Accepted,
    /// In the room: there will be a recording. LiveKit's server hears of its egress.
    Joined,
    /// Media flows.
    Started,
    /// A limit is about to be reached.
    LimitNear(Limit),
    /// No more media; the file is being finished and stored.
    Ending,
    /// Over. The file, if there is one, can be fetched.
    Ended,
}

impl Event {
    /// Its place in the order: what somebody is notified later has a higher one.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Joined => 1,
            Self::Started => 2,
            Self::LimitNear(Limit::Duration) => 3,
            Self::LimitNear(Limit::Size) => 4,
            Self::Ending => 5,
            Self::Ended => 6,
        }
    }

    /// Its name in logs, rows and webhooks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Joined => "joined",
            Self::Started => "started",
            Self::LimitNear(Limit::Duration) => "duration_limit_near",
            Self::LimitNear(Limit::Size) => "size_limit_near",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }

    /// The event of this name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Accepted,
            Self::Joined,
            Self::Started,
            Self::LimitNear(Limit::Duration),
            Self::LimitNear(Limit::Size),
            Self::Ending,
            Self::Ended,
        ];
        all.into_iter().find(|event| event.name() == name)
    }
}
