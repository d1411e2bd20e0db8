//! One signalling session: joined, with its peer connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_signaling::{SignalClient, SignalError, SignalEvents, SignalOptions};
use proto::signal_request::Message;
use tokio::sync::mpsc;

use super::Wanted;
use super::fallback::Fallback;
use super::link::Link;
use super::peer::Peer;
use crate::error::{Error, ErrorKind, Result};
use crate::livekit::Access;

/// Signal protocol we implement. Later ones only add what a receiver does not need.
const PROTOCOL_VERSION: u32 = 16;
/// One attempt to open the signalling link.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The whole of joining.
const JOIN_TIMEOUT: Duration = Duration::from_millis(4500);

/// Saying goodbye takes at most this long.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is to be sent. It goes out in a task of its own: while the signalling link is being reopened sending waits, and media
/// must be read meanwhile.
enum Outgoing {
    // Boxed, because it is much larger than the rest.
    Message(Box<Message>),
    /// The resume is complete: what was held back follows.
    Reconnected,
}

/// A joined session.
pub(super) struct Session {
    pub client: Arc<SignalClient>,
    pub events: SignalEvents,
    pub peer: Peer,
    pub join: proto::JoinResponse,
    /// The newest offer and our answer: a resume repeats them.
    pub offer: Option<proto::SessionDescription>,
    pub answer: Option<proto::SessionDescription>,
    /// The way to the server, kept open.
    _link: Link,
    /// Whether the server keeps its UDP addresses back.
    pub fallback: Fallback,
    outgoing: mpsc::UnboundedSender<Outgoing>,
}

impl Session {
    /// Joins; fails when the room does not exist instead of creating it.
    pub async fn join(access: &Access, room: &str, identity: &str) -> Result<Self> {
        tokio::time::timeout(JOIN_TIMEOUT, Self::try_join(access, room, identity)).await.unwrap_or_else(|_| {
            let url = &access.site.url;
            Err(Error::new(ErrorKind::DeadlineExceeded, format!("url: {url} did not let us join in time")))
        })
    }

    async fn try_join(access: &Access, room: &str, identity: &str) -> Result<Self> {
        let url = &access.site.url;
        let link = Link::open(&access.site).await?;
        let jwt = access.tokens.token(room, identity).await?;
        let mut options = SignalOptions::default();
        options.auto_subscribe = false;
        options.adaptive_stream = false;
        options.single_peer_connection = false;
        options.connect_timeout = CONNECT_TIMEOUT;
        options.region_failover = false;
        options.protocol_version = PROTOCOL_VERSION;
        // Without this the server would append packet trailers to video frames.
        options.client_capabilities = Vec::new();
        let (client, join, events) =
            SignalClient::connect(&link.ws_url(), &jwt, options, None).await.map_err(|e| refusal(url, &e))?;
        let peer = Peer::open().await?;
        let client = Arc::new(client);
        let (outgoing, mut queue) = mpsc::unbounded_channel();
        let sending = client.clone();
        tokio::spawn(async move {
            while let Some(next) = queue.recv().await {
                match next {
                    Outgoing::Message(message) => sending.send(*message).await,
                    Outgoing::Reconnected => sending.set_reconnected().await,
                }
            }
        });
        let fallback = Fallback::default();
        Ok(Self { client, events, peer, join, offer: None, answer: None, _link: link, fallback, outgoing })
    }

    fn send(&self, message: Message) {
        let _ = self.outgoing.send(Outgoing::Message(Box::new(message)));
    }

    /// Answers the server's offer.
    pub fn offered(&mut self, offer: proto::SessionDescription) -> Result<()> {
        let anew = self.peer.begins_ice(&offer.sdp);
        let sdp = self.peer.answer(&offer.sdp, &offer.mid_to_track_id)?;
        if anew {
            self.fallback.begins(Instant::now());
            self.named();
        }
        let answer = proto::SessionDescription { r#type: "answer".into(), sdp, id: offer.id, ..Default::default() };
        self.offer = Some(offer);
        self.answer = Some(answer.clone());
        self.send(Message::Answer(answer));
        Ok(())
    }

    /// Takes one of the server's candidates.
    pub fn trickled(&mut self, trickle: &proto::TrickleRequest) {
        if trickle.target() != proto::SignalTarget::Subscriber {
            return;
        }
        let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).unwrap_or_default();
        if let Some(line) = init["candidate"].as_str().filter(|line| !line.is_empty()) {
            self.peer.candidate(line);
            self.named();
        }
    }

