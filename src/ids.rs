//! Names of the things we speak of: recordings, participants, tracks, artifacts.

use std::fmt;

/// Makes a string newtype that can be read, compared and printed, and nothing else.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the name as it came.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// One recording; LiveKit's `egress_id`: `EG_` and twelve of `[0-9A-Za-z]`.
    RecordingId
}
id! {
    /// A participant's `sid` as the server gave it (`PA_…`).
    ParticipantId
}
id! {
    /// A published track's `sid` (`TR_…`).
    TrackId
}
