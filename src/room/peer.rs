//! The WebRTC library behind one seam: offers in, answers out; frames, packets and sender reports of subscribed tracks.
//!
//! `str0m` does no IO of its own: it is fed here from the sockets. We are the receiving side only, and always answer
//! (LiveKit's subscriber connection). What one track carries ends nothing but that track's next picture.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use str0m::change::SdpOffer;
use str0m::error::RtcError;
use str0m::format::{Codec as RtpCodec, CodecExtra};
use str0m::media::{KeyframeRequestKind, MediaData, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::flaws::{self, Flaws};
use super::sockets::{Arrival, Sockets};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TrackId;
use crate::media::{self, Codec, SenderReport, Unit};

/// What the peer connection tells.
#[derive(Debug)]
pub(super) enum PeerEvent {
    /// ICE and DTLS are up: at first, and whenever ICE was begun anew.
    Connected,
    /// A datagram of the server, the first or after a while without any.
    Heard,
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
/// A check of the path goes out this often: its answer tells a quiet room from a path that is cut.
const CHECKS: Duration = Duration::from_secs(1);
/// So many checks without an answer, and ICE forgets the path. Whether it is any good is judged elsewhere.
const FAILED: usize = 60;
/// How a STUN request begins (RFC 8489, section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];
/// The first byte of STUN is below this; of DTLS, RTP and RTCP it is above (RFC 7983, section 7).
const ABOVE_STUN: u8 = 4;
/// UDP is better for media, so it has this long before TCP is tried.
const UDP_FIRST: Duration = Duration::from_millis(700);
/// A datagram after so long is an event.
const QUIET: Duration = Duration::from_millis(1500);
/// Remote candidates that are taken in for one description: a server has a few for each of its interfaces.
const CANDIDATES: usize = 64;
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
    /// How many there were since the ICE credentials of the server were new.
    candidates: usize,
    /// One of them was for UDP.
    udp: bool,
    /// The server's ICE user name in the newest offer: another one means that it begins ICE anew.
    ufrag: String,
    offered: bool,
    outbox: Vec<PeerEvent>,
    /// There is something new to be looked at by a timeout: `str0m` begins nothing before it has had one, and the server may not
    /// be able to reach us first.
    stirred: bool,
    flaws: Flaws<Mid>,
    /// When the newest datagram came that proves the path.
    heard: Option<Instant>,
    /// Where DTLS, RTP and RTCP come from since the server began ICE. An answer from elsewhere does not say that this path is whole.
    carrier: Option<(Protocol, SocketAddr)>,
    /// DTLS is up.
    secured: bool,
    /// The server's addresses for UDP.
    named: Vec<SocketAddr>,
    /// The server's candidates that take TCP connections.
    passive: Vec<Candidate>,
    /// When TCP is tried, unless UDP has passed before.
    tcp_at: Option<Instant>,
    /// How long UDP is waited for: not at all when it has turned out that it does not pass.
    tcp_after: Duration,
    /// It has been told that the connection is dead: once is enough.
    dead: bool,
}

impl Peer {
    /// Opens the sockets.
    pub async fn open() -> Result<Self> {
        let mut config = Rtc::builder()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_vp9(true)
            .enable_h264(true)
            .enable_av1(true)
            .enable_h265(false)
            .set_reordering_timeout_audio(Some(AUDIO_REORDERING));
        config.set_max_stun_rto(CHECKS);
        config.set_max_stun_retransmits(FAILED);
        let rtc = config.build(Instant::now());
        let sockets = Sockets::open().await?;
        Ok(Self {
            rtc,
            sockets,
            tracks: HashMap::new(),
            used: HashSet::new(),
            newest: HashMap::new(),
            early: Vec::new(),
            candidates: 0,
            udp: false,
            ufrag: String::new(),
            offered: false,
            outbox: Vec::new(),
            stirred: false,
            flaws: Flaws::new(),
            heard: None,
            carrier: None,
            secured: false,
            named: Vec::new(),
            passive: Vec::new(),
            tcp_at: None,
            tcp_after: UDP_FIRST,
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
                self.flaws.begin(*mid);
            }
        }
        if self.begins_ice(sdp) {
            self.ufrag = ufrag(sdp).to_owned();
            self.candidates = self.early.len();
            self.udp = self.candidates > 0 || sdp.lines().any(|line| names(line, "udp"));
            self.sockets.forget();
            self.passive.clear();
            (self.tcp_at, self.carrier) = (None, None);
        }
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| wrong(&e))?;
        self.newest.retain(|mid, _| self.tracks.contains_key(mid));
        self.flaws.retain(|mid| self.tracks.contains_key(mid));
        (self.offered, self.stirred) = (true, true);
        for candidate in std::mem::take(&mut self.early) {
            self.add(candidate);
        }
        // Those for UDP have been taken from the description already.
        sdp.lines().filter(|line| names(line, "tcp")).for_each(|line| self.candidate(line));
        Ok(answer.to_sdp_string())
    }

    /// This offer begins ICE anew.
    pub fn begins_ice(&self, sdp: &str) -> bool {
        ufrag(sdp) != self.ufrag
    }

    /// Since it began ICE, the server has named an address for UDP.
    pub fn names_udp(&self) -> bool {
        self.udp
    }

    /// Since it began ICE, the server has named an address that takes TCP connections.
    pub fn names_tcp(&self) -> bool {
        !self.passive.is_empty()
    }

    /// One of the server's addresses, as trickled: `candidate:…`, with or without `a=`.
    pub fn candidate(&mut self, line: &str) {
        match Candidate::from_sdp_string(line.trim_start_matches("a=")) {
            Ok(_) if self.candidates >= CANDIDATES => tracing::debug!(candidate = line, "ignored: there are too many"),
            Ok(candidate) if candidate.proto() == Protocol::Tcp && candidate.tcptype() == Some(TcpType::Passive) => {
                self.candidates += 1;
                self.passive.push(candidate);
                self.tcp_at.get_or_insert_with(|| Instant::now() + self.tcp_after);
            }
            Ok(candidate) if candidate.proto() != Protocol::Udp => {
                tracing::debug!(candidate = line, "ignored: neither UDP nor passive TCP");
            }
            Ok(candidate) => {
                self.candidates += 1;
                self.udp = true;
                if self.offered { self.add(candidate) } else { self.early.push(candidate) }
            }
            Err(e) => tracing::debug!(candidate = line, error = %e, "ignored: unreadable"),
        }
    }

    /// UDP has fallen silent: whatever else there is, is tried beside it at once.
    pub fn udp_failed(&mut self) {
        self.tcp_after = Duration::ZERO;
    }

    /// When the server's newest datagram came.
    pub fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Media does not reach us: where it should have come from, and what to look at.
    pub fn no_path(&self) -> Error {
        let more = |n: usize| if n > 1 { format!(" or {} more", n - 1) } else { String::new() };
        let udp = match self.named.first() {
            None => "the server names no address for UDP".to_owned(),
            Some(first) => format!("no answer over UDP from {first}{}", more(self.named.len())),
        };
        let tcp = match self.passive.first() {
            None => "it names none for TCP (rtc.tcp_port)".to_owned(),
            Some(first) => format!("none over TCP from {}{}", first.addr(), more(self.passive.len())),
        };
        let fix = "TURN is not spoken; let this machine reach the server's UDP ports (rtc.udp_port, or rtc.port_range_start \
                   to _end) or its TCP port (rtc.tcp_port, usually 7881)";
        Error::new(ErrorKind::Unavailable, format!("no media path: {udp}, {tcp}; {fix}"))
    }

    /// RTCP PLI for this track.
    pub fn request_keyframe(&mut self, track: &TrackId) {
        let mid = self.tracks.iter().find_map(|(mid, id)| (id == track).then_some(*mid));
        if let Some(mid) = mid {
            self.request_keyframe_on(mid);
        }
    }

    fn request_keyframe_on(&mut self, mid: Mid) {
        if let Some(mut writer) = self.rtc.writer(mid)
            && let Err(e) = writer.request_keyframe(None, KeyframeRequestKind::Pli)
        {
            tracing::debug!(%mid, error = %e, "no key frame can be requested");
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
            if std::mem::take(&mut self.stirred)
                && let Err(e) = self.rtc.handle_input(Input::Timeout(Instant::now()))
                && let Some(dead) = self.flawed(&e)
            {
                return dead;
            }
            if self.tcp_at.is_some_and(|at| Instant::now() >= at) {
                self.tcp_at = None;
                for passive in &self.passive {
                    self.sockets.connect(passive.addr());
                }
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
                Err(e) => match self.flawed(&e) {
                    Some(dead) => return dead,
                    None => continue,
                },
            };
            if !self.rtc.is_alive() {
                return PeerEvent::Dead("the peer connection was closed".into());
            }
            let until = self.tcp_at.map_or(until, |at| at.min(until));
            let received = tokio::time::timeout_at(until.into(), self.sockets.receive(&mut buffer)).await;
            let now = Instant::now();
            let done = match received {
                Ok(Arrival::Packet { proto, length, source, destination }) => {
                    match Receive::new(proto, source, destination, &buffer[..length]) {
                        Ok(received) => {
                            if self.proves((proto, source), &buffer[..length])
                                && self.heard.replace(now).is_none_or(|before| now >= before + QUIET)
                            {
                                self.outbox.push(PeerEvent::Heard);
                            }
                            self.rtc.handle_input(Input::Receive(now, received))
                        }
                        Err(e) => {
                            tracing::trace!(error = %e, "a datagram that is neither STUN, DTLS nor RTP");
                            continue;
                        }
                    }
                }
                Ok(Arrival::Open { remote, local }) => {
                    self.opened(remote, local);
                    Ok(())
                }
                Err(_) => self.rtc.handle_input(Input::Timeout(now)),
            };
            match done {
                Ok(()) => self.flaws.input(),
                Err(e) => {
                    if let Some(dead) = self.flawed(&e) {
                        return dead;
                    }
                }
            }
        }
    }

    /// Whether this packet proves that the path is whole. Media goes by the path that the server has chosen: an answer by another
    /// one hides that it is cut. That the server asks proves nothing: it may not hear our answer.
    fn proves(&mut self, from: (Protocol, SocketAddr), packet: &[u8]) -> bool {
        let Some(first) = packet.first() else { return false };
        if *first >= ABOVE_STUN {
            self.carrier = Some(from);
            self.tcp_after = if from.0 == Protocol::Udp { UDP_FIRST } else { Duration::ZERO };
            return true;
        }
        !packet.starts_with(&BINDING_REQUEST) && self.carrier.is_none_or(|carrier| carrier == from)
    }

    /// An error is the end only when `str0m` says so, or when there is nothing but errors. What made it has been removed from
    /// its queue by then: a packet that cannot be read (`Packet`: any guest can send one), a DTLS record out of place.
    #[allow(clippy::wildcard_enum_match_arm, reason = "all but those of one track are treated alike")]
    fn flawed(&mut self, error: &RtcError) -> Option<PeerEvent> {
        match error {
            RtcError::Packet(mid, _, why) => {
                let flaw = self.flaws.packet(*mid, Instant::now());
                let track = self.tracks.get(mid).map(ToString::to_string).unwrap_or_default();
                if flaw.count == 1 {
                    tracing::warn!(track, error = %why, "a packet that makes no sense; further ones are only counted");
                } else {
                    tracing::debug!(track, error = %why, count = flaw.count, "malformed packet");
                }
                if flaw.keyframe {
                    self.request_keyframe_on(*mid);
                }
            }
            other => {
                self.flaws.other();
                tracing::debug!(error = %other, "ignored: the connection goes on");
            }
        }
        let over = !self.rtc.is_alive() || self.flaws.too_many();
        over.then(|| PeerEvent::Dead(error.to_string()))
    }

    /// A TCP connection stands: the two candidates of which it is the pair.
    fn opened(&mut self, remote: SocketAddr, local: SocketAddr) {
        let passive = self.passive.iter().find(|candidate| candidate.addr() == remote).cloned();
        let active = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
        if let (Some(passive), Ok(active)) = (passive, active) {
            tracing::info!(%remote, "media is tried over TCP: no UDP so far");
            self.rtc.add_local_candidate(active);
            self.rtc.add_remote_candidate(passive);
            self.stirred = true;
        }
    }

    /// Adds a remote candidate, and first the local one from which it can be reached.
    fn add(&mut self, remote: Candidate) {
        if !self.named.contains(&remote.addr()) && self.named.len() < CANDIDATES {
            self.named.push(remote.addr());
        }
        if let Some(local) = self.sockets.local_for(remote.addr())
            && let Ok(host) = Candidate::host(local, "udp")
            && let Some(added) = self.rtc.add_local_candidate(host)
        {
            let line = added.to_sdp_string();
            self.outbox.push(PeerEvent::Candidate(line.trim_start_matches("a=").to_owned()));
        }
        self.rtc.add_remote_candidate(remote);
        self.stirred = true;
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "most events are not about receiving")]
    fn translate(&mut self, event: Event) -> Option<PeerEvent> {
        match event {
            Event::Connected => {
                self.secured = true;
                Some(PeerEvent::Connected)
            }
            Event::IceConnectionStateChange(state) => {
                tracing::debug!(?state, "ICE");
                if state.is_connected() {
                    self.tcp_at = None;
                }
                // After ICE was begun anew: DTLS goes on.
                (state.is_connected() && self.secured).then_some(PeerEvent::Connected)
            }
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
        let rtp = flaws::unwrapped(data.time.numer());
        self.newest.insert(data.mid, rtp);
        let gap = self.flaws.unit(data.mid);
        let unit = Unit {
            data: payload(&data),
            rtp,
            arrival: data.network_time,
            contiguous: data.contiguous && !gap,
            missing: self.flaws.missing(data.mid, **data.seq_range.start(), **data.seq_range.end()),
            keyframe,
        };
        Some(PeerEvent::Media(track, codec, unit))
    }
}

