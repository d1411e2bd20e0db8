//! `health_port`: answered by a thread of its own, so that whoever watches hears that the process lives, however busy the others
//! are or however slow the disk is.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::Metrics;
use crate::api::{reply, serve};

/// How long the others may take to say how they are; after that what they said last is told.
const FRESH: Duration = Duration::from_millis(300);
/// Connections at once.
const CONNECTIONS: usize = 64;

type Reply = oneshot::Sender<Value>;

/// Answers from now on, until the sender is used or dropped; the thread ends then. Must be called within a tokio runtime.
pub(super) fn serve(
    listener: TcpListener,
    metrics: &Metrics,
) -> std::io::Result<(oneshot::Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = oneshot::channel::<()>();
    let (asks, requested) = mpsc::channel(CONNECTIONS);
    tokio::spawn(answer(metrics.clone(), requested));
    // A runtime of its own on its thread: nothing else runs there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    listener.set_nonblocking(true)?;
    let thread = std::thread::Builder::new().name("health".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(e) => {
                    tracing::error!("health_port: cannot be served: {e}");
                    return;
                }
            };
            let stopped = async move {
                let _ = stopped.await;
            };
            serve::serve(listener, route(asks), CONNECTIONS, stopped).await;
        });
    })?;
    Ok((stop, thread))
}

/// Every path, to everybody.
fn route(asks: mpsc::Sender<Reply>) -> BoxedFilter<(Response,)> {
    let last = Arc::new(Mutex::new(json!({"CpuLoad": 0.0})));
    warp::any()
        .then(move || {
            let (asks, last) = (asks.clone(), last.clone());
            async move {
                let (reply, answer) = oneshot::channel();
                let _ = asks.try_send(reply);
                let fresh = tokio::time::timeout(FRESH, answer).await.ok().and_then(Result::ok);
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(fresh) = fresh {
                    *last = fresh;
                }
                reply::json(200, &*last)
            }
        })
        .boxed()
}

/// Says how everything is, as long as anybody asks.
async fn answer(metrics: Metrics, mut requested: mpsc::Receiver<Reply>) {
    while let Some(reply) = requested.recv().await {
        let _ = reply.send(metrics.health().await);
    }
}
