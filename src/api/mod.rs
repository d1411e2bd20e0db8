//! The HTTP API (warp): translates requests for a control handle, and what it says into answers.

mod auth;
mod body;
mod dto;
pub mod egress;
mod guests;
mod media;
mod metrics;
mod page;
mod phase;
mod reply;
mod rest;
mod serve;
mod settings;
mod share;

pub use auth::{ApiKey, ApiToken, Entry as TokenEntry, Scope, Scopes};
pub use dto::RestStatus;
pub use metrics::{Metrics, Ports, Served};
pub use rest::SHARE_DAYS;
pub use settings::{Parser, Sections, Settings, StorageEvents};
pub use share::{Sharer, public_url};

use tokio::net::TcpListener;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::recording::{Limits, Policy, Recording, WorkerClasses};
use crate::storage::{Storage, Stores};

/// Connections at once; players keep several each.
const CONNECTIONS: usize = 512;

/// What every route may need.
#[derive(Clone, Debug)]
pub struct Api {
    control: Control,
    egress: egress::Egress,
    metrics: Metrics,
    storage: Storage,
    stores: Stores,
    modes: WorkerClasses,
    policy: Policy,
    limits: Limits,
    key: ApiKey,
    sharer: Sharer,
    guard: auth::Guard,
    enabled: bool,
    public_url: Option<String>,
    media_url: String,
    events: StorageEvents,
}

/// What an API is made of.
#[derive(Debug)]
pub struct ApiParts {
    /// What it is an API to.
    pub control: Control,
    /// LiveKit's API, for its Twirp API.
    pub egress: egress::Egress,
    /// Figures, for `/metrics`.
    pub metrics: Metrics,
    /// Where finished files are.
    pub stores: Stores,
    /// The modes a client may name.
    pub modes: WorkerClasses,
    /// What holds for every recording.
    pub policy: Policy,
    /// When every recording ends by itself.
    pub limits: Limits,
    /// LiveKit's key, by which access tokens and webhooks are signed.
    pub key: ApiKey,
    /// Signs links to pages.
    pub sharer: Sharer,
}

impl Api {
    /// An API; `settings` say who may pass.
    pub fn new(parts: ApiParts, settings: &Settings) -> Self {
        let ApiParts { control, egress, metrics, stores, modes, policy, limits, key, sharer } = parts;
        let guard =
            auth::Guard::new(settings.tokens.clone(), &key, settings.tokenless, settings.trusted_proxies.clone());
        let (enabled, events) = (settings.enabled, settings.events.clone());
        let (public_url, media_url) = (settings.public_url.clone(), settings.media_url.clone());
        let storage = stores.usual().clone();
        Self {
            control,
            egress,
            metrics,
            storage,
            stores,
            modes,
            policy,
            limits,
            key,
            sharer,
            guard,
            enabled,
            public_url,
            media_url,
            events,
        }
    }

    /// Where this recording's file is, or will be.
    fn storage_of(&self, recording: &Recording) -> Result<Storage> {
        self.stores.of(recording.options.sealed_store(), recording.storing_mode())
    }

    /// Every route; what none of them knows is answered in JSON too.
    fn routes(&self) -> BoxedFilter<(Response,)> {
        let pages = page::routes(self).or(media::media(self)).unify();
        let pages = pages.or(egress::routes(&self.egress, &self.guard)).unify();
        let pages = pages.or(metrics::routes(&self.metrics, &self.guard)).unify();
        rest::routes(self)
            .or(pages)
            .unify()
            .recover(|rejection| async move { Ok::<_, warp::Rejection>(reply::rejection(&rejection)) })
            .unify()
            .boxed()
    }

    /// Answers until `stop` is ready and open requests are answered.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
        serve::serve(listener, self.routes(), CONNECTIONS, stop).await;
    }
}

/// Takes the port, or says why not.
pub async fn bind(settings: &Settings) -> Result<TcpListener> {
    TcpListener::bind(settings.listen).await.map_err(|e| {
        let fix = "choose another one with --listen (port 0 takes a free one)";
        Error::invalid("listen", format!("cannot listen on {}: {e}; {fix}", settings.listen))
    })
}
