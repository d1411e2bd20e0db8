//! One participant's connection: LiveKit signalling and the publisher peer connection, which we offer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol as proto;
use livekit_signaling::{SignalClient, SignalEvent, SignalEvents, SignalOptions};
use proto::{signal_request as request, signal_response as response};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use webrtc::ice_transport::ice_candidate::RTCIceCandidateInit;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::peer_connection::peer_connection_state::RTCPeerConnectionState;
use webrtc::peer_connection::sdp::session_description::RTCSessionDescription;
use webrtc::rtp_transceiver::RTCRtpTransceiverInit;
use webrtc::rtp_transceiver::rtp_sender::RTCRtpSender;
use webrtc::rtp_transceiver::rtp_transceiver_direction::RTCRtpTransceiverDirection;
use webrtc::track::track_local::TrackLocal;
use webrtc::track::track_local::track_local_static_rtp::TrackLocalStaticRTP;

use crate::engine;
use crate::options::Options;
use crate::{Failure, fail};

/// How long the server may take for one step.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A participant in the room, without tracks at first.
pub struct Peer {
    signal: Arc<SignalClient>,
    pub connection: Arc<RTCPeerConnection>,
    inbox: Arc<Inbox>,
    answers: tokio::sync::Mutex<mpsc::UnboundedReceiver<proto::SessionDescription>>,
    offers: Mutex<u32>,
    connected: watch::Receiver<bool>,
    /// Turns true when the server has ended the session.
    pub gone: watch::Receiver<bool>,
}

/// What arrives from the server and is waited for elsewhere.
#[derive(Default)]
struct Inbox {
    published: Mutex<HashMap<String, oneshot::Sender<proto::TrackInfo>>>,
    /// Candidates that came before the first answer.
    early: Mutex<Option<Vec<RTCIceCandidateInit>>>,
}

impl Peer {
    /// Joins the room.
    pub async fn join(options: &Options, identity: &str, name: &str) -> Result<Self, Failure> {
        // Without `can_subscribe` the server makes the publisher connection the primary one and opens no other.
        let grants = VideoGrants {
            room_join: true,
            room: options.room.clone(),
            can_publish: Some(true),
            can_subscribe: Some(false),
            ..Default::default()
        };
        let token = AccessToken::with_api_key(&options.api_key, &options.api_secret)
            .with_identity(identity)
            .with_name(name)
            .with_grants(grants)
            .to_jwt()?;
        let mut signal_options = SignalOptions::default();
        signal_options.auto_subscribe = false;
        signal_options.single_peer_connection = false;
        signal_options.region_failover = false;
        signal_options.protocol_version = 16;
        signal_options.client_capabilities = Vec::new();
        let (signal, _, events) = SignalClient::connect(&options.url, &token, signal_options, None)
            .await
            .map_err(|e| fail(format!("cannot join {} at {}: {e}", options.room, options.url)))?;
        let connection = Arc::new(engine::connection().await?);
        let (connected_tx, connected) = watch::channel(false);
        connection.on_peer_connection_state_change(Box::new(move |state| {
            let _ = connected_tx.send(state == RTCPeerConnectionState::Connected);
            Box::pin(async {})
        }));
        let inbox = Arc::new(Inbox { early: Mutex::new(Some(Vec::new())), ..Default::default() });
        let (answers_tx, answers) = mpsc::unbounded_channel();
        let (gone_tx, gone) = watch::channel(false);
        tokio::spawn(listen(events, connection.clone(), inbox.clone(), answers_tx, gone_tx));
        Ok(Self {
            signal: Arc::new(signal),
            connection,
            inbox,
            answers: tokio::sync::Mutex::new(answers),
            offers: Mutex::new(0),
            connected,
            gone,
        })
    }

    /// Announces a track; the server answers with what it calls it.
    pub async fn announce(&self, add: proto::AddTrackRequest) -> Result<proto::TrackInfo, Failure> {
        let (tx, rx) = oneshot::channel();
        lock(&self.inbox.published).insert(add.cid.clone(), tx);
        let cid = add.cid.clone();
        self.signal.send(request::Message::AddTrack(add)).await;
        timeout(TIMEOUT, rx).await?.map_err(|_| fail(format!("the server did not accept track {cid}")))
    }

