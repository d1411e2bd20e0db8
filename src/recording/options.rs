//! What a client says about a recording besides how it is encoded: kept and given back, acted upon by others.

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
}
