//! One participant: joins, publishes camera, microphone and share, takes them back, and misbehaves when told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use livekit_protocol as proto;
use proto::video_layer::Mode;
use proto::{TrackSource, TrackType, VideoQuality};

use crate::cast::CAST;
use crate::clip::{AudioClip, VideoClip};
use crate::clock::Clock;
use crate::engine;
use crate::floor::Floor;
use crate::hostile::{Act, Feat, Guise, Medium, Mischief};
use crate::library::Library;
use crate::options::{Content, Options};
use crate::payload::Codec;
use crate::peer::Peer;
use crate::track::{Playing, Stream, Voice};
use crate::{Failure, fail};

/// RIDs as LiveKit expects them: quarter, half and full size.
const RIDS: [(&str, VideoQuality); 3] =
    [("q", VideoQuality::Low), ("h", VideoQuality::Medium), ("f", VideoQuality::High)];

/// What all participants share.
pub struct Setting {
    pub options: Options,
    pub clock: Clock,
    pub floor: Arc<Floor>,
    pub library: Library,
}

/// A participant in the room.
pub struct Participant {
    index: usize,
    setting: Arc<Setting>,
    peer: Peer,
    camera: Option<Playing>,
    microphone: Option<Playing>,
    share: Option<Playing>,
    /// A second camera, tracks of unknown source.
    second: Vec<Playing>,
    unknown: Vec<Playing>,
    flood: Vec<Playing>,
    codec: Codec,
    /// How camera and microphone misbehave, also when they are published anew.
    mischief: [Arc<Mischief>; 2],
    encrypted: [bool; 2],
    tracks_made: usize,
}

/// Which of a participant's tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Camera,
    Microphone,
}

impl Source {
    /// As in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "mic",
        }
    }
}

impl Participant {
    /// Joins and publishes what the options ask for; returns when packets flow.
    pub async fn join(index: usize, setting: Arc<Setting>, guise: Guise) -> Result<Self, Failure> {
        let names = &setting.options.names;
        let name = names.get(index).map_or(CAST[index % CAST.len()].name, String::as_str);
        let guise = guise.name();
        let name = guise.as_deref().unwrap_or(name);
        let peer = Peer::join(&setting.options, &format!("sample-{index}"), name).await?;
        let seed = setting.options.seed.wrapping_mul(1000).wrapping_add(2 * index as u64);
        let mut this = Self {
            index,
            peer,
            camera: None,
            microphone: None,
            share: None,
            second: Vec::new(),
            unknown: Vec::new(),
            flood: Vec::new(),
            codec: setting.options.codec,
            mischief: [seed, seed + 1].map(|seed| Arc::new(Mischief::new(seed))),
            encrypted: [false; 2],
            tracks_made: 0,
            setting,
        };
        let options = &this.setting.options;
        let (audio, video) = (!options.no_audio, !options.no_video);
        if audio {
            this.publish_microphone().await?;
        }
        if video {
            this.publish_camera().await?;
        }
        this.flowing().await?;
        Ok(this)
    }

    /// Waits until every track has sent something.
    async fn flowing(&self) -> Result<(), Failure> {
        for track in [&self.camera, &self.microphone, &self.share].into_iter().flatten() {
            let mut flowing = track.flowing.clone();
            tokio::time::timeout(Duration::from_secs(5), flowing.wait_for(|flows| *flows)).await??;
        }
        Ok(())
    }

    /// Whether the server has ended this session.
    pub fn gone(&self) -> bool {
        *self.peer.gone.borrow()
    }

    /// Publishes the camera in another codec, in place of the one that is there.
    pub async fn change_codec(&mut self, codec: Codec) -> Result<(), Failure> {
        if let Some(camera) = self.camera.take() {
            self.unpublish(camera).await?;
        }
        self.codec = codec;
        self.publish_camera().await?;
        self.flowing().await
    }