    /// Adds the layers of a track (one without a RID, or several with) to the next offer.
    pub async fn add(&self, layers: &[Arc<TrackLocalStaticRTP>]) -> Result<Arc<RTCRtpSender>, Failure> {
        let mut layers = layers.iter().map(|layer| Arc::clone(layer) as Arc<dyn TrackLocal + Send + Sync>);
        let first = layers.next().ok_or_else(|| fail("a track without layers"))?;
        let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Sendonly, send_encodings: vec![] };
        let transceiver = self.connection.add_transceiver_from_track(first, Some(init)).await?;
        let sender = transceiver.sender().await;
        for layer in layers {
            sender.add_encoding(layer).await?;
        }
        Ok(sender)
    }

    /// Offers the present set of tracks and waits for the answer, and the first time for the connection.
    pub async fn negotiate(&self) -> Result<(), Failure> {
        let mut answers = self.answers.lock().await;
        let id = {
            let mut offers = lock(&self.offers);
            *offers += 1;
            *offers
        };
        let offer = self.connection.create_offer(None).await?;
        let mut gathered = self.connection.gathering_complete_promise().await;
        self.connection.set_local_description(offer).await?;
        if id == 1 {
            timeout(TIMEOUT, gathered.recv()).await?;
        }
        let local = self.connection.local_description().await.ok_or_else(|| fail("no local description"))?;
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp: local.sdp, id, ..Default::default() };
        self.signal.send(request::Message::Offer(offer)).await;
        let answer = timeout(TIMEOUT, answers.recv()).await?.ok_or_else(|| fail("the server is gone"))?;
        self.connection.set_remote_description(RTCSessionDescription::answer(answer.sdp)?).await?;
        let early = lock(&self.inbox.early).take();
        for candidate in early.unwrap_or_default() {
            self.connection.add_ice_candidate(candidate).await?;
        }
        let mut connected = self.connected.clone();
        timeout(TIMEOUT, connected.wait_for(|up| *up))
            .await
            .map_err(|_| fail("no media connection to the server (ICE over UDP)"))??;
        Ok(())
    }

    /// Tells the server that a track is muted or not.
    pub async fn mute(&self, sid: &str, muted: bool) {
        self.signal.send(request::Message::Mute(proto::MuteTrackRequest { sid: sid.to_owned(), muted })).await;
    }

    /// Leaves the room.
    pub async fn leave(&self) {
        let leave = proto::LeaveRequest {
            reason: proto::DisconnectReason::ClientInitiated.into(),
            action: proto::leave_request::Action::Disconnect.into(),
            ..Default::default()
        };
        self.signal.send(request::Message::Leave(leave)).await;
        let _ = timeout(Duration::from_secs(2), self.connection.close()).await;
        let _ = timeout(Duration::from_secs(2), self.signal.close()).await;
    }
}

/// Sorts what the server sends.
async fn listen(
    mut events: SignalEvents,
    connection: Arc<RTCPeerConnection>,
    inbox: Arc<Inbox>,
    answers: mpsc::UnboundedSender<proto::SessionDescription>,
    gone: watch::Sender<bool>,
) {
    while let Some(event) = events.recv().await {
        let message = match event {
            SignalEvent::Message(message) => *message,
            SignalEvent::Close(_) => break,
        };
        if let response::Message::Answer(answer) = message {
            let _ = answers.send(answer);
        } else if let response::Message::TrackPublished(published) = message {
            let waiting = lock(&inbox.published).remove(&published.cid);
            if let (Some(waiting), Some(track)) = (waiting, published.track) {
                let _ = waiting.send(track);
            }
        } else if let response::Message::Trickle(trickle) = message {
            if trickle.target != proto::SignalTarget::Publisher as i32 {
                continue;
            }
            let Ok(candidate) = serde_json::from_str::<RTCIceCandidateInit>(&trickle.candidate_init) else { continue };
            let candidate = match lock(&inbox.early).as_mut() {
                Some(early) => {
                    early.push(candidate);
                    None
                }
                None => Some(candidate),
            };
            if let Some(candidate) = candidate {
                let _ = connection.add_ice_candidate(candidate).await;
            }
        } else if let response::Message::Leave(_) = message {
            break;
        }
    }
    let _ = gone.send(true);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
