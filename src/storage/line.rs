//! How bodies travel to a store: a request goes on as long as its bytes move, however slowly, and may wait for the answer longer
//! the more was on its way.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http_body_util::BodyExt as _;
use md5::{Digest as _, Md5};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
    ReqwestConnector,
};
use reqwest::header::{HeaderName, HeaderValue};
use tokio::time::Instant;

/// Bodies below this are sent as the library does it.
const SMALL: usize = 64 << 10;
/// What is handed over at once, and counts as progress.
const PIECE: usize = 16 << 10;
/// What the system may still hold of a body when all of it was handed over.
const BUFFERED: u64 = 8 << 20;
/// An answer to a write is shorter.
const ANSWER: usize = 64 << 10;
/// RFC 1864.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Makes clients of stores.
#[derive(Clone, Debug)]
pub struct Line {
    /// Sends the bodies that take a while.
    pub bodies: reqwest::Client,
    /// How long nothing may move.
    pub timeout: Duration,
    /// Adds `Content-MD5`.
    pub md5: bool,
}

impl HttpConnector for Line {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let others = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Sender { others, line: self.clone() }))
    }
}

#[derive(Debug)]
struct Sender {
    others: HttpClient,
    line: Line,
}

impl HttpService for Sender {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.pass(request))
    }
}

impl Sender {
    async fn pass(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if self.line.md5
            && let Some(sum) = md5(request.body().clone()).await?
        {
            request.headers_mut().insert(CONTENT_MD5, sum);
        }
        if request.body().content_length() < SMALL {
            return self.others.execute(request).await;
        }
        self.line.send(request).await
    }
}

impl Line {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let gauge = Arc::new(Gauge::new(body.content_length() as u64));
        let moved = gauge.clone();
        let pieces = body.into_data_stream().map_ok(|bytes| stream::iter(pieces(bytes).map(Ok::<_, HttpError>)));
        let pieces = pieces.try_flatten().inspect_ok(move |piece| moved.moved(piece.len() as u64));
        let sending = async {
            let call = self.bodies.request(head.method, head.uri.to_string()).headers(head.headers);
            let answer = call.body(reqwest::Body::wrap_stream(pieces)).send().await.map_err(failed)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            gauge.moved(0);
            let mut bytes = Vec::new();
            let mut rest = answer.bytes_stream();
            while let Some(piece) = rest.next().await {
                bytes.extend_from_slice(&piece.map_err(failed)?);
                gauge.moved(0);
                if bytes.len() > ANSWER {
                    break;
                }
            }
            let mut made = HttpResponse::new(bytes.into());
            (*made.status_mut(), *made.headers_mut()) = (status, headers);
            Ok(made)
        };
        tokio::select! {
            done = sending => done,
            () = gauge.stands_still(self.timeout) => Err(HttpError::new(HttpErrorKind::Timeout, StoodStill)),
        }
    }
}

fn pieces(bytes: Bytes) -> impl Iterator<Item = Bytes> {
    (0..bytes.len()).step_by(PIECE).map(move |at| bytes.slice(at..bytes.len().min(at + PIECE)))
}

/// `None` for a request without a body.
async fn md5(body: HttpRequestBody) -> Result<Option<HeaderValue>, HttpError> {
    if body.content_length() == 0 {
        return Ok(None);
    }
    let mut sum = Md5::new();
    let mut bytes = body.into_data_stream();
    while let Some(piece) = bytes.next().await {
        sum.update(piece?);
    }
    Ok(HeaderValue::from_str(&STANDARD.encode(sum.finalize())).ok())
}

fn failed(e: reqwest::Error) -> HttpError {
    let kind = if e.is_timeout() {
        HttpErrorKind::Timeout
    } else if e.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, e.without_url())
}

/// How far a body has come.
struct Gauge {
    began: Instant,
    bytes: u64,
    left: AtomicU64,
    /// Milliseconds after `began`.
    last: AtomicU64,
}

impl Gauge {
    fn new(bytes: u64) -> Self {
        Self { began: Instant::now(), bytes, left: AtomicU64::new(bytes), last: AtomicU64::new(0) }
    }

    fn moved(&self, bytes: u64) {
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Returns when nothing has moved for too long.
    async fn stands_still(&self, timeout: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let left = self.left.load(Ordering::Relaxed);
            let until = self.began + last + may_take(timeout, self.bytes, left, last);
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// How long nothing may move from now on, when `left` of `bytes` are not handed over and the others took `took`. What the system
/// holds of a body leaves unseen, for as long as its peer takes anything; when all is handed over, no faster than the rest did.
fn may_take(timeout: Duration, bytes: u64, left: u64, took: Duration) -> Duration {
    let held = u32::try_from((bytes - left.min(bytes)).min(BUFFERED).div_ceil(1 << 20)).unwrap_or(1);
    let unseen = timeout * held;
    timeout + if left > 0 { unseen } else { unseen.max(took) }
}

#[derive(Debug)]
struct StoodStill;

impl fmt::Display for StoodStill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out: no byte moved")
    }
}

impl std::error::Error for StoodStill {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_decides_and_what_the_system_holds_has_its_time() {
        let minute = Duration::from_secs(60);
        assert_eq!(may_take(minute, 5 << 20, 5 << 20, Duration::ZERO), minute, "nothing was taken yet");
        assert_eq!(may_take(minute, 128 << 20, 1 << 20, minute * 30), minute * 9, "each piece has its own time");
        assert!(may_take(minute, 5 << 20, 0, Duration::ZERO) >= Duration::from_secs(5 * 1024 / 40), "40 kB/s");
        assert_eq!(may_take(minute, 5 << 20, 0, minute * 30), minute * 31);
        assert_eq!(may_take(Duration::from_secs(1), 100_000, 0, Duration::ZERO), Duration::from_secs(2));
        let bytes = Bytes::from(vec![7; 2 * PIECE + 1]);
        let lengths: Vec<_> = pieces(bytes).map(|piece| piece.len()).collect();
        assert_eq!(lengths, [PIECE, PIECE, 1]);
    }
}
