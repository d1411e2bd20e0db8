//! Connections of an API: so many, each with so long for a request's head. hyper serves them, warp answers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower_service::Service as _;
use warp::filters::BoxedFilter;
use warp::http::{Request, Version};
use warp::reply::Response;

use super::auth::Peer;
use super::guests::Guests;

/// How long a request's head may take, and how long a connection may wait for its next request.
const HEAD: Duration = Duration::from_secs(15);
/// How long to wait when no connection can be accepted, such as for want of file handles.
const BREATH: Duration = Duration::from_millis(200);

/// Answers until `stop` is ready and open requests are answered. Of `most` connections the one that has been without a
/// request for longest makes room for a newcomer, who waits when all are at work.
pub async fn serve(
    listener: TcpListener,
    route: BoxedFilter<(Response,)>,
    most: usize,
    stop: impl Future<Output = ()> + Send,
) {
    let (guests, graceful) = (Arc::new(Guests::new(most)), GracefulShutdown::new());
    let service = warp::service(route);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(e) if is_the_peers(&e) => continue,
            Err(e) => {
                tracing::error!("no connection can be accepted: {e}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let mut guest = tokio::select! {
            guest = Guests::welcome(&guests) => guest,
            () = &mut stop => break,
        };
        let (service, busy) = (service.clone(), guest.busy());
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let by_old_http = request.version() < Version::HTTP_11;
            request.extensions_mut().insert(Peer { address: address.ip(), by_old_http });
            let (answer, work) = (service.clone().call(request), busy.begin());
            async move {
                let _work = work;
                answer.await
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        let serving = graceful.watch(serving);
        tokio::spawn(async move {
            // Tabs are closed, sockets sleep, heads are malformed: that is the peer's affair.
            tokio::select! {
                served = serving => if let Err(e) = served {
                    tracing::debug!(peer = %address, "a connection ended: {e}");
                },
                () = guest.sent_away() => tracing::debug!(peer = %address, "an idle connection made room"),
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn is_the_peers(e: &io::Error) -> bool {
    [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset]
        .contains(&e.kind())
}