    /// Looks at what the server has named since it began ICE.
    fn named(&mut self) {
        if self.peer.names_udp() {
            self.fallback.named_udp();
        } else if self.peer.names_tcp() {
            self.fallback.named_tcp(Instant::now());
        }
    }

    /// It takes the place of `old`. `silent`: media had ceased to come there.
    pub fn succeeds(&mut self, old: &Self, silent: bool) {
        self.fallback = old.fallback.anew();
        if silent {
            self.peer.udp_failed();
        }
    }

    /// When the server names no UDP address any more, all of its addresses are requested: it begins ICE anew and names them. `flows`:
    /// it is heard on the media path.
    pub fn keep_udp(&mut self, now: Instant, flows: bool) {
        use proto::simulate_scenario::Scenario;
        if self.fallback.handle_timeout(now, flows) {
            tracing::info!("the server names no address for UDP any more: requested");
            let scenario = Some(Scenario::SwitchCandidateProtocol(proto::CandidateProtocol::Udp.into()));
            self.send(Message::Simulate(proto::SimulateScenario { scenario }));
        }
    }

    /// Tells the server one of our addresses.
    pub fn send_candidate(&self, line: &str) {
        let init = serde_json::json!({ "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0 });
        let mut trickle = proto::TrickleRequest { candidate_init: init.to_string(), ..Default::default() };
        trickle.set_target(proto::SignalTarget::Subscriber);
        self.send(Message::Trickle(trickle));
    }

    /// Subscribes to `added`, unsubscribes from `removed`, sets the layer of `sized`.
    pub fn subscribe(&self, added: &[Wanted], removed: &[Wanted], sized: &[Wanted]) {
        for (list, subscribe) in [(removed, false), (added, true)] {
            if !list.is_empty() {
                self.send(Message::Subscription(subscription(list, subscribe)));
            }
        }
        for wanted in sized {
            let Some((width, height)) = wanted.size else { continue };
            let track_sids = vec![wanted.track.to_string()];
            let setting = proto::UpdateTrackSettings { track_sids, width, height, ..Default::default() };
            self.send(Message::TrackSetting(setting));
        }
    }

    /// After a resume: repeats what both sides had agreed on.
    pub fn synchronise(&self, wanted: &[Wanted]) {
        let state = proto::SyncState {
            answer: self.answer.clone(),
            offer: self.offer.clone(),
            subscription: Some(subscription(wanted, true)),
            ..Default::default()
        };
        self.send(Message::SyncState(state));
        let _ = self.outgoing.send(Outgoing::Reconnected);
    }

    /// Says goodbye.
    pub async fn leave(&self) {
        let mut leave = proto::LeaveRequest::default();
        leave.set_reason(proto::DisconnectReason::ClientInitiated);
        let goodbye = async {
            self.client.send(Message::Leave(leave)).await;
            self.client.close().await;
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

fn subscription(tracks: &[Wanted], subscribe: bool) -> proto::UpdateSubscription {
    let track_sids = tracks.iter().map(|w| w.track.to_string()).collect();
    let participant_tracks = tracks
        .iter()
        .map(|w| proto::ParticipantTracks {
            participant_sid: w.participant.to_string(),
            track_sids: vec![w.track.to_string()],
        })
        .collect();
    proto::UpdateSubscription { track_sids, subscribe, participant_tracks }
}

/// Why joining failed, as a line that names the field.
#[allow(clippy::wildcard_enum_match_arm, reason = "the other errors speak for themselves")]
fn refusal(url: &str, error: &SignalError) -> Error {
    match error {
        SignalError::Client(status, body) if matches!(status.as_u16(), 401 | 403) => Error::new(
            ErrorKind::Unauthenticated,
            format!("api_key/api_secret: {url} refuses the key ({})", body.trim()),
        ),
        SignalError::Client(status, body) | SignalError::Server(status, body) => {
            Error::new(ErrorKind::Unavailable, format!("url: {url} answers {status}: {}", body.trim()))
        }
        other => Error::new(ErrorKind::Unavailable, format!("url: cannot join at {url}: {other}")),
    }
}
