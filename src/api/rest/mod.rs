//! The REST API: finds the route, lets the caller in, and answers in JSON, errors too. One function per route.

mod config;
mod links;
mod livekit_event;
mod livekit_webhook;
mod media_auth;
mod openapi;
mod recordings;
mod rooms;
mod route;
mod start;
mod storage_event;
mod storage_hook;

use std::time::{Duration, Instant};

use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::{Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;

use crate::api::auth::{Asker, Caller, Rejected, Scopes, asker};
use crate::api::body::{self, Body};
use crate::api::{Api, reply};
use crate::error::{Error, ErrorKind, Result};
use route::{Endpoint, Matched, Route};

pub use links::DAYS as SHARE_DAYS;

/// How long control has to answer `/health`.
const ANSWERS: Duration = Duration::from_secs(1);

/// A request whose route is known.
struct Call {
    asker: Asker,
    /// The segment of the path that stands for a name.
    segment: String,
    /// What follows the question mark.
    query: String,
}

/// Every route of the API; rejects what is none of them.
pub fn routes(api: &Api) -> BoxedFilter<(Response,)> {
    let api = api.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let found =
        warp::method().and(warp::path::full()).and_then(async |method: Method, path: FullPath| {
            match route::find(method.as_str(), path.as_str()) {
                Matched::Nothing => Err(warp::reject::not_found()),
                Matched::Route(route, segment) => Ok(Ok((route, segment.to_owned()))),
                Matched::Methods(methods) => Ok(Err(methods)),
            }
        });
    found
        .and(asker())
        .and(query)
        .and(warp::body::stream())
        .then(
            move |found: std::result::Result<(&'static Route, String), Vec<&'static str>>,
                  asker: Asker,
                  query: String,
                  stream| {
                let api = api.clone();
                async move {
                    let (route, segment) = match found {
                        Ok(found) => found,
                        Err(methods) => return reply::method_not_allowed(&methods),
                    };
                    let call = Call { asker, segment, query };
                    let body = body::boxed(stream);
                    match route.needs.map(|needs| api.guard.admit(&call.asker, needs, Instant::now())) {
                        Some(Err(refused)) => reply::refused(&refused),
                        Some(Ok(caller)) => answer(&api, route.endpoint, &caller, call, body).await,
                        // It has a check of its own, or is open.
                        None => {
                            answer(&api, route.endpoint, &Caller { scopes: Scopes::default(), room: None }, call, body)
                                .await
                        }
                    }
                }
            },
        )
        .boxed()
}

async fn answer(api: &Api, endpoint: Endpoint, caller: &Caller, call: Call, body: Body) -> Response {
    let answer = match endpoint {
        Endpoint::Health => Ok(health(api).await),
        Endpoint::OpenApi => Ok(openapi::get()),
        Endpoint::Config => Ok(config::get(api)),
        Endpoint::Start => rooms::start(api, caller, &call, body).await,
        Endpoint::Stop => rooms::stop(api, caller, &call).await,
        Endpoint::LiveKitWebhook => return livekit_webhook::post(api, &call, body).await,
        Endpoint::MediaAuth => media_auth::get(api, caller, &call).await,
        Endpoint::StorageHook => return storage_hook::post(api, &call, body).await,
        Endpoint::List => recordings::list(api, caller, &call).await,
        Endpoint::Get => recordings::get(api, caller, &call).await,
        Endpoint::Delete => recordings::delete(api, caller, &call).await,
        Endpoint::Layout => recordings::layout(api, caller, &call, body).await,
        Endpoint::Share => links::share(api, caller, &call, body).await,
        Endpoint::Revoke => links::revoke(api, caller, &call).await,
    };
    reply::of(answer)
}

/// Whether control answers: a sidecar whose control does not records nothing.
async fn health(api: &Api) -> Response {
    let answer = tokio::time::timeout(ANSWERS, api.control.progress()).await;
    let (code, status) = if matches!(answer, Ok(Ok(_))) { (200, "ok") } else { (503, "control does not answer") };
    reply::json(code, &serde_json::json!({"status": status, "version": env!("CARGO_PKG_VERSION")}))
}

/// The feature is switched off: whoever asks sees nothing of it.
fn enabled(api: &Api) -> Result<()> {
    if api.enabled { Ok(()) } else { Err(not_found()) }
}

fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "Not found.")
}

/// Refuses who has a check of their own, such as storage and LiveKit.
fn refuse(api: &Api, call: &Call, error: Error) -> Rejected {
    api.guard.refuse(&call.asker, error, Instant::now())
}
