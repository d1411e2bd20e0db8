//! A published track: its streams (one for each layer), and the tasks that send packets and Sender Reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::rtcp::sender_report::SenderReport;
use webrtc::rtp::header::Header;
use webrtc::rtp::packet::Packet;
use webrtc::rtp_transceiver::rtp_codec::RTCRtpCodecCapability;
use webrtc::rtp_transceiver::rtp_sender::RTCRtpSender;
use webrtc::track::track_local::track_local_static_rtp::TrackLocalStaticRTP;

use crate::clip::{AudioClip, VideoClip};
use crate::clock::{Clock, ntp, ticks};
use crate::floor::Floor;
use crate::hostile::{self, Fate, Level, Line, Mischief, Parcel, Picture};
use crate::options::Content;
use crate::payload;

/// One RTP stream.
pub struct Stream {
    pub local: Arc<TrackLocalStaticRTP>,
    clock_rate: u32,
    /// RTP timestamp of 1970, modulo 2³².
    base: u32,
    sequence: AtomicU32,
    packets: AtomicU32,
    octets: AtomicU32,
    ssrc: AtomicU32,
    /// For packets that do not leave at once.
    line: Line,
    delivery: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

impl Stream {
    pub fn new(codec: RTCRtpCodecCapability, cid: &str, rid: Option<&str>, stream: &str) -> Arc<Self> {
        let clock_rate = codec.clock_rate;
        let (id, group) = (cid.to_owned(), stream.to_owned());
        let local = match rid {
            Some(rid) => TrackLocalStaticRTP::new_with_rid(codec, id, rid.to_owned(), group),
            None => TrackLocalStaticRTP::new(codec, id, group),
        };
        let local = Arc::new(local);
        let (line, parcels) = mpsc::unbounded_channel();
        Arc::new(Self {
            delivery: hostile::deliver(local.clone(), parcels),
            line,
            local,
            clock_rate,
            base: rand::random(),
            sequence: AtomicU32::new(u32::from(rand::random::<u16>())),
            packets: AtomicU32::new(0),
            octets: AtomicU32::new(0),
            ssrc: AtomicU32::new(0),
        })
    }

    /// RTP timestamp of a tick of a track with `rate` ticks per second.
    fn timestamp(&self, tick: u64, rate: u32, mischief: &Mischief) -> u32 {
        let nominal = self.base.wrapping_add((tick * u64::from(self.clock_rate / rate)) as u32);
        nominal.wrapping_add(mischief.ahead(tick_at(tick, rate), self.clock_rate))
    }

    /// Sends one packet; the moment when it leaves, or `None` when it is lost.
    async fn send(
        &self,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
        level: Option<Level>,
        fate: Fate,
    ) -> Option<Instant> {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.octets.fetch_add(payload.len() as u32, Ordering::Relaxed);
        let sequence_number = self.sequence.fetch_add(1, Ordering::Relaxed) as u16;
        let header = Header { version: 2, marker, sequence_number, timestamp, ..Default::default() };
        let packet = Packet { header, payload };
        let parcel = Parcel { packet, level };
        match fate {
            Fate::AtOnce => {
                hostile::send(&self.local, parcel).await;
                Some(Instant::now())
            }
            Fate::Due(moments) => {
                for due in &moments {
                    let _ = self.line.send((*due, parcel.clone()));
                }
                moments.first().copied()
            }
        }
    }

