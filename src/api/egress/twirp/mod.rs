//! `POST /twirp/livekit.Egress/…`: the same API over HTTP (Twirp 7), where there is no Redis, and for tools that talk to us
//! directly. Who calls shows a LiveKit token with `roomRecord`, as at LiveKit's own server.

mod failure;
mod json;
mod wire;

pub(in crate::api) use json::renamed;

use std::time::Instant;

use jiff::Zoned;
use livekit_protocol as proto;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::Method as Verb;
use warp::http::header::{AUTHORIZATION, CONTENT_TYPE};
use warp::path::FullPath;
use warp::reply::Response;

use super::Egress;
use crate::api::auth::{Asker, Caller, Guard, Scope, asker};
use crate::api::body::{self, Body};
use crate::control::new_id;
use crate::egress::from_caller;
use crate::egress::rpc::{self, RpcRequest};
use crate::error::{Error, ErrorKind};
use crate::ids::RecordingId;
use failure::TwirpError;
use wire::Wire;

/// Everything below is answered in Twirp's words.
const PREFIX: &str = "/twirp/";
/// What we serve.
const SERVICE: &str = "/twirp/livekit.Egress/";
/// Of a body; credentials of a bucket are the longest thing in it.
const BYTES: usize = 64 * 1024;

type Result<T> = std::result::Result<T, TwirpError>;

/// What the service can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    StartEgress,
    StartRoomComposite,
    StartWeb,
    StartParticipant,
    StartTrackComposite,
    StartTrack,
    UpdateLayout,
    UpdateStream,
    List,
    Stop,
}

/// The service; rejects what is not below `/twirp/`.
pub(in crate::api) fn routes(egress: &Egress, guard: &Guard) -> BoxedFilter<(Response,)> {
    let (egress, guard) = (egress.clone(), guard.clone());
    let ours = warp::path::full().and_then(async |path: FullPath| {
        if path.as_str().starts_with(PREFIX) { Ok(path) } else { Err(warp::reject::not_found()) }
    });
    warp::method()
        .and(ours)
        .and(asker())
        .and(warp::body::stream())
        .then(move |verb: Verb, path: FullPath, asker: Asker, stream| {
            let (egress, guard) = (egress.clone(), guard.clone());
            let body = body::boxed(stream);
            async move {
                let answer = answer(&egress, &guard, &verb, path.as_str(), &asker, body).await;
                answer.unwrap_or_else(|failure| failure.response(&format!("{verb} {}", path.as_str())))
            }
        })
        .boxed()
}

