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

/// A method of a service, on one topic. Its requests are read as `T`.
pub struct Method<T = Bytes> {
    service: String,
    name: String,
    topic: String,
    read: Read<T>,
}

/// A raw request as a `T`; nothing when it cannot be decoded.
type Read<T> = Box<dyn Fn(&Bytes) -> Option<T> + Send + Sync>;

impl Method {
    /// `EgressHandler`, `StopEgress`, an egress id. An empty topic is none.
    pub fn new(service: &str, name: &str, topic: &str) -> Self {
        let read = Box::new(|raw: &Bytes| Some(raw.clone()));
        Self { service: service.to_owned(), name: name.to_owned(), topic: topic.to_owned(), read }
    }

    /// Its requests are messages of this type: what does not decode as one is answered `malformed_request`, and neither
    /// the affinity nor the handler sees it.
    pub fn reads<M: Message + Default>(self) -> Method<M> {
        let Self { service, name, topic, .. } = self;
        Method { service, name, topic, read: Box::new(|raw| M::decode(raw.clone()).ok()) }
    }
}

impl<T: 'static> Method<T> {
    /// Affinity and handler get what `make` makes of a request, once, when it arrives.
    pub fn map<U>(self, make: impl Fn(T) -> U + Send + Sync + 'static) -> Method<U> {
        let Self { service, name, topic, read } = self;
        Method { service, name, topic, read: Box::new(move |raw| read(raw).map(&make)) }
    }
}

impl<T> fmt::Debug for Method<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({}.{} {})", self.service, self.name, self.topic)
    }
}

/// How a method finds its server; the option of the method in LiveKit's protocol files.
pub enum ServiceKind<T = Bytes> {
    /// Each server bids, the client chooses: `StartEgress`.
    Claim(Affinity<T>, Lost<T>),
    /// One server takes it, whichever is first: `StopEgress`, everything of `IOInfo`.
    Queue,
    /// All answer, nobody is chosen: `ListActiveEgress`.
    Multi,
}

/// How much a server wants this request: 1 at once, between 0 and 1 if nobody bids more, negative not at all.
pub type Affinity<T> = Box<dyn Fn(&T) -> f32 + Send + Sync>;

/// Hears of a request that another server got, in spite of our bid.
pub type Lost<T> = Box<dyn Fn(T) + Send + Sync>;

impl<T> ServiceKind<T> {
    /// Bids what `affinity` says of the request. It is asked in the loop that receives, so it must not block.
    pub fn claim(affinity: impl Fn(&T) -> f32 + Send + Sync + 'static) -> Self {
        Self::Claim(Box::new(affinity), Box::new(|_| {}))
    }

    /// The same, and `lost` hears of requests that another server got; it must not block either. Of a request that nobody gets
    /// nothing is heard.
    pub fn claim_or_lose(
        affinity: impl Fn(&T) -> f32 + Send + Sync + 'static,
        lost: impl Fn(T) + Send + Sync + 'static,
    ) -> Self {
        Self::Claim(Box::new(affinity), Box::new(lost))
    }
}

impl<T> fmt::Debug for ServiceKind<T> {
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

    /// Serves a method: `handler` turns a request into a raw response, in a task of its own, once for each request that
    /// is ours. It is not cancelled when the client gives up.
    pub fn serve<T, H, F>(&self, method: Method<T>, kind: ServiceKind<T>, handler: H) -> Serving
    where
        T: Send + 'static,
        H: Fn(T) -> F + Send + Sync + 'static,
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
struct Dispatcher<T, H> {
    server: PsrpcServer,
    method: Method<T>,
    kind: ServiceKind<T>,
    handler: Arc<H>,
    claims: Claims<T>,
}

/// The place of the request channel in the subscription; the other one is the grants'.
const REQUESTS: usize = 0;

impl<T, H, F> Dispatcher<T, H>
where
    T: Send + 'static,
    H: Fn(T) -> F + Send + Sync + 'static,
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
        let step = self.claims.request(request, (self.server.now)(), |request| {
            match ((method.read)(&request.raw_request), kind) {
                (None, _) => Reading::Malformed,
                (Some(read), ServiceKind::Claim(affinity, _)) => Reading::Bid(affinity(&read), read),
                (Some(read), ServiceKind::Queue) => Reading::Bid(1.0, read),
                (Some(read), ServiceKind::Multi) => Reading::Direct(read),
            }
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
            ClaimStep::Run(request, read) => self.work(request, read),
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
                (Some(Chosen::Us(request, read)), _) => self.work(request, read),
                (Some(Chosen::Another(read)), ServiceKind::Claim(_, lost)) => lost(read),
                (Some(Chosen::Another(_)), ServiceKind::Queue | ServiceKind::Multi) | (None, _) => {}
            },
            Err(why) => debug!(method = self.method.name, %why, "unreadable grant"),
        }
    }

    /// Runs the handler beside the loop, and answers.
    fn work(&self, request: RequestFrame, read: T) {
        let (server, service, name) = (self.server.clone(), self.method.service.clone(), self.method.name.clone());
        let handler = Arc::clone(&self.handler);
        tokio::spawn(async move {
            // A task of its own, so that a panic becomes an answer and not a client that waits.
            let done = tokio::spawn(async move { handler(read).await }).await;
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
