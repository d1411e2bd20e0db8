//! Figures for those who watch machines: Prometheus' text and LiveKit Egress' health answer.

mod health;
mod ports;
mod tally;
mod text;

pub use ports::{Ports, Served};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use livekit_protocol::egress_info::Request as RpcRequest;
use serde_json::{Map, Value, json};
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::reply::Response;

use crate::api::auth::{Asker, Guard, Scope, asker};
use crate::api::egress::renamed;
use crate::api::reply;
use crate::capacity::{Capacity, CostClass, Headroom};
use crate::control::Control;
use crate::egress::proto;
use crate::error::{Error, ErrorKind};
use crate::recording::{Quality, Recording, State};
use tally::Tally;
use text::Snapshot;

/// Recordings that are looked through; older ones have ended.
const LOOKED_AT: usize = 1000;
/// Nobody is notified of a recording for longer.
const NOTIFIED: SignedDuration = SignedDuration::from_hours(24 * 4);

/// Whoever reads figures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    control: Control,
    capacity: Capacity,
    tally: Arc<Mutex<Tally>>,
    /// Those of the last scrape that can change no more: they are not read again.
    settled: Arc<Mutex<Vec<Recording>>>,
    closing: Arc<AtomicBool>,
}

impl Metrics {
    /// Figures of these recordings and this machine; what ended before `now` is not counted.
    pub fn new(control: Control, capacity: Capacity, now: Timestamp) -> Self {
        let tally = Arc::new(Mutex::new(Tally::new(now)));
        Self { control, capacity, tally, settled: Arc::default(), closing: Arc::default() }
    }

    /// From now on nothing more is accepted.
    pub fn closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// In OpenMetrics' text format.
    async fn text(&self) -> String {
        let Self { control, capacity, .. } = self;
        // A store that cannot be read says so in the log; the other figures are still worth having.
        let known = std::mem::take(&mut *self.settled.lock().unwrap_or_else(PoisonError::into_inner));
        let read = control.newest(LOOKED_AT, known).await;
        let (count, recordings) =
            read.inspect_err(|error| tracing::warn!(%error, "metrics")).unwrap_or_else(|_| (0, Vec::new()));
        let now = Timestamp::now();
        let settled = recordings.iter().filter(|recording| is_settled(recording, now)).cloned().collect();
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner) = settled;
        let progress = control.progress().await.unwrap_or_default();
        let qualities: Vec<Quality> = progress.values().map(|progress| progress.quality).collect();
        let jobs = control.waiting().await.inspect_err(|error| tracing::warn!(%error, "metrics")).unwrap_or_default();
        let closing = self.closing.load(Ordering::Relaxed);
        let video = capacity.verdict(CostClass::Video);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.take_in(&recordings, &progress);
        text::text(&Snapshot {
            idle: video == Headroom::Idle && !closing,
            accepts: !closing && !matches!(video, Headroom::Full { .. }),
            closing,
            load: capacity.load(),
            count,
            recordings: &recordings,
            qualities: &qualities,
            jobs: &jobs,
            tally: &tally,
        })
    }

    /// What LiveKit Egress answers on `health_port`: the free cores, and what runs with its request, without secrets.
    async fn health(&self) -> Value {
        let mut status = Map::new();
        status.insert("CpuLoad".to_owned(), self.capacity.available().into());
        let unended = self.control.unended().await.unwrap_or_default();
        for recording in unended.iter().filter(|recording| runs(recording)) {
            let request = proto::shown(proto::info(recording, &recording.key)).request;
            status.insert(recording.id.to_string(), request.map_or(Value::Null, |request| shown(&request)));
        }
        Value::Object(status)
    }
}

/// Nothing that a scrape tells of it changes any more.
fn is_settled(recording: &Recording, now: Timestamp) -> bool {
    match recording.state {
        State::Notified(_) => true,
        State::Ended(_) => now.duration_since(recording.updated_at) > NOTIFIED,
        State::Starting | State::Active | State::Ending { .. } | State::Saving { .. } | State::Removing { .. } => false,
    }
}

/// `GET /metrics`, for those who may see recordings, all of them.
pub(super) fn routes(metrics: &Metrics, guard: &Guard) -> BoxedFilter<(Response,)> {
    let (metrics, guard) = (metrics.clone(), guard.clone());
    warp::path!("metrics")
        .and(warp::get())
        .and(asker())
        .then(move |asker: Asker| {
            let (metrics, guard) = (metrics.clone(), guard.clone());
            async move {
                match guard.admit(&asker, Scope::Read, Instant::now()) {
                    Ok(caller) if caller.room.is_none() => open_metrics(metrics.text().await),
                    Ok(_) => {
                        let why = "the token is for one room, and this is about all of them";
                        reply::error(&Error::new(ErrorKind::PermissionDenied, why))
                    }
                    Err(refused) => reply::refused(&refused),
                }
            }
        })
        .boxed()
}

/// `prometheus_port`: every path, to everybody.
fn prometheus(metrics: &Metrics) -> BoxedFilter<(Response,)> {
    let metrics = metrics.clone();
    warp::any()
        .then(move || {
            let metrics = metrics.clone();
            async move { open_metrics(metrics.text().await) }
        })
        .boxed()
}

fn open_metrics(text: String) -> Response {
    let mut response = Response::new(text.into());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A recorder is at work.
fn runs(recording: &Recording) -> bool {
    match recording.state {
        State::Starting | State::Active | State::Ending { .. } => true,
        State::Saving { .. } | State::Ended(_) | State::Notified(_) | State::Removing { .. } => false,
    }
}

/// The request as LiveKit Egress shows it: under the name of its kind.
fn shown(request: &RpcRequest) -> Value {
    let (kind, value) = match request {
        RpcRequest::RoomComposite(request) => ("RoomComposite", serde_json::to_value(request)),
        RpcRequest::Web(request) => ("Web", serde_json::to_value(request)),
        RpcRequest::Participant(request) => ("Participant", serde_json::to_value(request)),
        RpcRequest::TrackComposite(request) => ("TrackComposite", serde_json::to_value(request)),
        RpcRequest::Track(request) => ("Track", serde_json::to_value(request)),
        RpcRequest::Egress(request) => ("Egress", serde_json::to_value(request)),
        RpcRequest::Replay(request) => ("Replay", serde_json::to_value(request)),
    };
    json!({ kind: value.map_or(Value::Null, renamed) })
}
