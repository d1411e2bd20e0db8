//! A request of LiveKit's egress API as ours, or the error that LiveKit would give.
#![allow(deprecated, reason = "older clients still send the older fields")]

use jiff::Zoned;
use livekit_protocol as proto;
use livekit_protocol::egress_info::Request as InfoRequest;
use livekit_protocol::room_composite_egress_request::{Options as Encoding, Output as OldOutput};
use livekit_protocol::start_egress_request::{Encoding as Encoding2, Source};
use livekit_protocol::storage_config::Provider;
use prost::Message as _;

use crate::egress::filename::{RoomNames, invalid, resolve};
use crate::egress::rpc::RpcRequest as Rpc;
use crate::egress::store::{self, unimplemented};
use crate::egress::{encoding, rpc};
use crate::error::{Error, Result};
use crate::ids::RecordingId;
use crate::recording::{EgressRequest, Limits, Options, Origin, Request, Start};
use crate::scene::Layout;

/// One file of a room, whichever way it was requested.
struct Composite {
    room_name: String,
    layout: String,
    audio_only: bool,
    video_only: bool,
    custom_base_url: String,
    encoding: encoding::EncodingRequest,
    file_type: i32,
    filepath: String,
    manifest: bool,
    store: Option<Provider>,
    webhooks: Vec<proto::WebhookConfig>,
}

/// Reads a request that the LiveKit server passes on; it calls the request's webhooks itself. `InvalidArgument` in LiveKit's
/// words, `Unimplemented` with what to use instead.
pub fn from_server(start: rpc::StartEgressRequest, limits: Limits, now: &Zoned) -> Result<Start> {
    let (mut start, request, _) = read(start, limits, now)?;
    start.options.origin = Origin::Server(request);
    Ok(start)
}

/// Reads a request made at our own address, by a caller who may touch this room only, if one is named. Errors as of
/// [`from_server`].
pub fn from_caller(
    start: rpc::StartEgressRequest,
    caller_room: Option<String>,
    limits: Limits,
    now: &Zoned,
) -> Result<Start> {
    let (mut start, request, config) = read(start, limits, now)?;
    let webhook = config.as_ref().map(webhook).transpose()?;
    start.options.origin = Origin::Twirp { request, webhook };
    start.signing_key = config.map(|config| config.signing_key);
    start.caller_room = caller_room;
    Ok(start)
}

/// What both have in common, the request as it is given back, and its webhook: LiveKit's server too takes no more than one.
fn read(
    start: rpc::StartEgressRequest,
    limits: Limits,
    now: &Zoned,
) -> Result<(Start, EgressRequest, Option<proto::WebhookConfig>)> {
    let rpc::StartEgressRequest { egress_id, room_id, request } = start;
    let (composite, info) = match request.ok_or_else(|| invalid("request"))? {
        Rpc::RoomComposite(request) => (room_composite(&request)?, InfoRequest::RoomComposite(redacted(request))),
        Rpc::Egress(request) => (template(&request)?, InfoRequest::Egress(redacted2(request))),
        Rpc::Web(_) => return Err(browser("web egress")),
        Rpc::Participant(_) => return Err(later("participant egress")),
        Rpc::TrackComposite(_) => return Err(later("track composite egress")),
        Rpc::Track(_) => return Err(later("track egress")),
        Rpc::Replay(_) => return Err(unimplemented("replay: it exists on LiveKit Cloud only")),
    };
    if egress_id.is_empty() {
        return Err(invalid("egress_id"));
    }
    if composite.room_name.is_empty() {
        return Err(invalid("room_name"));
    }
    if !composite.custom_base_url.is_empty() {
        return Err(browser("custom_base_url"));
    }
    if composite.audio_only && composite.video_only {
        return Err(invalid("audio_only and video_only"));
    }
    let tracks = match (composite.audio_only, composite.video_only) {
        (true, _) => encoding::RequestedTracks::Audio,
        (_, true) => encoding::RequestedTracks::Video,
        (false, false) => encoding::RequestedTracks::Both,
    };
    let layout = Layout::from_name(&composite.layout);
    let output = encoding::output(composite.file_type, tracks, layout, &composite.encoding)?;
    let names = RoomNames { room_name: &composite.room_name, room_id: &room_id };
    let key = resolve(&composite.filepath, names, output.container(), now)?;
    let store = composite.store.as_ref().map(store::section).transpose()?;
    let info = proto::EgressInfo { request: Some(info), ..Default::default() };
    let location = store.as_ref().and_then(|store| store::location(store, &key));
    let given_back = EgressRequest { room_id, request: info.encode_to_vec(), manifest: composite.manifest, location };
    let options = Options { key: Some(key), ..Options::default() };
    let mode = if composite.audio_only { "transcript" } else { "screen_recording" };
    let request = Request { room: composite.room_name, output, limits };
    let id = Some(RecordingId::new(egress_id));
    let start = Start { id, store, ..Start::new(mode, request, options) };
    Ok((start, given_back, composite.webhooks.into_iter().next()))
}

