//! Pure. The section `logging`: how much is written, and how.

use serde::{Deserialize, Deserializer};

use super::source::{DEFAULT, Effective};
use crate::document::{self, checked};

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Somebody must act.
    Error,
    /// And: something was lost, or will be.
    Warn,
    /// And: what begins and ends.
    #[default]
    Info,
    /// And: what is looked at when something is not understood.
    Debug,
    /// And: everything that libraries say.
    Trace,
}

/// The section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// `logging.level`.
    #[serde(deserialize_with = "level")]
    pub level: Level,
    /// `logging.json`: lines for programs.
    pub json: bool,
}

impl Level {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level of this name.
    fn named(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "" | "info" => Some(Self::Info),
            "error" => Some(Self::Error),
            "warn" | "warning" => Some(Self::Warn),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }

    /// What is written at this level, as tracing's `EnvFilter` reads it. Libraries warn of what is no fault of a recording
    /// (an unusual payload type in an offer, a browser that leaves), and the errors that strangers can cause are not ours.
    pub fn filter(self) -> String {
        let (libraries, connections) = match self {
            Self::Error | Self::Warn | Self::Info => ("error", "off"),
            Self::Debug => ("warn", "error"),
            Self::Trace => ("debug", "debug"),
        };
        format!("{libraries},warp::server={connections},greffier={}", self.name())
    }
}

impl Logging {
    /// As arguments of a process that is to log alike.
    pub fn arguments(self) -> [&'static str; 2] {
        [self.level.name(), if self.json { "json" } else { "text" }]
    }

    /// What [`arguments`](Self::arguments) said.
    pub fn of_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let level = arguments.next().and_then(|name| Level::named(&name)).unwrap_or_default();
        Self { level, json: arguments.next().as_deref() == Some("json") }
    }

    /// What is configured, where the level is: else this one.
    pub fn of(effective: &Effective, level: Level) -> Self {
        let section = effective.tree.get("logging").cloned().unwrap_or_default();
        // A wrong level is told by whoever needs the whole configuration.
        let Ok(read) = document::read::<Self>(section, "logging") else { return Self { level, json: false } };
        let default = effective.tree.origin("logging.level") == Some(DEFAULT);
        if default { Self { level, ..read } } else { read }
    }
}

fn level<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Level, D::Error> {
    checked(value, |name: Option<String>| {
        let name = name.unwrap_or_default();
        Level::named(&name).ok_or_else(|| format!("{name:?} is no level; use debug, info, warn or error"))
    })
}
