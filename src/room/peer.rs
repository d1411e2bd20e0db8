//! The WebRTC library behind one seam: offers in, answers out; frames, packets and sender reports of subscribed tracks.
//!
//! `str0m` does no IO of its own: this file owns the UDP sockets and feeds it. We are the receiving side only, and always
//! answer (LiveKit's subscriber connection).

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use str0m::change::SdpOffer;
use str0m::format::{Codec as RtpCodec, CodecExtra};
use str0m::media::{KeyframeRequestKind, MediaData, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};
use tokio::net::UdpSocket;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::TrackId;
use crate::media::{self, Codec, SenderReport, Unit};

/// What the peer connection tells.
#[derive(Debug)]
pub(super) enum PeerEvent {
    /// ICE and DTLS are up.
    Connected,
    /// ICE has lost its path.
    Disconnected,
    /// One unit of a track.
    Media(TrackId, Codec, Unit),
    /// One sender report of a track.
    Report(TrackId, SenderReport),
    /// Tell the server about this address of ours (`candidate:…`).
    Candidate(String),
    /// The connection is dead for good.
    Dead(String),
}

/// A lost audio packet is waited for this long: audio has no retransmission, only reordering.
const AUDIO_REORDERING: Duration = Duration::from_millis(100);
/// Larger than any datagram.
const DATAGRAM: usize = 2000;

/// LiveKit's subscriber connection.
pub(super) struct Peer {
    rtc: Rtc,
    sockets: Sockets,
    /// What each m-line carries now, from the newest offer. A mid is used again for the next track.
    tracks: HashMap<Mid, TrackId>,
    /// Every m-line that ever carried a track.
    used: HashSet<Mid>,
    /// The newest RTP time of each m-line, by which sender reports are unwrapped.
    newest: HashMap<Mid, u64>,
    /// Candidates that came before the first offer.
    early: Vec<Candidate>,
    offered: bool,
    outbox: Vec<PeerEvent>,
    /// It has been told that the connection is dead: once is enough.
    dead: bool,
}

impl Peer {
    /// Opens the sockets.
    pub async fn open() -> Result<Self> {
        let rtc = Rtc::builder()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_vp9(true)
            .enable_h264(true)
            .enable_av1(true)
            .enable_h265(false)
            .set_reordering_timeout_audio(Some(AUDIO_REORDERING))
            .build(Instant::now());
        let sockets = Sockets::open().await?;
        Ok(Self {
            rtc,
            sockets,
            tracks: HashMap::new(),
            used: HashSet::new(),
            newest: HashMap::new(),
            early: Vec::new(),
            offered: false,
            outbox: Vec::new(),
            dead: false,
        })
    }

