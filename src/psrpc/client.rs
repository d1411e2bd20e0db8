//! The asking side: one client for one service.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout_at;
use tracing::debug;

use super::bus::{Bus, Subscription};
use super::channel;
use super::choice::{Choice, Decision, Selection};
use super::code;
use super::frame::{self, ClaimRequest, ClaimResponse, RequestFrame, Response};
use super::server::{new_id, unix_nanos};
use crate::error::{Error, ErrorKind, Result};

/// How many bids and answers of one call wait to be looked at; what comes beyond is dropped.
const QUEUE: usize = 256;

/// How long a call may take and how its server is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallOptions {
    /// For everything, from the call to the answer; the request's expiry.
    pub timeout: Duration,
    /// Who gets it.
    pub selection: Selection,
}

impl CallOptions {
    /// Whoever bids first gets it, within a second: for queues. psrpc's default `timeout` is 3 s.
    pub fn first(timeout: Duration) -> Self {
        Self { timeout, selection: Selection::FIRST }
    }

    /// Like [`CallOptions::first`], but a bid may take this long.
    pub fn patient(timeout: Duration, bid: Duration) -> Self {
        Self { timeout, selection: Selection { timeout: Some(bid), ..Selection::FIRST } }
    }

    /// The best bid gets it: LiveKit's for `StartEgress`.
    pub fn best(timeout: Duration) -> Self {
        Self { timeout, selection: Selection::BEST }
    }
}

/// Asks the servers of one service, under one id. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PsrpcClient {
    bus: Bus,
    service: String,
    id: String,
    calls: mpsc::UnboundedSender<Call>,
    subscribed: watch::Receiver<bool>,
}

/// A call that waits for what concerns it.
#[derive(Debug)]
struct Call {
    request_id: String,
    events: mpsc::Sender<Event>,
}

#[derive(Debug)]
enum Event {
    Bid(ClaimRequest),
    Answer(Response),
}

impl PsrpcClient {
    /// A client with a new id, which listens at once.
    pub fn new(bus: &Bus, service: &str) -> Self {
        let id = new_id("CLI_");
        let subscription = bus.subscribe(vec![channel::claim(service, &id), channel::response(service, &id)]);
        let subscribed = subscription.subscribed();
        // Unbounded: there are as many as there are calls, each awaited by its caller.
        let (calls, registered) = mpsc::unbounded_channel();
        tokio::spawn(route(subscription, registered));
        Self { bus: bus.clone(), service: service.to_owned(), id, calls, subscribed }
    }

    /// `CLI_…`, which servers see.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Asks one server. Nothing is sent twice: whoever wants to try again calls again. `Unavailable` when nobody bids or
    /// Redis is away, `DeadlineExceeded` when the chosen one does not answer, otherwise the server's own error.
    pub async fn call(&self, method: &str, topic: &str, raw_request: Bytes, options: &CallOptions) -> Result<Bytes> {
        let deadline = Instant::now() + options.timeout;
        let (request_id, mut events) = self.ask(method, topic, raw_request, false, deadline).await?;
        let mut choice = Some(Choice::new(options.selection, Instant::now(), deadline));
        loop {
            let until = choice.as_ref().map_or(deadline, Choice::timeout);
            let decision = match timeout_at(until.into(), events.recv()).await {
                // Also before the grant: a server may have begun at once, or cannot read the request.
                Ok(Some(Event::Answer(response))) => return answer(response),
                Ok(Some(Event::Bid(bid))) => match &mut choice {
                    Some(choosing) => choosing.bid(bid, Instant::now()),
                    None => Decision::Wait,
                },
                Ok(None) => return Err(ended()),
                Err(_) => match choice.take() {
                    Some(choosing) => choosing.elapsed(),
                    None => return Err(Error::new(ErrorKind::DeadlineExceeded, "request timed out")),
                },
            };
            match decision {
                Decision::Wait => {}
                Decision::Handled => choice = None,
                Decision::Grant(server_id) => {
                    choice = None;
                    let grant = ClaimResponse { request_id: request_id.clone(), server_id };
                    let to = channel::grant(&self.service, method, topic);
                    self.bus.publish(to, frame::seal(&grant)).await?;
                }
                Decision::Failed(error) => return Err(error),
            }
        }
    }