/// The server's ICE user name in this description.
fn ufrag(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default()
}

/// Whether this line of a description is a candidate of this transport.
fn names(line: &str, transport: &str) -> bool {
    line.starts_with("a=candidate:")
        && line.split_whitespace().nth(2).is_some_and(|t| t.eq_ignore_ascii_case(transport))
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

#[cfg(test)]
mod tests {
    use str0m::media::{Direction, MediaKind};
    use str0m::rtp::RtpWrite;
    use tokio::net::UdpSocket;

    use super::*;

    /// A server that offers one H.264 track and sends what it is given, one payload after the other.
    struct Sender {
        rtc: Rtc,
        socket: UdpSocket,
        mid: Mid,
        sent: u64,
        /// From its third packet on its clock is so many ticks behind.
        back: u32,
    }

    impl Sender {
        async fn meet(peer: &mut Peer) -> Self {
            let mut rtc = Rtc::builder().clear_codecs().enable_h264(true).set_rtp_mode(true).build(Instant::now());
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let at = socket.local_addr().unwrap();
            let host = Candidate::host(at, "udp").unwrap();
            let line = host.to_sdp_string();
            rtc.add_local_candidate(host);
            let mut changes = rtc.sdp_api();
            let mid = changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
            let (offer, pending) = changes.apply().unwrap();
            let mids = HashMap::from([(mid.to_string(), "TR_1".to_owned())]);
            let answer = peer.answer(&offer.to_sdp_string(), &mids).unwrap();
            peer.candidate(&line);
            let answer = str0m::change::SdpAnswer::from_sdp_string(&answer).unwrap();
            rtc.sdp_api().accept_answer(pending, answer).unwrap();
            Self { rtc, socket, mid, sent: 0, back: 0 }
        }

        /// Sends when it is connected, and again what is still to be sent each 20 ms.
        async fn run(mut self, payloads: Vec<Vec<u8>>) {
            let mut buffer = [0; DATAGRAM];
            let mut payloads = payloads.into_iter();
            let mut next = None;
            loop {
                let until = loop {
                    match self.rtc.poll_output().unwrap() {
                        Output::Timeout(until) => break until,
                        Output::Transmit(t) => drop(self.socket.send_to(&t.contents, t.destination).await),
                        Output::Event(Event::Connected) => next = Some(Instant::now()),
                        Output::Event(_) => {}
                    }
                };
                let until = next.map_or(until, |next: Instant| next.min(until));
                let got = tokio::time::timeout_at(until.into(), self.socket.recv_from(&mut buffer)).await;
                let now = Instant::now();
                let at = self.socket.local_addr().unwrap();
                let input = match &got {
                    Ok(Ok((length, from))) => receive(now, *from, at, &buffer[..*length]),
                    Ok(Err(_)) | Err(_) => Input::Timeout(now),
                };
                self.rtc.handle_input(input).unwrap();
                if next.is_some_and(|next| now >= next) {
                    next = Some(now + Duration::from_millis(20));
                    let Some(payload) = payloads.next() else { return };
                    self.send(now, payload);
                }
            }
        }

        fn send(&mut self, now: Instant, payload: Vec<u8>) {
            let pt = self.rtc.media(self.mid).unwrap().remote_pts()[0];
            let back = if self.sent < 2 { 0 } else { self.back };
            let (seq, time) = (self.sent, u32::try_from(self.sent * 1800).unwrap().wrapping_sub(back));
            self.sent += 1;
            let mut direct = self.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(self.mid, None).unwrap();
            stream.write_rtp(RtpWrite::new(pt, seq.into(), time, now, payload).marker(true));
        }
    }

    fn receive(now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Input<'_> {
        Input::Receive(now, Receive::new(Protocol::Udp, from, to, bytes).unwrap())
    }

    #[tokio::test]
    async fn an_answer_proves_only_the_path_that_carries_media() {
        let mut peer = Peer::open().await.unwrap();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (udp, tcp, elsewhere) = ((Protocol::Udp, at(1)), (Protocol::Tcp, at(1)), (Protocol::Udp, at(2)));
        let (request, answer) = ([0, 1, 0, 0], [1, 1, 0, 0]);
        assert!(!peer.proves(udp, &request) && !peer.proves(udp, &[]));
        assert!(peer.proves(udp, &answer) && peer.proves(tcp, &answer), "as long as nothing else has come");
        for carried in [22, 128, 200] {
            assert!(peer.proves(udp, &[carried, 0, 0, 0]) && peer.proves(udp, &answer));
            assert!(!peer.proves(tcp, &answer) && !peer.proves(elsewhere, &answer), "first byte {carried}");
            assert!(peer.proves(tcp, &[carried, 0, 0, 0]) && peer.proves(tcp, &answer) && !peer.proves(udp, &answer));
        }
    }

    #[tokio::test]
    async fn what_the_server_names_is_forgotten_when_it_begins_ice_anew() {
        let mut peer = Peer::open().await.unwrap();
        let mut rtc = Rtc::builder().build(Instant::now());
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let sdp = changes.apply().unwrap().0.to_sdp_string();
        let offer = |user: &str| sdp.replace(ufrag(&sdp), user);
        let first = offer("first");
        assert!(peer.begins_ice(&first));
        peer.answer(&first, &HashMap::new()).unwrap();
        assert!(!peer.begins_ice(&first) && !peer.names_udp() && !peer.names_tcp());
        peer.candidate("candidate:1 1 udp 2130706431 127.0.0.1 9 typ host");
        assert!(peer.names_udp() && !peer.names_tcp());
        let second = offer("second");
        assert!(peer.begins_ice(&second));
        peer.answer(&second, &HashMap::new()).unwrap();
        peer.candidate("candidate:2 1 tcp 1671430143 127.0.0.1 9 typ host tcptype passive");
        assert!(!peer.names_udp() && peer.names_tcp());
        assert!(names("a=candidate:1 1 UDP 2130706431 127.0.0.1 9 typ host", "udp") && !names("a=udp", "udp"));
    }

    #[tokio::test]
    async fn where_udp_does_not_pass_tcp_does() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut rtc = Rtc::builder().build(Instant::now());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let host = Candidate::builder().tcp().host(at).tcptype(TcpType::Passive).build().unwrap();
        let line = host.to_sdp_string();
        rtc.add_local_candidate(host);
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        let mut peer = Peer::open().await.unwrap();
        let answer = peer.answer(&offer.to_sdp_string(), &HashMap::new()).unwrap();
        // The first leads nowhere, like UDP behind a wall.
        let walled = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        peer.candidate(&Candidate::host(walled.local_addr().unwrap(), "udp").unwrap().to_sdp_string());
        peer.candidate(&line);
        let answer = str0m::change::SdpAnswer::from_sdp_string(&answer).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let serving = tokio::spawn(async move {
            let (stream, from) = listener.accept().await.unwrap();
            let (mut reader, mut writer) = stream.into_split();
            let (packets, mut read) = tokio::sync::mpsc::channel(8);
            tokio::spawn(async move {
                while let Ok(length) = reader.read_u16().await {
                    let mut packet = vec![0; length.into()];
                    reader.read_exact(&mut packet).await.unwrap();
                    if packets.send(packet).await.is_err() {
                        return;
                    }
                }
            });
            loop {
                let until = loop {
                    match rtc.poll_output().unwrap() {
                        Output::Timeout(until) => break until,
                        Output::Transmit(t) => {
                            writer.write_u16(u16::try_from(t.contents.len()).unwrap()).await.unwrap();
                            writer.write_all(&t.contents).await.unwrap();
                        }
                        Output::Event(_) => {}
                    }
                };
                let packet = tokio::time::timeout_at(until.into(), read.recv()).await;
                let now = Instant::now();
                let input = match &packet {
                    Ok(Some(packet)) => Input::Receive(now, Receive::new(Protocol::Tcp, from, at, packet).unwrap()),
                    Ok(None) => return,
                    Err(_) => Input::Timeout(now),
                };
                rtc.handle_input(input).unwrap();
            }
        });
        let connected = async { while !matches!(peer.next().await, PeerEvent::Connected) {} };
        tokio::time::timeout(Duration::from_secs(10), connected).await.expect("ICE and DTLS over TCP");
        assert!(peer.no_path().message.contains(&format!("none over TCP from {at}")));
        serving.abort();
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_passes_zero() {
        let mut peer = Peer::open().await.unwrap();
        let sender = Sender { back: 90_000, ..Sender::meet(&mut peer).await };
        let sending = tokio::spawn(sender.run(vec![vec![0x65, 0x88, 0x84, 0x00]; 4]));
        let mut times = Vec::new();
        while times.len() < 4 {
            let event = tokio::time::timeout(Duration::from_secs(10), peer.next()).await.expect("more units");
            if let PeerEvent::Media(_, _, unit) = event {
                assert_eq!(unit.missing, 0);
                times.push(unit.rtp);
            }
        }
        let passed: Vec<_> = times.iter().map(|time| time.cast_signed() - times[0].cast_signed()).collect();
        assert_eq!(passed, [0, 1800, 3600 - 90_000, 5400 - 90_000]);
        sending.abort();
    }

    #[tokio::test]
    async fn packets_that_make_no_sense_cost_that_picture_alone() {
        let mut peer = Peer::open().await.unwrap();
        let sender = Sender::meet(&mut peer).await;
        // A slice; each kind of nonsense a depacketiser refuses (RFC 6184: types 0 and 25 to 31, an aggregate that is longer
        // than its packet, a fragment of nothing); and a slice again after each.
        let slice = || vec![0x65, 0x88, 0x84, 0x00];
        let mut payloads = vec![slice()];
        let nonsense: Vec<Vec<u8>> = (25..32).chain([0]).map(|kind| vec![0x60 | kind, 1, 2, 3]).collect();
        for bad in nonsense.into_iter().chain([vec![0x78, 0xff, 0xff, 1], vec![0x7c]]) {
            payloads.extend([bad, slice()]);
        }
        let wanted = payloads.iter().filter(|payload| **payload == slice()).count();
        let sending = tokio::spawn(sender.run(payloads));
        let (mut units, mut gaps) = (0, 0);
        while units < wanted {
            let event = tokio::time::timeout(Duration::from_secs(10), peer.next()).await.expect("more units");
            match event {
                PeerEvent::Media(track, _, unit) => {
                    assert_eq!(track, TrackId::new("TR_1"));
                    gaps += usize::from(units > 0 && !unit.contiguous);
                    units += 1;
                }
                PeerEvent::Dead(why) => panic!("after {units} units: {why}"),
                PeerEvent::Connected | PeerEvent::Heard | PeerEvent::Report(..) | PeerEvent::Candidate(_) => {}
            }
        }
        assert!(gaps >= 8, "what is missing is told: {gaps}");
        sending.abort();
    }
}