/// Where a webhook of the request goes.
fn webhook(config: &proto::WebhookConfig) -> Result<String> {
    let url = url::Url::parse(&config.url).map_err(|_| invalid("webhooks.url"))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !["http", "https"].contains(&url.scheme()) || !plain {
        return Err(invalid("webhooks.url"));
    }
    Ok(config.url.clone())
}

fn room_composite(request: &proto::RoomCompositeEgressRequest) -> Result<Composite> {
    if !request.stream_outputs.is_empty() || matches!(request.output, Some(OldOutput::Stream(_))) {
        return Err(later("stream outputs"));
    }
    if !request.segment_outputs.is_empty() || matches!(request.output, Some(OldOutput::Segments(_))) {
        return Err(later("segment outputs"));
    }
    if !request.image_outputs.is_empty() {
        return Err(later("image outputs"));
    }
    if request.audio_mixing != 0 {
        return Err(later("audio_mixing"));
    }
    let file = match (request.file_outputs.as_slice(), &request.output) {
        ([file], None) => file,
        ([], Some(OldOutput::File(file))) => file,
        ([], _) => return Err(invalid("output")),
        (_, _) => return Err(invalid("file_outputs")),
    };
    let encoding = match request.options.as_ref() {
        None => encoding::EncodingRequest::default(),
        Some(Encoding::Preset(preset)) => encoding::EncodingRequest { preset: Some(*preset), advanced: None },
        Some(Encoding::Advanced(options)) => encoding::EncodingRequest { preset: None, advanced: Some(*options) },
    };
    Ok(Composite {
        room_name: request.room_name.clone(),
        layout: request.layout.clone(),
        audio_only: request.audio_only,
        video_only: request.video_only,
        custom_base_url: request.custom_base_url.clone(),
        encoding,
        file_type: file.file_type,
        filepath: file.filepath.clone(),
        manifest: !file.disable_manifest,
        store: file.output.as_ref().map(store::provider),
        webhooks: request.webhooks.clone(),
    })
}

fn template(request: &proto::StartEgressRequest) -> Result<Composite> {
    let source = match request.source.as_ref().ok_or_else(|| invalid("source"))? {
        Source::Template(template) => template,
        Source::Web(_) => return Err(browser("web egress")),
        Source::Media(_) => return Err(later("media egress")),
    };
    let [output] = request.outputs.as_slice() else { return Err(invalid("outputs")) };
    let file = match output.config.as_ref().ok_or_else(|| invalid("outputs"))? {
        proto::output::Config::File(file) => file,
        proto::output::Config::Stream(_) => return Err(later("stream outputs")),
        proto::output::Config::Segments(_) => return Err(later("segment outputs")),
        proto::output::Config::Images(_) => return Err(later("image outputs")),
    };
    let encoding = match request.encoding.as_ref() {
        None => encoding::EncodingRequest::default(),
        Some(Encoding2::Preset(preset)) => encoding::EncodingRequest { preset: Some(*preset), advanced: None },
        Some(Encoding2::Advanced(options)) => encoding::EncodingRequest { preset: None, advanced: Some(*options) },
    };
    let store = output.storage.as_ref().or(request.storage.as_ref());
    Ok(Composite {
        room_name: request.room_name.clone(),
        layout: source.layout.clone(),
        audio_only: source.audio_only,
        video_only: source.video_only,
        custom_base_url: source.custom_base_url.clone(),
        encoding,
        file_type: file.file_type,
        filepath: file.filepath.clone(),
        manifest: !file.disable_manifest,
        store: store.and_then(|store| store.provider.clone()),
        webhooks: request.webhooks.clone(),
    })
}