async fn answer(
    egress: &Egress,
    guard: &Guard,
    verb: &Verb,
    path: &str,
    asker: &Asker,
    body: Body,
) -> Result<Response> {
    let nothing = || TwirpError::bad_route(format!("no handler for path {path:?}"));
    let method = path.strip_prefix(SERVICE).and_then(Method::named).ok_or_else(nothing)?;
    if verb != Verb::POST {
        return Err(TwirpError::bad_route(format!("unsupported method \"{verb}\" (only POST is allowed)")));
    }
    let kind = asker.header(CONTENT_TYPE).unwrap_or_default();
    let wire = Wire::of(kind).ok_or_else(|| TwirpError::bad_route(format!("unexpected Content-Type: {kind:?}")))?;
    let caller = admit(guard, asker)?;
    let body = body::bytes(body, BYTES).await?;
    let requested = match method {
        Method::StartEgress => RpcRequest::Egress(wire.read(&body)?),
        Method::StartRoomComposite => RpcRequest::RoomComposite(wire.read(&body)?),
        Method::StartWeb => RpcRequest::Web(wire.read(&body)?),
        Method::StartParticipant => RpcRequest::Participant(wire.read(&body)?),
        Method::StartTrackComposite => RpcRequest::TrackComposite(wire.read(&body)?),
        Method::StartTrack => RpcRequest::Track(wire.read(&body)?),
        Method::UpdateLayout => {
            let request: proto::UpdateLayoutRequest = wire.read(&body)?;
            known(egress, &caller, &request.egress_id)?;
            return Ok(wire.info(&egress.update_layout(&request.egress_id, &request.layout).await.map_err(unknown)?));
        }
        Method::UpdateStream => {
            let request: proto::UpdateStreamRequest = wire.read(&body)?;
            known(egress, &caller, &request.egress_id)?;
            let message = "UpdateStream called on non-streaming egress";
            return Err(Error::new(ErrorKind::InvalidArgument, message).into());
        }
        Method::List => {
            let list = egress.list(&wire.read(&body)?, caller.room.as_deref()).await.map_err(unknown)?;
            return Ok(wire.list(list));
        }
        Method::Stop => {
            let request: proto::StopEgressRequest = wire.read(&body)?;
            known(egress, &caller, &request.egress_id)?;
            return Ok(wire.info(&egress.stop(&request.egress_id).await.map_err(unknown)?));
        }
    };
    caller.enter(room(&requested)).map_err(|_| TwirpError::denied())?;
    let egress_id = new_id().to_string();
    let request = rpc::StartEgressRequest { egress_id, request: Some(requested), ..Default::default() };
    let start = from_caller(request, caller.room, egress.limits, &Zoned::now())?;
    Ok(wire.info(&egress.start(start).await.map_err(no_room)?))
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "StartEgress" => Self::StartEgress,
            "StartRoomCompositeEgress" => Self::StartRoomComposite,
            "StartWebEgress" => Self::StartWeb,
            "StartParticipantEgress" => Self::StartParticipant,
            "StartTrackCompositeEgress" => Self::StartTrackComposite,
            "StartTrackEgress" => Self::StartTrack,
            "UpdateLayout" => Self::UpdateLayout,
            "UpdateStream" => Self::UpdateStream,
            "ListEgress" => Self::List,
            "StopEgress" => Self::Stop,
            _ => return None,
        })
    }
}

/// Who it is. A token is required on this machine too: clients of LiveKit always show one.
fn admit(guard: &Guard, asker: &Asker) -> Result<Caller> {
    let admitted = match asker.header(AUTHORIZATION) {
        Some(_) => guard.admit(asker, Scope::Record, Instant::now()),
        None => {
            let error = Error::new(ErrorKind::Unauthenticated, "Authorization: missing");
            Err(guard.refuse(asker, error, Instant::now()))
        }
    };
    admitted.map_err(|refused| match refused.wait {
        Some(wait) => TwirpError::wait(refused.error, wait),
        None => TwirpError::denied(),
    })
}

/// The caller may know of this egress, and there is one.
fn known(egress: &Egress, caller: &Caller, id: &str) -> Result<()> {
    let recording = egress.control.get(&RecordingId::new(id)).map_err(unknown)?;
    caller.enter(&recording.request.room).map_err(|_| TwirpError::denied())
}

/// The room it is about; empty when it is about none.
fn room(requested: &RpcRequest) -> &str {
    match requested {
        RpcRequest::RoomComposite(request) => &request.room_name,
        RpcRequest::TrackComposite(request) => &request.room_name,
        RpcRequest::Track(request) => &request.room_name,
        RpcRequest::Participant(request) => &request.room_name,
        RpcRequest::Egress(request) => &request.room_name,
        RpcRequest::Web(_) | RpcRequest::Replay(_) => "",
    }
}

/// LiveKit's server's words.
fn unknown(error: Error) -> Error {
    if error.kind == ErrorKind::NotFound { Error::new(ErrorKind::NotFound, "egress does not exist") } else { error }
}

/// Of a start, only the room can be missing.
fn no_room(error: Error) -> Error {
    let missing = error.kind == ErrorKind::NotFound;
    if missing { Error::new(ErrorKind::NotFound, "requested room does not exist") } else { error }
}
