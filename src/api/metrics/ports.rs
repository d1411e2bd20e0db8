//! Ports of their own for health and Prometheus, as LiveKit Egress has them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::Metrics;
use crate::error::{Error, Result};

/// How long an open request may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Taken, not answered yet.
#[derive(Debug)]
pub struct Ports {
    health: Option<TcpListener>,
    prometheus: Option<TcpListener>,
}

/// Answered.
#[derive(Debug)]
pub struct Served(Vec<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Ports {
    /// Takes those that are configured, on every address: machines are watched from elsewhere.
    pub async fn bind(health: Option<u16>, prometheus: Option<u16>) -> Result<Self> {
        Ok(Self { health: bind("health_port", health).await?, prometheus: bind("prometheus_port", prometheus).await? })
    }

    /// Answers from now on. Must be called within a tokio runtime.
    pub fn serve(self, metrics: &Metrics) -> Served {
        let Self { health, prometheus } = self;
        let health = health.map(|listener| serve(listener, super::health(metrics)));
        let prometheus = prometheus.map(|listener| serve(listener, super::prometheus(metrics)));
        Served(health.into_iter().chain(prometheus).collect())
    }
}

impl Served {
    /// Closes them.
    pub async fn close(self) {
        for (stop, task) in self.0 {
            let _ = stop.send(());
            let abort = task.abort_handle();
            if tokio::time::timeout(LAST_ANSWERS, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

fn serve(listener: TcpListener, route: BoxedFilter<(Response,)>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        let _ = stopped.await;
    };
    (stop, tokio::spawn(warp::serve(route).incoming(listener).graceful(stopped).run()))
}

async fn bind(field: &str, port: Option<u16>) -> Result<Option<TcpListener>> {
    let Some(port) = port else { return Ok(None) };
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let listener = match TcpListener::bind(both).await {
        Ok(listener) => Ok(listener),
        // This machine may be without IPv6.
        Err(_) => TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await,
    };
    let listener = listener.map_err(|e| {
        Error::invalid(field, format!("cannot listen on port {port}: {e}; choose another, or 0 for none"))
    })?;
    Ok(Some(listener))
}