    /// Takes the server's offer and gives the answer. `mids` is the offer's `mid_to_track_id`.
    pub fn answer(&mut self, sdp: &str, mids: &HashMap<String, String>) -> Result<String> {
        let wrong = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Internal, format!("the server's offer: {e}"));
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|e| wrong(&e))?;
        let tracks = mids.iter().map(|(mid, track)| (Mid::from(mid.as_str()), TrackId::new(track))).collect();
        let before = std::mem::replace(&mut self.tracks, tracks);
        for (mid, track) in &self.tracks {
            // An m-line that carries another track now, or the same one after a pause, begins anew: str0m would go on with
            // the former sequence numbers and take everything before them for late.
            if !self.used.insert(*mid) && before.get(mid) != Some(track) {
                self.rtc.direct_api().remove_media(*mid);
                self.newest.remove(mid);
            }
        }
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| wrong(&e))?;
        self.newest.retain(|mid, _| self.tracks.contains_key(mid));
        self.offered = true;
        for candidate in std::mem::take(&mut self.early) {
            self.add(candidate);
        }
        Ok(answer.to_sdp_string())
    }

    /// One of the server's addresses, as trickled: `candidate:…`, with or without `a=`.
    pub fn candidate(&mut self, line: &str) {
        match Candidate::from_sdp_string(line.trim_start_matches("a=")) {
            // str0m has no ICE-TCP of its own; a recorder beside its server has UDP.
            Ok(candidate) if candidate.proto() != Protocol::Udp => {
                tracing::debug!(candidate = line, "ignored: only UDP is supported");
            }
            Ok(candidate) if self.offered => self.add(candidate),
            Ok(candidate) => self.early.push(candidate),
            Err(e) => tracing::debug!(candidate = line, error = %e, "ignored: unreadable"),
        }
    }

    /// RTCP PLI for this track.
    pub fn request_keyframe(&mut self, track: &TrackId) {
        let Some(mid) = self.tracks.iter().find_map(|(mid, id)| (id == track).then_some(*mid)) else { return };
        if let Some(mut writer) = self.rtc.writer(mid)
            && let Err(e) = writer.request_keyframe(None, KeyframeRequestKind::Pli)
        {
            tracing::debug!(%track, error = %e, "no key frame can be requested");
        }
    }

    /// The next event; none follows [`PeerEvent::Dead`]. Cancel-safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> PeerEvent {
        if self.dead {
            return std::future::pending().await;
        }
        let event = self.poll().await;
        self.dead = matches!(event, PeerEvent::Dead(_));
        event
    }

    async fn poll(&mut self) -> PeerEvent {
        let mut buffer = [0; DATAGRAM];
        loop {
            if let Some(event) = self.outbox.pop() {
                return event;
            }
            let until = match self.rtc.poll_output() {
                Ok(Output::Timeout(until)) => until,
                Ok(Output::Transmit(transmit)) => {
                    self.sockets.send(&transmit);
                    continue;
                }
                Ok(Output::Event(event)) => match self.translate(event) {
                    Some(event) => return event,
                    None => continue,
                },
                Err(e) => return PeerEvent::Dead(e.to_string()),
            };
            if !self.rtc.is_alive() {
                return PeerEvent::Dead("the peer connection was closed".into());
            }
            let received = tokio::time::timeout_at(until.into(), self.sockets.receive(&mut buffer)).await;
            let now = Instant::now();
            let done = match received {
                Ok((length, source, destination)) => {
                    match Receive::new(Protocol::Udp, source, destination, &buffer[..length]) {
                        Ok(received) => self.rtc.handle_input(Input::Receive(now, received)),
                        Err(e) => {
                            tracing::trace!(error = %e, "a datagram that is neither STUN, DTLS nor RTP");
                            continue;
                        }
                    }
                }
                Err(_) => self.rtc.handle_input(Input::Timeout(now)),
            };
            if let Err(e) = done {
                return PeerEvent::Dead(e.to_string());
            }
        }
    }

    /// Adds a remote candidate, and first the local one from which it can be reached.
    fn add(&mut self, remote: Candidate) {
        if let Some(local) = self.sockets.local_for(remote.addr())
            && let Ok(host) = Candidate::host(local, "udp")
            && let Some(added) = self.rtc.add_local_candidate(host)
        {
            let line = added.to_sdp_string();
            self.outbox.push(PeerEvent::Candidate(line.trim_start_matches("a=").to_owned()));
        }
        self.rtc.add_remote_candidate(remote);
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "most events are not about receiving")]
    fn translate(&mut self, event: Event) -> Option<PeerEvent> {
        match event {
            Event::Connected => Some(PeerEvent::Connected),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => Some(PeerEvent::Disconnected),
            Event::MediaData(data) => self.media(data),
            Event::SenderFeedback(feedback) => {
                let track = self.tracks.get(&feedback.mid)?.clone();
                // Only the lower 32 bits are on the wire; the upper ones are those of the media.
                let newest = *self.newest.get(&feedback.mid)?;
                let behind = (newest as u32).wrapping_sub(feedback.sender_info.rtp_time.numer() as u32) as i32;
                let rtp = newest.saturating_add_signed(-i64::from(behind));
                let ntp = feedback.sender_info.ntp_time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                Some(PeerEvent::Report(track, SenderReport { rtp, ntp_ns: i64::try_from(ntp.as_nanos()).ok()? }))
            }
            Event::Closed => Some(PeerEvent::Dead("the server closed the peer connection".into())),
            _ => None,
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "codecs we did not answer")]
    fn media(&mut self, data: MediaData) -> Option<PeerEvent> {
        let track = self.tracks.get(&data.mid)?.clone();
        let codec = match data.params.spec().codec {
            RtpCodec::Opus => Codec::Opus,
            RtpCodec::Vp8 => Codec::Vp8,
            RtpCodec::Vp9 => Codec::Vp9,
            RtpCodec::H264 => Codec::H264,
            RtpCodec::Av1 => Codec::Av1,
            other => {
                tracing::debug!(%track, codec = ?other, "ignored: a codec we did not answer");
                return None;
            }
        };
        let keyframe = match &data.codec_extra {
            CodecExtra::Vp8(extra) => extra.is_keyframe,
            CodecExtra::Vp9(extra) => extra.is_keyframe,
            CodecExtra::H264(extra) => extra.is_keyframe,
            CodecExtra::Av1(extra) => extra.is_keyframe,
            _ => codec == Codec::Opus,
        };
        let rtp = data.time.numer();
        self.newest.insert(data.mid, rtp);
        let unit =
            Unit { data: payload(&data), rtp, arrival: data.network_time, contiguous: data.contiguous, keyframe };
        Some(PeerEvent::Media(track, codec, unit))
    }
}