    /// One of the tracks misbehaves from now on.
    pub fn misbehave(&self, source: Source, act: &Act) -> Result<(), Failure> {
        if let Act::Garbage { kind, .. } = act {
            let medium = match source {
                Source::Camera => Medium::Video(self.codec),
                Source::Microphone => Medium::Opus,
            };
            if !medium.knows(kind) {
                return Err(fail(format!("`{kind}` is none of: any each {}", medium.kinds().join(" "))));
            }
        }
        self.mischief[source as usize].order(act, self.setting.clock.now());
        Ok(())
    }

    /// Does what more than one track, or the server, has to do with.
    pub async fn perform(&mut self, feat: Feat) -> Result<(), Failure> {
        match feat {
            Feat::Switch(codec) => self.switch(codec).await?,
            Feat::Encrypt { source, encrypted } => self.encrypt(source, encrypted).await?,
            Feat::Second(true) if self.second.is_empty() => {
                let clips = self.one_layer(self.index + 2, Codec::Vp8)?;
                let calm = Arc::new(Mischief::new(0));
                self.second = vec![self.publish_video("second", TrackSource::Camera, clips, calm, false).await?];
            }
            Feat::Unknown(true) if self.unknown.is_empty() => {
                let other = self.index + 1;
                let (clips, calm) = (self.one_layer(other, Codec::Vp8)?, Arc::new(Mischief::new(0)));
                self.unknown = vec![self.publish_video("?", TrackSource::Unknown, clips, calm, false).await?];
                let voice = self.voice(other)?;
                let audio = self.publish_audio("?", TrackSource::Unknown, voice, false).await?;
                self.unknown.push(audio);
            }
            Feat::Second(true) | Feat::Unknown(true) => {}
            Feat::Second(false) => {
                let tracks = std::mem::take(&mut self.second);
                self.take_back(tracks).await?;
            }
            Feat::Unknown(false) => {
                let tracks = std::mem::take(&mut self.unknown);
                self.take_back(tracks).await?;
            }
            Feat::Flood(count) => {
                while self.flood.len() < count {
                    let voice = Voice { clip: Arc::new(AudioClip::silence()), ..self.voice(self.index)? };
                    let track = self.publish_audio("flood", TrackSource::Microphone, voice, false).await?;
                    self.flood.push(track);
                }
                let tracks = self.flood.split_off(count);
                self.take_back(tracks).await?;
            }
            Feat::Flap(count) => {
                for nth in 0..2 * count {
                    for source in [Source::Camera, Source::Microphone] {
                        self.mute(source, nth % 2 == 0).await?;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Feat::Churn(count) => {
                for _ in 0..count {
                    self.change_codec(self.codec).await?;
                }
            }
            Feat::Calm => self.mischief.iter().for_each(|mischief| mischief.calm(self.setting.clock.now())),
            Feat::Name(_) => return Err(fail("a name is given at the door")),
        }
        Ok(())
    }

    /// Another codec on the track that is there: the server learns it from the payload type.
    async fn switch(&mut self, codec: Codec) -> Result<(), Failure> {
        let clips = self.one_layer(self.index, codec)?;
        let old = self.camera.take().ok_or_else(|| fail("there is no camera"))?;
        let (sid, sender) = (old.sid.clone(), old.sender.clone());
        let stream = Stream::new(engine::video(codec).capability, &self.new_cid("camera"), None, &self.stream_id());
        drop(old);
        sender.replace_track(Some(stream.local.clone())).await?;
        self.codec = codec;
        let layers = vec![(stream, clips)];
        let (connection, mischief) = (self.peer.connection.clone(), self.mischief[Source::Camera as usize].clone());
        self.camera = Some(Playing::video(sid, sender, connection, layers, self.setting.clock, mischief).await);
        self.flowing().await
    }

    /// Publishes camera or microphone anew, encrypted or not.
    async fn encrypt(&mut self, source: Source, encrypted: bool) -> Result<(), Failure> {
        self.encrypted[source as usize] = encrypted;
        self.misbehave(source, &Act::Scramble(encrypted))?;
        match source {
            Source::Camera => self.change_codec(self.codec).await,
            Source::Microphone => {
                if let Some(microphone) = self.microphone.take() {
                    self.unpublish(microphone).await?;
                }
                self.publish_microphone().await?;
                self.flowing().await
            }
        }
    }

    async fn take_back(&self, tracks: Vec<Playing>) -> Result<(), Failure> {
        for track in tracks {
            self.unpublish(track).await?;
        }
        Ok(())
    }

    /// A camera of one layer: the clip that is sent, and those of the same content in other sizes.
    fn one_layer(&self, participant: usize, codec: Codec) -> Result<Vec<Arc<VideoClip>>, Failure> {
        let mut clips = self.setting.library.camera(participant, codec)?;
        let sent = clips.len() / 2;
        clips.swap(0, sent);
        Ok(clips)
    }

    /// Whether this participant is of those who misbehave.
    fn hostile(&self) -> bool {
        self.setting.options.hostile.contains(&self.index)
    }

    /// Publishes or takes back the screen share.
    pub async fn set_share(&mut self, on: bool) -> Result<(), Failure> {
        match (on, self.share.take()) {
            (true, None) => self.publish_share().await?,
            (true, Some(share)) => self.share = Some(share),
            (false, Some(share)) => self.unpublish(share).await?,
            (false, None) => {}
        }
        self.flowing().await
    }

    /// Mutes or unmutes, as a client does: the server is notified, and packets stop.
    pub async fn mute(&self, source: Source, muted: bool) -> Result<(), Failure> {
        let track = match source {
            Source::Camera => &self.camera,
            Source::Microphone => &self.microphone,
        };
        let track = track.as_ref().ok_or_else(|| fail("there is no such track"))?;
        track.muted.store(muted, Ordering::Relaxed);
        self.peer.mute(&track.sid, muted).await;
        Ok(())
    }

    /// Leaves the room.
    pub async fn leave(mut self) {
        (self.camera, self.microphone, self.share) = (None, None, None);
        self.peer.leave().await;
    }

    async fn publish_microphone(&mut self) -> Result<(), Failure> {
        let mut voice = self.voice(self.index)?;
        voice.mischief = self.mischief[Source::Microphone as usize].clone();
        voice.tells = self.hostile() && self.setting.options.content == Content::Beep;
        let encrypted = self.encrypted[Source::Microphone as usize];
        self.microphone = Some(self.publish_audio("microphone", TrackSource::Microphone, voice, encrypted).await?);
        Ok(())
    }

    /// What a participant says, without any mischief.
    fn voice(&self, participant: usize) -> Result<Voice, Failure> {
        Ok(Voice {
            participant: self.index,
            clip: self.setting.library.voice(participant)?,
            content: self.setting.options.content,
            floor: self.setting.floor.clone(),
            mischief: Arc::new(Mischief::new(0)),
            tells: false,
        })
    }

    async fn publish_audio(
        &mut self,
        name: &str,
        source: TrackSource,
        voice: Voice,
        encrypted: bool,
    ) -> Result<Playing, Failure> {
        let cid = self.new_cid(name);
        let add = proto::AddTrackRequest {
            cid: cid.clone(),
            name: name.to_owned(),
            r#type: TrackType::Audio.into(),
            source: source.into(),
            disable_red: true,
            encryption: encryption(encrypted).into(),
            ..Default::default()
        };
        let stream = Stream::new(engine::opus().capability, &cid, None, &self.stream_id());
        let info = self.peer.announce(add).await?;
        let sender = self.peer.add(std::slice::from_ref(&stream.local)).await?;
        self.peer.negotiate().await?;
        let connection = self.peer.connection.clone();
        Ok(Playing::audio(info.sid, sender, connection, (stream, voice), self.setting.clock).await)
    }

    async fn publish_camera(&mut self) -> Result<(), Failure> {
        let mischief = self.mischief[Source::Camera as usize].clone();
        let layers = if self.hostile() {
            vec![self.one_layer(self.index, self.codec)?]
        } else {
            self.setting.library.camera(self.index, self.codec)?.into_iter().map(|clip| vec![clip]).collect()
        };
        let encrypted = self.encrypted[Source::Camera as usize];
        self.camera = Some(self.publish_layers("camera", TrackSource::Camera, layers, mischief, encrypted).await?);
        Ok(())
    }

    async fn publish_share(&mut self) -> Result<(), Failure> {
        let (clips, calm) = (vec![self.setting.library.share()?], Arc::new(Mischief::new(0)));
        self.share = Some(self.publish_video("share", TrackSource::ScreenShare, clips, calm, false).await?);
        Ok(())
    }

    /// Publishes the first of these clips; what a track of one layer may change to are the others.
    async fn publish_video(
        &mut self,
        name: &str,
        source: TrackSource,
        clips: Vec<Arc<VideoClip>>,
        mischief: Arc<Mischief>,
        encrypted: bool,
    ) -> Result<Playing, Failure> {
        self.publish_layers(name, source, vec![clips], mischief, encrypted).await
    }

    /// Publishes layers, smallest first, of one track: of each the clip that is sent, and those it may change to.
    async fn publish_layers(
        &mut self,
        name: &str,
        source: TrackSource,
        sent: Vec<Vec<Arc<VideoClip>>>,
        mischief: Arc<Mischief>,
        encrypted: bool,
    ) -> Result<Playing, Failure> {
        let cid = self.new_cid(name);
        let clips: Vec<_> = sent.iter().filter_map(|clips| clips.first().cloned()).collect();
        let full = clips.last().ok_or_else(|| fail("a track without layers"))?;
        let codec = full.codec;
        let simulcast = clips.len() > 1;
        let layers: Vec<_> = clips
            .iter()
            .zip(if simulcast { &RIDS[..] } else { &RIDS[2..] })
            .enumerate()
            .map(|(level, (clip, (rid, quality)))| proto::VideoLayer {
                quality: (*quality).into(),
                width: clip.width,
                height: clip.height,
                bitrate: clip.bitrate(),
                spatial_layer: level as i32,
                rid: if simulcast { (*rid).to_owned() } else { String::new() },
                ..Default::default()
            })
            .collect();
        let add = proto::AddTrackRequest {
            cid: cid.clone(),
            name: name.to_owned(),
            r#type: TrackType::Video.into(),
            source: source.into(),
            width: full.width,
            height: full.height,
            layers: layers.clone(),
            encryption: encryption(encrypted).into(),
            simulcast_codecs: vec![proto::SimulcastCodec {
                codec: codec.name().to_owned(),
                cid: cid.clone(),
                layers,
                video_layer_mode: Mode::OneSpatialLayerPerStream.into(),
            }],
            ..Default::default()
        };
        let capability = engine::video(codec).capability;
        let streams: Vec<_> = (0..clips.len())
            .map(|level| {
                let rid = simulcast.then(|| RIDS[level].0);
                Stream::new(capability.clone(), &cid, rid, &self.stream_id())
            })
            .collect();
        let info = self.peer.announce(add).await?;
        let locals: Vec<_> = streams.iter().map(|stream| stream.local.clone()).collect();
        let sender = self.peer.add(&locals).await?;
        self.peer.negotiate().await?;
        let layers = streams.into_iter().zip(sent).collect();
        let connection = self.peer.connection.clone();
        Ok(Playing::video(info.sid, sender, connection, layers, self.setting.clock, mischief).await)
    }

    async fn unpublish(&self, track: Playing) -> Result<(), Failure> {
        let sender = track.sender.clone();
        drop(track);
        self.peer.connection.remove_track(&sender).await?;
        self.peer.negotiate().await
    }

    fn new_cid(&mut self, name: &str) -> String {
        self.tracks_made += 1;
        format!("{name}-{}-{}", self.index, self.tracks_made)
    }

    fn stream_id(&self) -> String {
        format!("sample-{}", self.index)
    }
}

/// How a track is said to be encrypted.
fn encryption(encrypted: bool) -> proto::encryption::Type {
    if encrypted { proto::encryption::Type::Gcm } else { proto::encryption::Type::None }
}
