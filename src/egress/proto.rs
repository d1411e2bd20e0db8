//! A recording as LiveKit's protobuf `EgressInfo`, for webhooks and APIs alike.

use jiff::Timestamp;
use livekit_protocol as proto;
use prost::Message as _;
use proto::egress_info::{Request, Result as Single};
use proto::start_egress_request::Source;

use crate::egress::Status;
use crate::egress::manifest::beside;
use crate::recording::{Container, Outcome, Reason, Recording, State};
use crate::scene::Layout;
use crate::secret::shown_url;

/// HTTP-like codes of `EgressInfo.error_code`, as LiveKit Egress gives them.
const PRECONDITION: i32 = 412;
const TOO_LARGE: i32 = 413;
const INTERNAL: i32 = 500;

/// What LiveKit is told about this recording. `location` is where the object is, or will be (a URL, or the key itself),
/// unless the recording knows better.
pub fn info(recording: &Recording, location: &str) -> proto::EgressInfo {
    let requested = recording.options.origin.egress();
    let location = requested.and_then(|requested| requested.location.as_deref()).unwrap_or(location);
    let file = file(recording, location);
    let has_file = recording.state.outcome().is_some_and(Outcome::has_file);
    let manifest = requested.is_some_and(|requested| requested.manifest) && has_file;
    let end = End::of(&recording.state);
    // What LiveKit asked for is returned as it was requested.
    let echoed = requested.and_then(|requested| proto::EgressInfo::decode(requested.request.as_slice()).ok()?.request);
    let echoed = echoed.map(|request| laid_out(request, recording));
    let request = echoed.unwrap_or_else(|| Request::RoomComposite(request(recording)));
    // `ended_at` only on the last update: LiveKit forgets a recording that has one.
    let ended_at = recording.state.outcome().and(recording.ended_at);
    #[allow(deprecated, reason = "LiveKit Egress still fills the single result, and clients still read it")]
    let single = Single::File(file.clone());
    proto::EgressInfo {
        egress_id: recording.id.to_string(),
        room_id: requested.map(|requested| requested.room_id.clone()).unwrap_or_default(),
        room_name: recording.request.room.clone(),
        status: Status::of(&recording.state).code(),
        started_at: nanoseconds(Some(recording.created_at)),
        ended_at: nanoseconds(ended_at),
        updated_at: nanoseconds(Some(recording.updated_at)),
        source_type: source(recording, &request).into(),
        request: Some(request),
        file_results: vec![file],
        result: Some(single),
        error: end.error,
        error_code: end.code,
        details: with_flaws(end.details, recording),
        manifest_location: if manifest { beside(location, recording.id.as_str()) } else { String::new() },
        ..proto::EgressInfo::default()
    }
}

/// As it was requested, but for the layout once that was changed.
fn laid_out(mut request: Request, recording: &Recording) -> Request {
    let name = match &mut request {
        Request::RoomComposite(request) => Some(&mut request.layout),
        Request::Egress(request) => match &mut request.source {
            Some(Source::Template(template)) => Some(&mut template.layout),
            Some(Source::Web(_) | Source::Media(_)) | None => None,
        },
        Request::Web(_)
        | Request::Participant(_)
        | Request::TrackComposite(_)
        | Request::Track(_)
        | Request::Replay(_) => None,
    };
    if let (Some(name), Some(video)) = (name, recording.request.output.video())
        && Layout::from_name(name) != video.layout
    {
        video.layout.name().clone_into(name);
    }
    request
}

/// The same for everybody but the LiveKit server, which calls the webhooks of a request itself: their URLs without what may be
/// a secret in them.
pub fn shown(mut info: proto::EgressInfo) -> proto::EgressInfo {
    let webhooks = match &mut info.request {
        Some(Request::RoomComposite(request)) => &mut request.webhooks,
        Some(Request::Web(request)) => &mut request.webhooks,
        Some(Request::Participant(request)) => &mut request.webhooks,
        Some(Request::TrackComposite(request)) => &mut request.webhooks,
        Some(Request::Track(request)) => &mut request.webhooks,
        Some(Request::Egress(request)) => &mut request.webhooks,
        Some(Request::Replay(request)) => &mut request.webhooks,
        None => return info,
    };
    for webhook in webhooks {
        webhook.url = shown_url(&webhook.url);
    }
    info
}