/// Without secrets; what else it says, the webhooks above all, stays.
fn redacted(mut request: proto::RoomCompositeEgressRequest) -> proto::RoomCompositeEgressRequest {
    for file in &mut request.file_outputs {
        file.output.iter_mut().for_each(store::redact_output);
    }
    if let Some(OldOutput::File(file)) = &mut request.output {
        file.output.iter_mut().for_each(store::redact_output);
    }
    request
}

fn redacted2(mut request: proto::StartEgressRequest) -> proto::StartEgressRequest {
    request.storage.iter_mut().for_each(store::redact);
    for output in &mut request.outputs {
        output.storage.iter_mut().for_each(store::redact);
    }
    request
}

fn browser(what: &str) -> Error {
    unimplemented(&format!("{what} needs a browser; use a room composite, or run LiveKit's own egress beside this one"))
}

fn later(what: &str) -> Error {
    unimplemented(&format!("{what}; this version makes one file of a room composite"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::recording::Container;

    fn now() -> Zoned {
        "2026-11-22T21:05:06+00:00[UTC]".parse().unwrap()
    }

    fn s3() -> proto::S3Upload {
        proto::S3Upload {
            access_key: "AK".into(),
            secret: "SK".into(),
            bucket: "meet".into(),
            endpoint: "http://minio:9000".into(),
            force_path_style: true,
            ..Default::default()
        }
    }

    fn composite() -> proto::RoomCompositeEgressRequest {
        let output = Some(proto::encoded_file_output::Output::S3(s3()));
        let file = proto::EncodedFileOutput {
            file_type: 1,
            filepath: "recordings/x.mp4".into(),
            output,
            ..Default::default()
        };
        let file_outputs = vec![file];
        let (room_name, layout) = ("demo room".into(), "speaker-light".into());
        proto::RoomCompositeEgressRequest { room_name, layout, file_outputs, ..Default::default() }
    }

    fn start(request: proto::RoomCompositeEgressRequest) -> Result<Start> {
        let request = Some(Rpc::RoomComposite(request));
        let start = rpc::StartEgressRequest { egress_id: "EG_1".into(), room_id: "RM_1".into(), request };
        from_server(start, Limits::default(), &now())
    }

    #[test]
    fn meets_video_request_is_understood_and_its_secrets_go_no_further() {
        let start = start(composite()).unwrap();
        assert_eq!((start.mode.as_str(), start.options.key.as_deref()), ("screen_recording", Some("recordings/x.mp4")));
        let video = start.request.output.video().unwrap();
        assert_eq!((video.size.width.get(), video.framerate, video.bitrate), (1280, 30, 3000));
        assert_eq!(start.store.unwrap()["s3"]["secret"], "SK");
        let location = start.options.origin.egress().unwrap().location.as_deref();
        assert_eq!(location, Some("https://minio:9000/meet/recordings/x.mp4"), "https, as LiveKit Egress writes it");
        let requested = start.options.origin.egress().unwrap();
        assert!(!requested.request.windows(2).any(|two| two == b"SK" || two == b"AK"));
        let info = proto::EgressInfo::decode(requested.request.as_slice()).unwrap();
        let Some(InfoRequest::RoomComposite(info)) = info.request else { panic!() };
        let Some(proto::encoded_file_output::Output::S3(s3)) = &info.file_outputs[0].output else { panic!() };
        assert_eq!((s3.access_key.as_str(), s3.secret.as_str()), ("{access_key}", "{secret}"));
    }

    #[test]
    fn meets_audio_request_is_an_ogg() {
        let mut request = composite();
        (request.layout, request.audio_only) = (String::new(), true);
        request.file_outputs[0].file_type = 2;
        request.file_outputs[0].filepath = "recordings/y.ogg".into();
        let start = start(request).unwrap();
        assert_eq!((start.mode.as_str(), start.request.output.container()), ("transcript", Container::Ogg));
    }

    #[test]
    fn a_picture_alone_and_audio_in_mp4_are_what_they_say() {
        let mut request = composite();
        request.video_only = true;
        let silent = start(request.clone()).unwrap();
        assert_eq!(silent.mode, "screen_recording");
        assert!(silent.request.output.video().is_some() && silent.request.output.audio().is_none());
        request.audio_only = true;
        assert_eq!(
            start(request.clone()).unwrap_err().message,
            "request has missing or invalid field: audio_only and video_only"
        );
        request.video_only = false;
        let audio = start(request).unwrap();
        assert_eq!((audio.mode.as_str(), audio.options.key.as_deref()), ("transcript", Some("recordings/x.mp4")));
        assert!(audio.request.output.video().is_none());
        let info = proto::EgressInfo::decode(audio.options.origin.egress().unwrap().request.as_slice()).unwrap();
        let Some(InfoRequest::RoomComposite(info)) = info.request else { panic!() };
        assert!(info.audio_only && !info.video_only);
    }

    #[test]
    fn an_unknown_layout_is_a_grid_and_never_a_failure() {
        let mut request = composite();
        request.layout = "mosaic".into();
        assert_eq!(start(request).unwrap().request.output.video().unwrap().layout.name(), "grid-dark");
    }

    #[test]
    fn what_is_wrong_is_said_in_livekits_words() {
        let wrong = |change: &dyn Fn(&mut proto::RoomCompositeEgressRequest)| {
            let mut request = composite();
            change(&mut request);
            let error = start(request).unwrap_err();
            (error.kind, error.message)
        };
        let missing =
            |field: &str| (ErrorKind::InvalidArgument, format!("request has missing or invalid field: {field}"));
        assert_eq!(wrong(&|r| r.room_name.clear()), missing("room_name"));
        assert_eq!(wrong(&|r| r.file_outputs.clear()), missing("output"));
        assert_eq!(wrong(&|r| r.file_outputs[0].filepath = "a\0".into()), missing("filepath"));
        let two = |r: &mut proto::RoomCompositeEgressRequest| r.file_outputs.push(r.file_outputs[0].clone());
        assert_eq!(wrong(&two), missing("file_outputs"));
        let no_bucket = |r: &mut proto::RoomCompositeEgressRequest| {
            let s3 = proto::S3Upload { bucket: String::new(), ..s3() };
            r.file_outputs[0].output = Some(proto::encoded_file_output::Output::S3(s3));
        };
        assert_eq!(wrong(&no_bucket), missing("bucket"));
        let (kind, message) = wrong(&|r| r.custom_base_url = "https://example.org".into());
        assert_eq!(kind, ErrorKind::Unimplemented);
        assert!(message.contains("LiveKit's own egress"), "{message}");
        assert_eq!(wrong(&|r| r.stream_outputs.push(Default::default())).0, ErrorKind::Unimplemented);
        let odd = proto::EncodingOptions { width: 1281, height: 720, ..Default::default() };
        assert_eq!(wrong(&|r| r.options = Some(Encoding::Advanced(odd))), missing("width"));
    }

    #[test]
    fn the_second_version_is_the_same_thing() {
        let file = proto::FileOutput { file_type: 0, filepath: "a/".into(), disable_manifest: true };
        let output = proto::Output { config: Some(proto::output::Config::File(file)), storage: None };
        let template = proto::TemplateSource { layout: "grid".into(), ..Default::default() };
        let request = proto::StartEgressRequest {
            room_name: "daily".into(),
            outputs: vec![output],
            storage: Some(proto::StorageConfig { provider: Some(Provider::S3(s3())) }),
            source: Some(Source::Template(template)),
            ..Default::default()
        };
        let request = Some(Rpc::Egress(request));
        let start = rpc::StartEgressRequest { egress_id: "EG_1".into(), room_id: String::new(), request };
        let start = from_caller(start, None, Limits::default(), &now()).unwrap();
        assert_eq!(start.options.key.as_deref(), Some("a/daily-2026-11-22T210506.mp4"));
        let Origin::Twirp { request: requested, webhook: None } = &start.options.origin else { panic!() };
        assert!(!requested.manifest && !requested.request.windows(2).any(|two| two == b"SK"));
        assert_eq!(start.store.unwrap()["s3"]["bucket"], "meet");
    }
}
