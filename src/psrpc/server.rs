//! The answering side: methods that are served as long as their guard lives.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost::Message;
use rand::distr::{Alphanumeric, SampleString as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::bus::{Bus, Subscription};
use super::claim::{Chosen, ClaimStep, Claims, Dropped, Reading};
use super::frame::{self, ClaimResponse, RequestFrame, Response};
use super::{channel, code};
use crate::error::{Error, ErrorKind, Result};

/// A method of a service, on one topic.
#[derive(Clone, Debug)]
pub struct Method {
    service: String,
    name: String,
    topic: String,
    decodes: fn(&Bytes) -> bool,
}

impl Method {
    /// `EgressHandler`, `StopEgress`, an egress id. An empty topic is none.
    pub fn new(service: &str, name: &str, topic: &str) -> Self {
        Self { service: service.to_owned(), name: name.to_owned(), topic: topic.to_owned(), decodes: |_| true }
    }

    /// Its requests are messages of this type: what does not decode as one is answered `malformed_request`, and neither
    /// the affinity nor the handler sees it.
    pub fn reads<M: Message + Default>(self) -> Self {
        Self { decodes: |raw| M::decode(raw.clone()).is_ok(), ..self }
    }
}

/// How a method finds its server; the option of the method in LiveKit's protocol files.
#[derive(Clone)]
pub enum ServiceKind {
    /// Each server bids, the client chooses: `StartEgress`.
    Claim(Affinity, Lost),
    /// One server takes it, whichever is first: `StopEgress`, everything of `IOInfo`.
    Queue,
    /// All answer, nobody is chosen: `ListActiveEgress`.
    Multi,
}

/// How much a server wants this request: 1 at once, between 0 and 1 if nobody bids more, negative not at all.
pub type Affinity = Arc<dyn Fn(&Bytes) -> f32 + Send + Sync>;

/// Hears of a raw request that another server got, in spite of our bid.
pub type Lost = Arc<dyn Fn(&Bytes) + Send + Sync>;

impl ServiceKind {
    /// Bids what `affinity` says of the raw request. It is asked in the loop that receives, so it must not block.
    pub fn claim(affinity: impl Fn(&Bytes) -> f32 + Send + Sync + 'static) -> Self {
        Self::Claim(Arc::new(affinity), Arc::new(|_| {}))
    }

    /// The same, and `lost` hears of requests that another server got; it must not block either. Of a request that nobody gets
    /// nothing is heard.
    pub fn claim_or_lose(
        affinity: impl Fn(&Bytes) -> f32 + Send + Sync + 'static,
        lost: impl Fn(&Bytes) + Send + Sync + 'static,
    ) -> Self {
        Self::Claim(Arc::new(affinity), Arc::new(lost))
    }
}

impl fmt::Debug for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim(_, _) => "Claim",
            Self::Queue => "Queue",
            Self::Multi => "Multi",
        })
    }
}

/// One process that answers, under one id. Cheap to clone.
#[derive(Clone)]
pub struct PsrpcServer {
    bus: Bus,
    id: Arc<str>,
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for PsrpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("bus", &self.bus).field("id", &self.id).finish_non_exhaustive()
    }
}

/// A method that is being served. Dropped, it is served no more; what runs already goes on and is answered.
#[derive(Debug)]
#[must_use = "a method is served as long as this lives"]
pub struct Serving {
    task: JoinHandle<()>,
    subscribed: watch::Receiver<bool>,
}