/// What LiveKit Egress would have used: a browser for a picture, and for whoever names a layout.
fn source(recording: &Recording, request: &Request) -> proto::EgressSourceType {
    let layout = if let Request::RoomComposite(request) = request { request.layout.as_str() } else { "" };
    if recording.request.output.video().is_some() || !layout.is_empty() {
        proto::EgressSourceType::Web
    } else {
        proto::EgressSourceType::Sdk
    }
}

/// As it would have been asked for by `StartRoomCompositeEgress`.
fn request(recording: &Recording) -> proto::RoomCompositeEgressRequest {
    let output = &recording.request.output;
    let file_type = match output.container() {
        Container::Mp4 => proto::EncodedFileType::Mp4,
        Container::Ogg => proto::EncodedFileType::Ogg,
    };
    let file = proto::EncodedFileOutput {
        file_type: file_type.into(),
        filepath: recording.key.clone(),
        ..proto::EncodedFileOutput::default()
    };
    proto::RoomCompositeEgressRequest {
        room_name: recording.request.room.clone(),
        layout: output.video().map(|video| video.layout.name().to_owned()).unwrap_or_default(),
        audio_only: output.video().is_none(),
        video_only: output.audio().is_none(),
        file_outputs: vec![file],
        ..proto::RoomCompositeEgressRequest::default()
    }
}

/// `started_at` is the wall clock at media time zero: whoever aligns speakers with the audio counts on it.
fn file(recording: &Recording, location: &str) -> proto::FileInfo {
    let has_file = recording.state.outcome().is_some_and(Outcome::has_file);
    let media = recording.media.filter(|_| has_file);
    let ended_at = recording.started_at.and(recording.ended_at);
    proto::FileInfo {
        filename: recording.key.clone(),
        started_at: nanoseconds(recording.started_at),
        ended_at: nanoseconds(ended_at),
        duration: media.map_or(0, |media| whole(media.duration_ns)),
        size: media.map_or(0, |media| whole(media.bytes)),
        location: if has_file { location.to_owned() } else { String::new() },
    }
}

/// What is said about the end, in LiveKit Egress' words where it has some.
#[derive(Default)]
struct End {
    error: String,
    code: i32,
    details: String,
}

impl End {
    fn of(state: &State) -> Self {
        match state {
            State::Starting | State::Active => Self::default(),
            State::Ending { then } | State::Saving { then, .. } => Self { details: details(then), ..Self::default() },
            State::Ended(outcome) | State::Notified(outcome) | State::Removing { outcome, .. } => {
                let (error, code) = match outcome {
                    Outcome::Complete(_) | Outcome::CutShort(_) => (String::new(), 0),
                    Outcome::LimitReached(_) => ("Session limit reached".to_owned(), TOO_LARGE),
                    Outcome::Aborted(Reason::Stopped) => {
                        ("Stop called before pipeline could start".to_owned(), PRECONDITION)
                    }
                    Outcome::Aborted(reason) => (reason.to_string(), PRECONDITION),
                    Outcome::Failed(failure) => (failure.to_string(), INTERNAL),
                };
                Self { error, code, details: details(outcome) }
            }
        }
    }
}

/// LiveKit has no field for what is missing: a sentence follows the reason.
fn with_flaws(details: String, recording: &Recording) -> String {
    match recording.health.words() {
        Some(words) if details.is_empty() => words,
        Some(words) => format!("{details}; {words}"),
        None => details,
    }
}

fn details(outcome: &Outcome) -> String {
    let reason = match outcome {
        Outcome::Complete(reason) | Outcome::Aborted(reason) => match reason {
            Reason::Stopped => "StopEgress API".to_owned(),
            Reason::RoomClosed(_) | Reason::ByItself => "Source closed".to_owned(),
        },
        Outcome::LimitReached(_) => "Session limit reached".to_owned(),
        Outcome::CutShort(failure) => format!("Failure: {failure}; what was recorded until then is kept"),
        Outcome::Failed(_) => "Failure".to_owned(),
    };
    format!("End reason: {reason}")
}

