//! One participant: joins, publishes camera, microphone and share, and takes them back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use livekit_protocol as proto;
use proto::video_layer::Mode;
use proto::{TrackSource, TrackType, VideoQuality};

use crate::cast::CAST;
use crate::clock::Clock;
use crate::engine;
use crate::floor::Floor;
use crate::library::Library;
use crate::options::Options;
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
    tracks_made: usize,
}

/// Which of a participant's tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Camera,
    Microphone,
}

impl Participant {
    /// Joins and publishes what the options ask for; returns when packets flow.
    pub async fn join(index: usize, setting: Arc<Setting>) -> Result<Self, Failure> {
        let names = &setting.options.names;
        let name = names.get(index).map_or(CAST[index % CAST.len()].name, String::as_str);
        let peer = Peer::join(&setting.options, &format!("sample-{index}"), name).await?;
        let mut this = Self { index, setting, peer, camera: None, microphone: None, share: None, tracks_made: 0 };
        let options = &this.setting.options;
        let (audio, video, codec) = (!options.no_audio, !options.no_video, options.codec);
        if audio {
            this.publish_microphone().await?;
        }
        if video {
            this.publish_camera(codec).await?;
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
        self.publish_camera(codec).await?;
        self.flowing().await
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

    /// Mutes or unmutes, as a client does: the server is told, and packets stop.
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
        let cid = self.new_cid("microphone");
        let add = proto::AddTrackRequest {
            cid: cid.clone(),
            name: "microphone".to_owned(),
            r#type: TrackType::Audio.into(),
            source: TrackSource::Microphone.into(),
            disable_red: true,
            ..Default::default()
        };
        let stream = Stream::new(engine::opus().capability, &cid, None, &self.stream_id());
        let info = self.peer.announce(add).await?;
        let sender = self.peer.add(std::slice::from_ref(&stream.local)).await?;
        self.peer.negotiate().await?;
        let setting = &self.setting;
        let voice = Voice {
            participant: self.index,
            clip: setting.library.voice(self.index)?,
            content: setting.options.content,
            floor: setting.floor.clone(),
        };
        let connection = self.peer.connection.clone();
        self.microphone = Some(Playing::audio(info.sid, sender, connection, (stream, voice), setting.clock).await);
        Ok(())
    }

    async fn publish_camera(&mut self, codec: Codec) -> Result<(), Failure> {
        let clips = self.setting.library.camera(self.index, codec)?;
        self.camera = Some(self.publish_video("camera", TrackSource::Camera, codec, clips).await?);
        Ok(())
    }

    async fn publish_share(&mut self) -> Result<(), Failure> {
        let clips = vec![self.setting.library.share()?];
        self.share = Some(self.publish_video("share", TrackSource::ScreenShare, Codec::Vp8, clips).await?);
        Ok(())
    }

    /// Publishes clips, smallest first, as the layers of one track.
    async fn publish_video(
        &mut self,
        name: &str,
        source: TrackSource,
        codec: Codec,
        clips: Vec<Arc<crate::clip::VideoClip>>,
    ) -> Result<Playing, Failure> {
        let cid = self.new_cid(name);
        let full = clips.last().ok_or_else(|| fail("a track without layers"))?;
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
        let layers = streams.into_iter().zip(clips).collect();
        Ok(Playing::video(info.sid, sender, self.peer.connection.clone(), layers, self.setting.clock).await)
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