    fn report(&self, at: Duration, mischief: &Mischief) -> SenderReport {
        SenderReport {
            ssrc: self.ssrc.load(Ordering::Relaxed),
            ntp_time: ntp(at),
            rtp_time: self
                .base
                .wrapping_add(ticks(at, self.clock_rate) as u32)
                .wrapping_add(mischief.ahead(at, self.clock_rate)),
            packet_count: self.packets.load(Ordering::Relaxed),
            octet_count: self.octets.load(Ordering::Relaxed),
            ..Default::default()
        }
    }
}

/// A track that plays; dropping it stops the tasks.
pub struct Playing {
    pub sid: String,
    pub sender: Arc<RTCRtpSender>,
    pub muted: Arc<AtomicBool>,
    /// Turns true with the first packet (for video: with the first key frame).
    pub flowing: watch::Receiver<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Playing {
    /// Plays a video, all layers in step: of each the first clip, and others when it misbehaves.
    pub async fn video(
        sid: String,
        sender: Arc<RTCRtpSender>,
        connection: Arc<RTCPeerConnection>,
        layers: Vec<(Arc<Stream>, Vec<Arc<VideoClip>>)>,
        clock: Clock,
        mischief: Arc<Mischief>,
    ) -> Self {
        let streams: Vec<_> = layers.iter().map(|(stream, _)| stream.clone()).collect();
        let (flow, flowing) = watch::channel(false);
        let muted = Arc::new(AtomicBool::new(false));
        let mut tasks = accompany(&sender, connection, streams, clock, mischief.clone()).await;
        tasks.push(tokio::spawn(play_video(layers, clock, muted.clone(), flow, mischief)));
        Self { sid, sender, muted, flowing, tasks }
    }

    /// Plays what a participant says when they have the floor.
    pub async fn audio(
        sid: String,
        sender: Arc<RTCRtpSender>,
        connection: Arc<RTCPeerConnection>,
        (stream, voice): (Arc<Stream>, Voice),
        clock: Clock,
    ) -> Self {
        let (flow, flowing) = watch::channel(false);
        let muted = Arc::new(AtomicBool::new(false));
        let mut tasks = accompany(&sender, connection, vec![stream.clone()], clock, voice.mischief.clone()).await;
        tasks.push(tokio::spawn(play_audio(stream, voice, clock, muted.clone(), flow)));
        Self { sid, sender, muted, flowing, tasks }
    }
}

/// What one microphone sends.
pub struct Voice {
    pub participant: usize,
    pub clip: Arc<AudioClip>,
    pub content: Content,
    pub floor: Arc<Floor>,
    pub mischief: Arc<Mischief>,
    /// Says on standard output when each beep left.
    pub tells: bool,
}

/// The tasks every track needs: read RTCP, so that lost packets are sent again, and report once a second.
async fn accompany(
    sender: &Arc<RTCRtpSender>,
    connection: Arc<RTCPeerConnection>,
    streams: Vec<Arc<Stream>>,
    clock: Clock,
    mischief: Arc<Mischief>,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for encoding in sender.get_parameters().await.encodings {
        let rid = encoding.rid.to_string();
        let stream = streams
            .iter()
            .find(|s| rid.is_empty() || webrtc::track::track_local::TrackLocal::rid(&*s.local) == Some(&*rid));
        if let Some(stream) = stream {
            stream.ssrc.store(encoding.ssrc, Ordering::Relaxed);
        }
        let sender = sender.clone();
        tasks.push(tokio::spawn(async move {
            let mut buffer = vec![0; 1500];
            loop {
                let read = if rid.is_empty() {
                    sender.read(&mut buffer).await
                } else {
                    sender.read_simulcast(&mut buffer, &rid).await
                };
                if read.is_err() {
                    // Also an unreadable packet ends here; do not spin on a closed stream.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }));
    }
    tasks.push(tokio::spawn(async move {
        let mut pause = Duration::from_millis(250);
        loop {
            tokio::time::sleep(pause).await;
            pause = Duration::from_secs(1);
            let at = clock.now();
            for stream in &streams {
                let _ = connection.write_rtcp(&[Box::new(stream.report(at, &mischief))]).await;
            }
        }
    }));
    tasks
}

async fn play_video(
    layers: Vec<(Arc<Stream>, Vec<Arc<VideoClip>>)>,
    clock: Clock,
    muted: Arc<AtomicBool>,
    flow: watch::Sender<bool>,
    mischief: Arc<Mischief>,
) {
    let Some(fps) = layers.first().and_then(|(_, clips)| Some(clips.first()?.fps)) else { return };
    let picture = AtomicU64::new(rand::random::<u16>().into());
    let mut wait_for_key = true;
    for n in clock.next_tick(fps).. {
        clock.wait_for(n, fps).await;
        if mischief.pauses(tick_at(n, fps), tick_at(1, fps)) || muted.load(Ordering::Relaxed) {
            wait_for_key = true;
            continue;
        }
        let frames: Vec<_> = layers.iter().filter_map(|(_, clips)| mischief.frame(n, clips)).collect();
        if wait_for_key && !frames.iter().all(|frame| frame.key) {
            continue;
        }
        wait_for_key = false;
        let picture = picture.fetch_add(1, Ordering::Relaxed);
        for ((stream, clips), frame) in layers.iter().zip(frames) {
            let (codec, mut size) = (clips[0].codec, (clips[0].width, clips[0].height));
            let timestamp = stream.timestamp(n, fps, &mischief);
            let changed;
            let frame = match mischief.picture(codec, frame) {
                Picture::Whole(frame) => frame,
                Picture::Changed(frame, declared) => {
                    size = declared.unwrap_or(size);
                    changed = frame;
                    &changed
                }
                Picture::Malformed(payload) => {
                    stream.send(timestamp, true, payload, None, mischief.fate()).await;
                    continue;
                }
            };
            for index in 0..frame.parts.len() {
                let marker = index + 1 == frame.parts.len();
                let bytes = payload::with_descriptor(codec, frame, index, picture, size);
                stream.send(timestamp, marker, bytes, None, mischief.fate()).await;
            }
        }
        flow.send_if_modified(|flowing| !std::mem::replace(flowing, true));
    }
}

/// 20 ms packets a second.
const PACKETS: u32 = 50;
/// One packet in so many is sent during silence, as an encoder with DTX does (400 ms).
const SPARSE: u64 = 20;
/// A whole Opus packet of 20 ms silence (CELT, full band, mono).
const SILENCE: Bytes = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
/// RFC 6464 levels of those who have the floor in `beep` content, and of those who have not.
const LOUD: u8 = 15;
const LOUDER: u8 = 8;
const QUIET: u8 = 127;
/// A voice is never even, and the server tells of speakers only when a level changes: packets of one loudness (600 ms).
const SYLLABLE: u64 = 30;

async fn play_audio(
    stream: Arc<Stream>,
    voice: Voice,
    clock: Clock,
    muted: Arc<AtomicBool>,
    flow: watch::Sender<bool>,
) {
    let packets = &voice.clip.packets;
    let mischief = &voice.mischief;
    let mut beep = Beep::default();
    let mut spoken = 0;
    let mut was_silent = true;
    for m in clock.next_tick(PACKETS).. {
        clock.wait_for(m, PACKETS).await;
        if mischief.pauses(tick_at(m, PACKETS), tick_at(1, PACKETS)) {
            continue;
        }
        if muted.load(Ordering::Relaxed) {
            was_silent = true;
            continue;
        }
        let has_floor = voice.floor.speaker(clock.running()) == voice.participant;
        let (payload, level) = match voice.content {
            Content::Beep => {
                let (payload, _) = &packets[(m % packets.len() as u64) as usize];
                let loud = if (m / SYLLABLE).is_multiple_of(2) { LOUD } else { LOUDER };
                (payload.clone(), if has_floor { loud } else { QUIET })
            }
            Content::Speech if has_floor => {
                spoken += 1;
                packets[spoken % packets.len()].clone()
            }
            // The first packet of a silence is sent at once, so that the level is known to have fallen.
            Content::Speech if !was_silent || m % SPARSE == 0 => (SILENCE, QUIET),
            Content::Speech => continue,
        };
        let silent = level == QUIET;
        let marker = was_silent && !silent;
        was_silent = silent;
        let level = Level { level, voice: !silent };
        let (payload, whole) = mischief.audio(&payload);
        let timestamp = stream.timestamp(m, PACKETS, mischief);
        let left = stream.send(timestamp, marker, payload, Some(level), mischief.fate()).await;
        if voice.tells {
            beep.goes_on(m, left.filter(|_| whole), &voice, clock);
        }
        flow.send_if_modified(|flowing| !std::mem::replace(flowing, true));
    }
}

/// Packets of a beep of 100 ms, with the one in which a decoder ends it.
const BEEP: u64 = 6;

/// What became of the packets of the present beep.
#[derive(Default)]
struct Beep {
    second: u64,
    whole: u64,
    /// The first and the last packet.
    left: Option<(Instant, Instant)>,
}

/// A beep whose packets leave further apart than this is torn: there is no moment at which it comes.
const TORN: Duration = Duration::from_millis(300);

impl Beep {
    /// Packet `m` left at this moment, unspoilt. The first one after a beep tells of it: also of one that was paused away.
    fn goes_on(&mut self, m: u64, left: Option<Instant>, voice: &Voice, clock: Clock) {
        let (second, nth) = (m / u64::from(PACKETS), m % u64::from(PACKETS));
        if nth < BEEP {
            if second != self.second {
                *self = Self { second, ..Self::default() };
            }
            self.whole += u64::from(left.is_some());
            self.left = left.map(|left| (self.left.map_or(left, |(first, _)| first), left)).or(self.left);
        } else if second == self.second && self.whole > 0 {
            let (first, last) = self.left.unwrap_or_else(|| (Instant::now(), Instant::now()));
            let torn = last.saturating_duration_since(first) > TORN;
            let whole = std::mem::take(&mut self.whole) == BEEP && !torn;
            let left = clock.at(first).as_secs_f64();
            crate::tell(&serde_json::json!({
                "beep": second, "who": voice.participant, "left": left, "whole": whole
            }));
        }
    }
}

/// When tick `n` of a track with `rate` ticks a second is due, since 1970.
fn tick_at(n: u64, rate: u32) -> Duration {
    Duration::from_nanos((u128::from(n) * 1_000_000_000 / u128::from(rate)) as u64)
}