    /// Asks all servers of a method without claim, and collects what they answer until the time is up.
    pub async fn call_all(
        &self,
        method: &str,
        topic: &str,
        raw_request: Bytes,
        timeout: Duration,
    ) -> Result<Vec<Result<Bytes>>> {
        let deadline = Instant::now() + timeout;
        let (_, mut events) = self.ask(method, topic, raw_request, true, deadline).await?;
        let mut answers = Vec::new();
        while let Ok(Some(event)) = timeout_at(deadline.into(), events.recv()).await {
            match event {
                Event::Answer(response) => answers.push(answer(response)),
                Event::Bid(_) => {}
            }
        }
        Ok(answers)
    }

    /// Sends the request, once we would hear the answer.
    async fn ask(
        &self,
        method: &str,
        topic: &str,
        raw_request: Bytes,
        multi: bool,
        deadline: Instant,
    ) -> Result<(String, mpsc::Receiver<Event>)> {
        let (mut up, mut subscribed) = (self.bus.up(), self.subscribed.clone());
        let listening =
            async { subscribed.wait_for(|yes| *yes).await.is_ok() && up.wait_for(|yes| *yes).await.is_ok() };
        match timeout_at(deadline.into(), listening).await {
            Ok(true) => {}
            Ok(false) => return Err(ended()),
            Err(_) => return Err(Error::new(ErrorKind::Unavailable, "Redis has not answered in time")),
        }
        let (request_id, sent_at) = (new_id("REQ_"), unix_nanos());
        let left = i64::try_from(deadline.saturating_duration_since(Instant::now()).as_nanos()).unwrap_or(i64::MAX);
        let request = RequestFrame {
            request_id: request_id.clone(),
            client_id: self.id.clone(),
            sent_at,
            expiry: sent_at.saturating_add(left),
            multi,
            raw_request,
            ..RequestFrame::default()
        };
        let (events, received) = mpsc::channel(QUEUE);
        self.calls.send(Call { request_id: request_id.clone(), events }).map_err(|_| ended())?;
        self.bus.publish(channel::request(&self.service, method, topic), frame::seal(&request)).await?;
        Ok((request_id, received))
    }
}

fn answer(response: Response) -> Result<Bytes> {
    if response.error.is_empty() { Ok(response.raw_response) } else { Err(code::error(&response.code, response.error)) }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to Redis is shut down")
}

/// The place of the claim channel in the subscription; the other one is the answers'.
const CLAIMS: usize = 0;

/// Hands bids and answers to the calls that wait for them, until the last client handle has gone.
async fn route(mut subscription: Subscription, mut registered: mpsc::UnboundedReceiver<Call>) {
    let mut calls: HashMap<String, mpsc::Sender<Event>> = HashMap::new();
    loop {
        tokio::select! {
            // Calls first: one is registered before it is sent, so its answer always finds it.
            biased;
            call = registered.recv() => {
                let Some(call) = call else { return };
                calls.retain(|_, events| !events.is_closed());
                calls.insert(call.request_id, call.events);
            }
            message = subscription.next() => {
                let Some((place, payload)) = message else { return };
                let read = if place == CLAIMS {
                    frame::open::<ClaimRequest>(payload).map(|bid| (bid.request_id.clone(), Event::Bid(bid)))
                } else {
                    frame::open::<Response>(payload).map(|answer| (answer.request_id.clone(), Event::Answer(answer)))
                };
                match read {
                    Ok((request, event)) => {
                        if let Some(events) = calls.get(&request) {
                            // A call that is over, or that has more than enough waiting, needs no more.
                            let _ = events.try_send(event);
                        }
                    }
                    Err(why) => debug!(%why, "unreadable bid or answer"),
                }
            }
        }
    }
}
