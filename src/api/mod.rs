//! The REST door (warp): one function per route, each a boxed filter around a control handle.

mod auth;
mod body;
mod dto;
pub mod egress;
mod links;
mod media;
mod page;
mod recordings;
mod reply;
mod rooms;
mod share;

pub use dto::Status;
pub use share::{Sharer, public_url};

use std::net::SocketAddr;

use tokio::net::TcpListener;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::recording::WorkerClasses;
use crate::secret::Secret;
use crate::storage::Storage;

/// `listen` and `api_token`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What a client must show as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// `public_url`: what links to pages begin with, when people reach us under another address than `listen`.
    pub public_url: Option<String>,
}

/// What every route may need.
#[derive(Clone, Debug)]
pub struct Door {
    control: Control,
    storage: Storage,
    modes: WorkerClasses,
    guard: auth::Guard,
    sharer: Sharer,
}

/// The shortest token that is accepted.
const TOKEN_BYTES: usize = 16;

impl Settings {
    /// Checks both: whoever can be reached from elsewhere must ask for a token.
    pub fn new(listen: &str, token: Option<Secret>) -> Result<Self> {
        let address: SocketAddr = listen.parse().map_err(|_| {
            Error::invalid("listen", format!("{listen:?} is not an address and port; use 127.0.0.1:7990"))
        })?;
        match &token {
            None if !address.ip().is_loopback() => {
                let fix = "set api_token (GREFFIER_API_TOKEN) or listen on 127.0.0.1";
                Err(Error::invalid("listen", format!("{address} can be reached from elsewhere; {fix}")))
            }
            Some(token) if token.expose().len() < TOKEN_BYTES => {
                let fix = "make one with `openssl rand -hex 32`";
                Err(Error::invalid("api_token", format!("shorter than {TOKEN_BYTES} characters; {fix}")))
            }
            Some(_) | None => Ok(Self { listen: address, token, public_url: None }),
        }
    }
}

impl Door {
    /// A door to this control; `settings` say who may pass, `sharer` signs links to pages.
    pub fn new(control: Control, storage: Storage, modes: WorkerClasses, settings: &Settings, sharer: Sharer) -> Self {
        Self { control, storage, modes, guard: auth::Guard::new(settings.token.clone()), sharer }
    }

    /// Every route; what none of them knows is answered in JSON too.
    pub fn routes(&self) -> impl warp::Filter<Extract = (Response,), Error = std::convert::Infallible> + Clone + use<> {
        let pages = [page::routes(self), media::media(self), links::share(self), links::revoke(self)];
        let routes: [BoxedFilter<(Response,)>; 4] =
            [rooms::stop(self), recordings::list(self), recordings::get(self), health()];
        let routes = routes.into_iter().chain(pages);
        let any = routes.fold(rooms::start(self), |some, route| some.or(route).unify().boxed());
        any.recover(|rejection| async move { Ok(reply::rejection(&rejection)) }).unify()
    }

    /// Answers until `stop` is ready and open requests are answered.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
        warp::serve(self.routes()).incoming(listener).graceful(stop).run().await;
    }
}

/// Takes the port, or says why not.
pub async fn bind(settings: &Settings) -> Result<TcpListener> {
    TcpListener::bind(settings.listen).await.map_err(|e| {
        let fix = "choose another one with --listen (port 0 takes a free one)";
        Error::invalid("listen", format!("cannot listen on {}: {e}; {fix}", settings.listen))
    })
}

/// `GET /health`: open to all, says nothing but that we are here.
fn health() -> BoxedFilter<(Response,)> {
    warp::path!("health")
        .and(warp::get())
        .map(|| reply::json(200, &serde_json::json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
        .boxed()
}
