//! The connection to Redis that servers and clients share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::frame::lock_key;
use super::link::Link;
use super::settings::Settings;
use super::{publisher, subscriber};
use crate::error::{Error, ErrorKind, Result};

/// A handle on two tasks, one that listens and one that speaks. They connect when needed, again and again, and end with
/// the last handle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    speaking: mpsc::Sender<publisher::PublisherCommand>,
    listening: mpsc::UnboundedSender<subscriber::SubscriberCommand>,
    up: watch::Receiver<bool>,
    next: Arc<AtomicU64>,
}

impl Bus {
    /// Starts the tasks, within a tokio runtime; [`Bus::ping`] tells whether the settings are right.
    pub fn start(settings: Settings) -> Self {
        let link = Link::new(settings);
        let (speaking, orders) = mpsc::channel(publisher::QUEUE);
        tokio::spawn(publisher::run(link.clone(), orders));
        let (listening, orders) = mpsc::unbounded_channel();
        let (is_up, up) = watch::channel(false);
        tokio::spawn(subscriber::run(link, orders, is_up));
        Self { speaking, listening, up, next: Arc::default() }
    }

    /// Whether Redis answers, or why not: `Unauthenticated` for a wrong password, else `Unavailable`.
    pub async fn ping(&self) -> Result<()> {
        self.request(|done| publisher::PublisherCommand::Ping { done }).await
    }

    /// Whether all subscriptions stand at present; changes with the connection.
    pub fn up(&self) -> watch::Receiver<bool> {
        self.up.clone()
    }

    /// Publishes; messages on one channel arrive in the order of these calls. `Unavailable` if Redis is away: nothing is
    /// kept for later.
    pub async fn publish(&self, channel: String, payload: Bytes) -> Result<()> {
        self.request(|done| publisher::PublisherCommand::Publish { channel, payload, done }).await
    }

    /// Whether this payload is ours to process, among all servers that received it (psrpc's lock of queues, 5 s).
    pub async fn lock(&self, payload: &[u8]) -> Result<bool> {
        let key = lock_key(payload);
        self.request(|done| publisher::PublisherCommand::Lock { key, done }).await
    }

    /// Listens to these channels until the subscription is dropped, also after reconnections.
    pub fn subscribe(&self, channels: Vec<String>) -> Subscription {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (messages, received) = mpsc::channel(subscriber::QUEUE);
        let (is_subscribed, subscribed) = watch::channel(false);
        let listener = subscriber::Listener { id, channels, messages, subscribed: is_subscribed };
        // It fails only when the runtime shuts down, and then nothing is received any more.
        let _ = self.listening.send(subscriber::SubscriberCommand::Subscribe(listener));
        Subscription { id, received, subscribed, listening: self.listening.clone() }
    }

    async fn request<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> publisher::PublisherCommand,
    ) -> Result<T> {
        let ended = || Error::new(ErrorKind::Unavailable, "the connection to Redis is shut down");
        let (done, answer) = oneshot::channel();
        self.speaking.send(command(done)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// What comes in on some channels; unsubscribes when dropped.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    received: mpsc::Receiver<subscriber::Message>,
    subscribed: watch::Receiver<bool>,
    listening: mpsc::UnboundedSender<subscriber::SubscriberCommand>,
}

impl Subscription {
    /// The next message, with its channel's place in the list; `None` when the runtime shuts down.
    pub async fn next(&mut self) -> Option<(usize, Bytes)> {
        self.received.recv().await
    }

    /// Becomes true once Redis has confirmed the subscription for the first time.
    pub fn subscribed(&self) -> watch::Receiver<bool> {
        self.subscribed.clone()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = self.listening.send(subscriber::SubscriberCommand::Unsubscribe(self.id));
    }
}
