//! What a client says about a recording besides how it is encoded: kept and given back, acted upon by others.

use jiff::SignedDuration;

use crate::recording::{Origin, Request};

/// The recording options of the feature; all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Language of the transcript, as the transcription service names it.
    pub language: Option<String>,
    /// Also transcribe a video.
    pub transcribe: Option<bool>,
    /// Also collect who spoke when.
    pub collect_metadata: Option<bool>,
    /// The mode the person chose, when the recording's own differs.
    pub original_mode: Option<String>,
    /// Whose it is: who gets the mail.
    pub owner: Option<Owner>,
    /// The object's key, when it is not the usual one.
    pub key: Option<String>,
    /// How long it is kept after it was made, when not as usual.
    pub expires_after: Option<SignedDuration>,
    /// A start that is repeated with the same one is the same start.
    pub idempotency_key: Option<String>,
    /// Where the file goes, when not to the configured storage.
    pub store: Option<SealedStore>,
    /// Who requested it.
    pub origin: Origin,
}

/// A storage with its credentials, encrypted: only the vault of the same sidecar can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedStore(pub Vec<u8>);

/// Whose recording it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Mail address.
    pub email: String,
    /// Shown name.
    pub name: Option<String>,
    /// BCP 47 language tag of the letters, such as `fr`.
    pub locale: Option<String>,
    /// IANA time zone of the times in the letters, such as `Europe/Paris`.
    pub time_zone: Option<String>,
}

impl Options {
    /// The sealed storage, when it is not the configured one.
    pub fn sealed_store(&self) -> Option<&[u8]> {
        self.store.as_ref().map(|store| store.0.as_slice())
    }

    /// Is the transcription service called? For audio alone always, for video on request.
    pub fn is_transcribed(&self, request: &Request) -> bool {
        request.output.video().is_none() || self.transcribe == Some(true)
    }
}
