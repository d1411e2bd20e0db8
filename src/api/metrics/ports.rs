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
    health: Option<std::net::TcpListener>,
    prometheus: Option<TcpListener>,
}

/// Answered.
#[derive(Debug)]
pub struct Served {
    health: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
    prometheus: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// Connections of Prometheus and whoever else reads figures, at once.
const CONNECTIONS: usize = 64;

impl Ports {
    /// Takes those that are configured, on every address: machines are watched from elsewhere.
    pub async fn bind(health: Option<u16>, prometheus: Option<u16>) -> Result<Self> {
        let wrong = |e| Error::invalid("health_port", format!("cannot be used: {e}"));
        let health = bind("health_port", health).await?.map(TcpListener::into_std).transpose().map_err(wrong)?;
        Ok(Self { health, prometheus: bind("prometheus_port", prometheus).await? })
    }

    /// Answers from now on. Must be called within a tokio runtime.
    pub fn serve(self, metrics: &Metrics) -> Result<Served> {
        let Self { health, prometheus } = self;
        let wrong = |e| Error::invalid("health_port", format!("cannot be served: {e}"));
        let health = health.map(|listener| super::health::serve(listener, metrics)).transpose().map_err(wrong)?;
        let prometheus = prometheus.map(|listener| serve(listener, super::prometheus(metrics)));
        Ok(Served { health, prometheus })
    }
}

impl Served {
    /// Closes them.
    pub async fn close(self) {
        let Self { health, prometheus } = self;
        let mut tasks: Vec<_> = prometheus.into_iter().collect();
        tasks.extend(health.map(|(stop, thread)| {
            let ended = tokio::task::spawn_blocking(move || {
                let _ = thread.join();
            });
            (stop, ended)
        }));
        for (stop, task) in tasks {
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
    (stop, tokio::spawn(crate::api::serve::serve(listener, route, CONNECTIONS, stopped)))
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