impl Serving {
    /// Waits until Redis has confirmed the subscription: what is sent from now on arrives here.
    pub async fn ready(&mut self) {
        // It fails only when the runtime shuts down.
        let _ = self.subscribed.wait_for(|subscribed| *subscribed).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PsrpcServer {
    /// A server with a new id.
    pub fn new(bus: Bus) -> Self {
        Self::with_clock(bus, unix_nanos)
    }

    /// The same by a clock of its own, in nanoseconds since 1970: by it requests expire.
    pub fn with_clock(bus: Bus, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { bus, id: new_id("SRV_").into(), now: Arc::new(now) }
    }

    /// `SRV_…`, which clients see.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Serves a method: `handler` turns a raw request into a raw response, in a task of its own, once for each request that
    /// is ours. It is not cancelled when the client gives up.
    pub fn serve<H, F>(&self, method: Method, kind: ServiceKind, handler: H) -> Serving
    where
        H: Fn(Bytes) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Bytes>> + Send + 'static,
    {
        let mut channels = vec![channel::request(&method.service, &method.name, &method.topic)];
        match kind {
            ServiceKind::Claim(_, _) | ServiceKind::Queue => {
                channels.push(channel::grant(&method.service, &method.name, &method.topic));
            }
            ServiceKind::Multi => {}
        }
        let subscription = self.bus.subscribe(channels);
        let subscribed = subscription.subscribed();
        let dispatcher = Dispatcher {
            claims: Claims::new(&*self.id),
            server: self.clone(),
            method,
            kind,
            handler: Arc::new(handler),
        };
        Serving { task: tokio::spawn(dispatcher.run(subscription)), subscribed }
    }

    /// Sends an answer; a client that did not get it asks again.
    async fn answer(&self, service: &str, request: &RequestFrame, answer: std::result::Result<Bytes, (&str, String)>) {
        let mut response = Response {
            request_id: request.request_id.clone(),
            server_id: self.id.to_string(),
            sent_at: (self.now)(),
            ..Response::default()
        };
        match answer {
            Ok(raw) => response.raw_response = raw,
            Err((code, message)) => {
                // An empty text would be read as success.
                response.error = if message.is_empty() { code.to_owned() } else { message };
                response.code = code.to_owned();
            }
        }
        let to = channel::response(service, &request.client_id);
        if let Err(error) = self.bus.publish(to, frame::seal(&response)).await {
            warn!(service, request = request.request_id, %error, "the answer could not be sent");
        }
    }
}

/// One method's own loop.
struct Dispatcher<H> {
    server: PsrpcServer,
    method: Method,
    kind: ServiceKind,
    handler: Arc<H>,
    claims: Claims,
}

/// The place of the request channel in the subscription; the other one is the grants'.
const REQUESTS: usize = 0;

impl<H, F> Dispatcher<H>
where
    H: Fn(Bytes) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Bytes>> + Send + 'static,
{
    async fn run(mut self, mut subscription: Subscription) {
        while let Some((place, payload)) = subscription.next().await {
            if place == REQUESTS {
                self.request(payload).await;
            } else {
                self.grant(payload);
            }
        }
    }

    async fn request(&mut self, payload: Bytes) {
        let request = match frame::open::<RequestFrame>(payload.clone()) {
            Ok(request) => request,
            Err(why) => return debug!(method = self.method.name, %why, "unreadable request"),
        };
        if matches!(self.kind, ServiceKind::Queue) {
            match self.server.bus.lock(&payload).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return warn!(method = self.method.name, %error, "no lock, the request is left alone"),
            }
        }
        let (method, kind) = (&self.method, &self.kind);
        let step = self.claims.request(request, (self.server.now)(), |request| match kind {
            _ if !(method.decodes)(&request.raw_request) => Reading::Malformed,
            ServiceKind::Claim(affinity, _) => Reading::Bid(affinity(&request.raw_request)),
            ServiceKind::Queue => Reading::Bid(1.0),
            ServiceKind::Multi => Reading::Direct,
        });
        match step {
            ClaimStep::Malformed(request) => {
                let error = (code::MALFORMED_REQUEST, format!("{}: the request cannot be decoded", self.method.name));
                self.server.answer(&self.method.service, &request, Err(error)).await;
            }
            ClaimStep::Bid { client, bid } => {
                let to = channel::claim(&self.method.service, &client);
                if let Err(error) = self.server.bus.publish(to, frame::seal(&bid)).await {
                    warn!(method = self.method.name, %error, "the bid could not be sent");
                }
            }
            ClaimStep::Run(request) => self.work(request),
            // LiveKit drops them silently; different clocks would be hard to find otherwise.
            ClaimStep::Drop(Dropped::Expired) => {
                warn!(method = self.method.name, "a request came after its expiry: late, or the clocks differ");
            }
            ClaimStep::Drop(Dropped::Full) => {
                warn!(method = self.method.name, "too many requests at once, one is dropped")
            }
            ClaimStep::Drop(why @ (Dropped::Known | Dropped::Nameless | Dropped::Unwilling)) => {
                debug!(method = self.method.name, ?why, "not for us");
            }
        }
    }

    fn grant(&mut self, payload: Bytes) {
        match frame::open::<ClaimResponse>(payload) {
            Ok(grant) => match (self.claims.grant(&grant, (self.server.now)()), &self.kind) {
                (Some(Chosen::Us(request)), _) => self.work(request),
                (Some(Chosen::Another(request)), ServiceKind::Claim(_, lost)) => lost(&request.raw_request),
                (Some(Chosen::Another(_)), ServiceKind::Queue | ServiceKind::Multi) | (None, _) => {}
            },
            Err(why) => debug!(method = self.method.name, %why, "unreadable grant"),
        }
    }

    /// Runs the handler beside the loop, and answers.
    fn work(&self, request: RequestFrame) {
        let (server, service, name) = (self.server.clone(), self.method.service.clone(), self.method.name.clone());
        let handler = Arc::clone(&self.handler);
        let raw = request.raw_request.clone();
        tokio::spawn(async move {
            // A task of its own, so that a panic becomes an answer and not a client that waits.
            let done = tokio::spawn(async move { handler(raw).await }).await;
            let answer = done.unwrap_or_else(|e| {
                warn!(method = name, error = %e, "the handler failed");
                Err(Error::new(ErrorKind::Internal, format!("{name}: internal error, see the log")))
            });
            let answer = answer.map_err(|error| (code::of(error.kind), error.message));
            server.answer(&service, &request, answer).await;
        });
    }
}

/// psrpc's ids: a prefix and twelve letters or digits.
pub(super) fn new_id(prefix: &str) -> String {
    let mut id = prefix.to_owned();
    Alphanumeric.append_string(&mut rand::rng(), &mut id, 12);
    id
}

/// Nanoseconds since 1970, by this machine's clock.
pub(super) fn unix_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
