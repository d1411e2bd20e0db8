//! The REST door: finds the route, lets the caller in, and answers in JSON, errors too. One function per route.

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

use crate::api::auth::{Asker, Caller, Refused, Scopes, asker};
use crate::api::body::{self, Body};
use crate::api::{Door, reply};
use crate::error::{Error, ErrorKind, Result};
use route::{Endpoint, Found, Route};

/// How long control has to answer `/health`.
const ANSWERS: Duration = Duration::from_secs(1);

/// A request whose route is known.
struct Ask {
    asker: Asker,
    /// The segment of the path that stands for a name.
    segment: String,
    /// What follows the question mark.
    query: String,
}

/// Every route of the door; rejects what is none of them.
pub fn routes(door: &Door) -> BoxedFilter<(Response,)> {
    let door = door.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let found =
        warp::method().and(warp::path::full()).and_then(async |method: Method, path: FullPath| {
            match route::find(method.as_str(), path.as_str()) {
                Found::Nothing => Err(warp::reject::not_found()),
                Found::Route(route, segment) => Ok(Ok((route, segment.to_owned()))),
                Found::Methods(methods) => Ok(Err(methods)),
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
                let door = door.clone();
                async move {
                    let (route, segment) = match found {
                        Ok(found) => found,
                        Err(methods) => return reply::method_not_allowed(&methods),
                    };
                    let ask = Ask { asker, segment, query };
                    let body = body::boxed(stream);
                    match route.needs.map(|needs| door.guard.admit(&ask.asker, needs, Instant::now())) {
                        Some(Err(refused)) => reply::refused(&refused),
                        Some(Ok(caller)) => answer(&door, route.endpoint, &caller, ask, body).await,
                        // It has a check of its own, or is open.
                        None => {
                            answer(&door, route.endpoint, &Caller { scopes: Scopes::default(), room: None }, ask, body)
                                .await
                        }
                    }
                }
            },
        )
        .boxed()
}

async fn answer(door: &Door, endpoint: Endpoint, caller: &Caller, ask: Ask, body: Body) -> Response {
    let answer = match endpoint {
        Endpoint::Health => Ok(health(door).await),
        Endpoint::OpenApi => Ok(openapi::get()),
        Endpoint::Config => Ok(config::get(door)),
        Endpoint::Start => rooms::start(door, caller, &ask, body).await,
        Endpoint::Stop => rooms::stop(door, caller, &ask).await,
        Endpoint::LiveKitWebhook => return livekit_webhook::post(door, &ask, body).await,
        Endpoint::MediaAuth => media_auth::get(door, caller, &ask).await,
        Endpoint::StorageHook => return storage_hook::post(door, &ask, body).await,
        Endpoint::List => recordings::list(door, caller, &ask).await,
        Endpoint::Get => recordings::get(door, caller, &ask).await,
        Endpoint::Delete => recordings::delete(door, caller, &ask).await,
        Endpoint::Layout => recordings::layout(door, caller, &ask, body).await,
        Endpoint::Share => links::share(door, caller, &ask, body).await,
        Endpoint::Revoke => links::revoke(door, caller, &ask).await,
    };
    reply::of(answer)
}

/// Whether control answers: a sidecar whose control does not records nothing.
async fn health(door: &Door) -> Response {
    let answer = tokio::time::timeout(ANSWERS, door.control.progress()).await;
    let (code, status) = if matches!(answer, Ok(Ok(_))) { (200, "ok") } else { (503, "control does not answer") };
    reply::json(code, &serde_json::json!({"status": status, "version": env!("CARGO_PKG_VERSION")}))
}

/// The feature is switched off: whoever asks sees nothing of it.
fn enabled(door: &Door) -> Result<()> {
    if door.enabled { Ok(()) } else { Err(not_found()) }
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
fn refuse(door: &Door, ask: &Ask, error: Error) -> Refused {
    door.guard.refuse(ask.asker.peer, error, Instant::now())
}