/// The frame; of VP9 with an index of its spatial layers, which only their packets tell apart.
fn payload(data: &MediaData) -> Bytes {
    if let CodecExtra::Vp9(extra) = &data.codec_extra {
        let mut ends: Vec<usize> = extra.layers_scheme.iter().flatten().copied().collect();
        ends.sort_unstable();
        // One layer may bring an index of its own.
        if ends.len() > 1 || media::vp9::frames(&data.data).is_none() {
            return media::vp9::superframe(&data.data, &ends);
        }
    }
    Bytes::copy_from_slice(&data.data)
}

/// One UDP socket for each IP version, bound to every address of the machine.
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    /// Which address of ours faces which of theirs: asked of the kernel once each.
    routes: HashMap<IpAddr, IpAddr>,
}

impl Sockets {
    async fn open() -> Result<Self> {
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await;
        let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok();
        match (v4, &v6) {
            (Err(e), None) => Err(Error::new(ErrorKind::ResourceExhausted, format!("cannot open a UDP socket: {e}"))),
            (v4, _) => Ok(Self { v4: v4.ok(), v6, routes: HashMap::new() }),
        }
    }

    fn for_address(&self, address: IpAddr) -> Option<&UdpSocket> {
        match address {
            IpAddr::V4(_) => self.v4.as_ref(),
            IpAddr::V6(_) => self.v6.as_ref(),
        }
    }

    /// Our address and port as `remote` sees them (host candidate).
    fn local_for(&mut self, remote: SocketAddr) -> Option<SocketAddr> {
        let port = self.for_address(remote.ip())?.local_addr().ok()?.port();
        let ip = match self.routes.get(&remote.ip()) {
            Some(ip) => *ip,
            None => {
                let ip = route_to(remote)?;
                self.routes.insert(remote.ip(), ip);
                ip
            }
        };
        Some(SocketAddr::new(ip, port))
    }

    /// A datagram that cannot be sent now is lost, as on any network.
    fn send(&self, transmit: &Transmit) {
        let Some(socket) = self.for_address(transmit.destination.ip()) else { return };
        if let Err(e) = socket.try_send_to(&transmit.contents, transmit.destination) {
            tracing::trace!(to = %transmit.destination, error = %e, "datagram not sent");
        }
    }

    /// Length, from where, and to which address of ours.
    async fn receive(&mut self, buffer: &mut [u8]) -> (usize, SocketAddr, SocketAddr) {
        loop {
            let received = match (&self.v4, &self.v6) {
                (Some(v4), Some(v6)) => {
                    tokio::select! {
                        _ = v4.readable() => v4.try_recv_from(buffer),
                        _ = v6.readable() => v6.try_recv_from(buffer),
                    }
                }
                (Some(one), None) | (None, Some(one)) => one.recv_from(buffer).await,
                (None, None) => std::future::pending().await,
            };
            // An ICMP "port unreachable" of an earlier datagram comes as an error: nothing to do about it.
            let Ok((length, source)) = received else { continue };
            if let Some(destination) = self.local_for(source) {
                return (length, source, destination);
            }
        }
    }
}

/// The address of ours from which `remote` is reached. Nothing is sent.
fn route_to(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let probe = std::net::UdpSocket::bind(any).ok()?;
    probe.connect(remote).ok()?;
    Some(probe.local_addr().ok()?.ip())
}