/// Since 1970; 0 when there is none. The calendar of 64-bit nanoseconds ends in 2262.
fn nanoseconds(at: Option<Timestamp>) -> i64 {
    at.map_or(0, |at| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::ids::RecordingId;
    use crate::recording::{Failure, Limit, Limits, Media, Options, Output, Policy, Request as RpcRequest};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn recording(state: State) -> Recording {
        let request = RpcRequest { room: "demo room".into(), output: Output::ogg(), limits: Limits::default() };
        let id = RecordingId::new("EG_KKqSWgJVLsTx");
        let (mut one, _) =
            Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), at(10));
        one.started_at = Some(at(11));
        one.ended_at = Some(at(13));
        one.media = Some(Media { bytes: 12_345, duration_ns: 2_000_000_000 });
        one.state = state;
        one
    }

    #[test]
    fn it_is_what_livekits_own_worker_says() {
        let info = info(&recording(State::Ended(Outcome::Complete(Reason::Stopped))), "https://s3.example/b/k.ogg");
        let json = serde_json::to_value(&info).unwrap();
        let file = serde_json::json!({
            "filename": "recordings/EG_KKqSWgJVLsTx.ogg", "startedAt": "11000000000", "endedAt": "13000000000",
            "duration": "2000000000", "size": "12345", "location": "https://s3.example/b/k.ogg",
        });
        let wanted = serde_json::json!({
            "egressId": "EG_KKqSWgJVLsTx", "roomName": "demo room", "status": "EGRESS_COMPLETE",
            "sourceType": "EGRESS_SOURCE_TYPE_SDK",
            "startedAt": "10000000000", "endedAt": "13000000000", "updatedAt": "10000000000",
            "roomComposite": { "roomName": "demo room", "audioOnly": true,
                "fileOutputs": [{ "fileType": "OGG", "filepath": "recordings/EG_KKqSWgJVLsTx.ogg" }] },
            "fileResults": [file], "file": file, "details": "End reason: StopEgress API",
        });
        assert_eq!(json, wanted);
    }

    #[test]
    fn what_is_recorded_is_told_as_it_would_have_been_asked_for() {
        let video = crate::recording::VideoSettings::preset(crate::scene::Layout::from_name("grid"));
        for (output, audio_only, video_only, file_type) in [
            (Output::mp4(video).unwrap(), false, false, 1),
            (Output::silent_mp4(video).unwrap(), false, true, 1),
            (Output::audio_mp4(), true, false, 1),
            (Output::ogg(), true, false, 2),
        ] {
            let mut one = recording(State::Active);
            one.request.output = output;
            let info = info(&one, "x");
            assert_eq!(info.source_type, i32::from(audio_only));
            let Some(Request::RoomComposite(requested)) = info.request else { panic!() };
            let flags = (requested.audio_only, requested.video_only, requested.file_outputs[0].file_type);
            assert_eq!(flags, (audio_only, video_only, file_type));
        }
    }

    #[test]
    fn the_end_is_told_early_to_the_file_and_late_to_the_recording() {
        let ending = info(&recording(State::Ending { then: Outcome::LimitReached(Limit::Duration) }), "x");
        assert_eq!((ending.ended_at, ending.file_results[0].ended_at), (0, 13_000_000_000));
        assert_eq!((ending.error_code, ending.details.as_str()), (0, "End reason: Session limit reached"));
        let failed =
            info(&recording(State::Ended(Outcome::Failed(Failure::new(ErrorKind::Internal, "disk full")))), "x");
        assert_eq!((failed.error.as_str(), failed.error_code), ("disk full", 500));
        assert_eq!((failed.file_results[0].size, failed.file_results[0].location.as_str()), (0, ""));
    }

    #[test]
    fn what_is_missing_is_told_beside_the_reason() {
        let mut one = recording(State::Ended(Outcome::Complete(Reason::Stopped)));
        one.health.hole(65_000_000_000, 68_000_000_000, crate::recording::HoleCause::Connection, "no media path");
        let info = info(&one, "x");
        assert_eq!(info.status, 3);
        assert_eq!(info.details, "End reason: StopEgress API; 3.0 s are missing at 0:01:05 (no media path)");
    }
}
