//! Pure. Who requested a recording, and what follows from it for the recording's whole life. What a start is held to because of
//! it stands in `control/admission`.

/// Who requested it, and by which API. `greffier start` and the pages use the REST API; `greffier record` keeps no recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Our REST API.
    #[default]
    Rest,
    /// LiveKit's egress API, through the LiveKit server (psrpc). The server is notified of the recording's life, and calls the
    /// webhooks of the request itself.
    Server(EgressRequest),
    /// LiveKit's egress API at our own address (Twirp).
    Twirp {
        /// The request.
        request: EgressRequest,
        /// `webhooks`: the URL that is notified besides those that are configured.
        webhook: Option<String>,
    },
}

/// A request of LiveKit's egress API, as it is given back in `EgressInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressRequest {
    /// `room_id`.
    pub room_id: String,
    /// An encoded `livekit.EgressInfo` that holds the request, without secrets, and nothing else.
    pub request: Vec<u8>,
    /// Write a manifest beside the file.
    pub manifest: bool,
    /// Where the object will be found: a URL, or a path on this disk.
    pub location: Option<String>,
}

impl Origin {
    /// The request of LiveKit's egress API, when it came by one.
    pub fn egress(&self) -> Option<&EgressRequest> {
        match self {
            Self::Rest => None,
            Self::Server(request) | Self::Twirp { request, .. } => Some(request),
        }
    }

    /// The same, to be completed.
    pub fn egress_mut(&mut self) -> Option<&mut EgressRequest> {
        match self {
            Self::Rest => None,
            Self::Server(request) | Self::Twirp { request, .. } => Some(request),
        }
    }

    /// The webhook of the request that we call.
    pub fn webhook(&self) -> Option<&str> {
        match self {
            Self::Rest | Self::Server(_) => None,
            Self::Twirp { webhook, .. } => webhook.as_deref(),
        }
    }

    /// Whether we notify people of it: by email, in the room, through the transcription service. Clients of LiveKit's egress
    /// API do that themselves.
    pub fn notifies_people(&self) -> bool {
        match self {
            Self::Rest => true,
            Self::Server(_) | Self::Twirp { .. } => false,
        }
    }

    /// Whether the LiveKit server is notified of its life.
    pub fn notifies_server(&self) -> bool {
        match self {
            Self::Rest | Self::Twirp { .. } => false,
            Self::Server(_) => true,
        }
    }

    /// Whether it counts as begun, and its start is answered, once the recorder has joined the room, as LiveKit Egress does it. The
    /// others wait until media flows: a recording whose media never flows has not begun.
    pub fn begins_on_joining(&self) -> bool {
        match self {
            Self::Rest => false,
            Self::Server(_) | Self::Twirp { .. } => true,
        }
    }

    /// Whether its mode was named by the client: a mode may have a storage of its own.
    pub fn names_mode(&self) -> bool {
        match self {
            Self::Rest => true,
            Self::Server(_) | Self::Twirp { .. } => false,
        }
    }
}
