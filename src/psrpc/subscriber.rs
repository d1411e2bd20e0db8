//! The task that owns the pub/sub connection: all subscriptions share it, and it subscribes again after it broke.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use redis::aio::{PubSub, PubSubSink};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::{info, warn};

use super::link::{ANSWER, Link};

/// How many messages wait for a subscriber; what comes beyond is lost, as pub/sub loses it for who is away.
pub const QUEUE: usize = 1024;
/// The pause before the second try to connect; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often a silent connection is asked whether it still is one.
const PING: Duration = Duration::from_secs(5);

/// A message, with the place of its channel in the list that was subscribed to.
pub type Message = (usize, Bytes);

/// What the task can be asked. The queue of orders is unbounded: there are as many as there are subscriptions.
pub enum SubscriberCommand {
    /// Listen for somebody.
    Subscribe(Listener),
    /// This listener has gone.
    Unsubscribe(u64),
}

/// Somebody who listens.
pub struct Listener {
    /// Distinguishes listeners.
    pub id: u64,
    /// What to listen to.
    pub channels: Vec<String>,
    /// Where messages go.
    pub messages: mpsc::Sender<Message>,
    /// Becomes true once Redis has confirmed the subscription for the first time.
    pub subscribed: watch::Sender<bool>,
}

/// Serves until nobody can send an order any more. `up` says whether every subscription stands.
pub async fn run(link: Link, mut commands: mpsc::UnboundedReceiver<SubscriberCommand>, up: watch::Sender<bool>) {
    let mut subscriptions = Subscriptions::default();
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(opened) = meanwhile(link.pubsub(), &mut subscriptions, &mut commands).await else { return };
        let why = match opened {
            Ok(pubsub) => {
                let began = Instant::now();
                let Err(why) = listen(pubsub, &mut subscriptions, &mut commands, &up).await else { return };
                if up.send_replace(false) || began.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                why
            }
            Err(error) => error.message,
        };
        warn!(redis = link.name(), why, "no subscriptions at present, trying again");
        if meanwhile(sleep(pause), &mut subscriptions, &mut commands).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Awaits `future` and takes orders meanwhile; `None` when there will be no more orders.
async fn meanwhile<T>(
    future: impl Future<Output = T>,
    subscriptions: &mut Subscriptions,
    commands: &mut mpsc::UnboundedReceiver<SubscriberCommand>,
) -> Option<T> {
    tokio::pin!(future);
    loop {
        tokio::select! {
            output = &mut future => return Some(output),
            command = commands.recv() => match command? {
                SubscriberCommand::Subscribe(listener) => {
                    subscriptions.add(listener);
                }
                SubscriberCommand::Unsubscribe(id) => {
                    subscriptions.remove(id);
                }
            },
        }
    }
}

/// Delivers messages until the connection breaks (an error) or nobody can send orders any more.
async fn listen(
    pubsub: PubSub,
    subscriptions: &mut Subscriptions,
    commands: &mut mpsc::UnboundedReceiver<SubscriberCommand>,
    up: &watch::Sender<bool>,
) -> Result<(), String> {
    let (mut sink, mut stream) = pubsub.split();
    subscribe(&mut sink, &subscriptions.channels()).await?;
    subscriptions.confirm_all();
    up.send_replace(true);
    info!(channels = subscriptions.channels().len(), "subscribed");
    let mut ping = interval(PING);
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(message) => subscriptions.deliver(message.get_channel_name(), message.get_payload_bytes()),
                None => return Err("the connection was closed".to_owned()),
            },
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(SubscriberCommand::Subscribe(listener)) => {
                    let id = listener.id;
                    let new = subscriptions.add(listener);
                    subscribe(&mut sink, &new).await?;
                    subscriptions.confirm(id);
                }
                Some(SubscriberCommand::Unsubscribe(id)) => {
                    let gone = subscriptions.remove(id);
                    if !gone.is_empty() {
                        within(sink.unsubscribe(&gone[..])).await?;
                    }
                }
            },
            _ = ping.tick() => {
                within(sink.ping::<redis::Value>()).await?;
            }
        }
    }
}

async fn subscribe(sink: &mut PubSubSink, channels: &[String]) -> Result<(), String> {
    if channels.is_empty() { Ok(()) } else { within(sink.subscribe(channels)).await }
}

async fn within<T>(requested: impl Future<Output = redis::RedisResult<T>>) -> Result<T, String> {
    match timeout(ANSWER, requested).await {
        Ok(answer) => answer.map_err(|e| e.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
    }
}

/// Who listens to what.
#[derive(Default)]
struct Subscriptions {
    listeners: HashMap<u64, Listener>,
    /// Channel → listeners, with the channel's place in each one's list.
    channels: HashMap<String, Vec<(u64, usize)>>,
}

impl Subscriptions {
    /// The channels that nobody listened to before.
    fn add(&mut self, listener: Listener) -> Vec<String> {
        let mut new = Vec::new();
        for (place, channel) in listener.channels.iter().enumerate() {
            let listeners = self.channels.entry(channel.clone()).or_default();
            if listeners.is_empty() {
                new.push(channel.clone());
            }
            listeners.push((listener.id, place));
        }
        self.listeners.insert(listener.id, listener);
        new
    }

    /// The channels that nobody listens to any more.
    fn remove(&mut self, id: u64) -> Vec<String> {
        let Some(listener) = self.listeners.remove(&id) else { return Vec::new() };
        let mut gone = Vec::new();
        for channel in listener.channels {
            let Some(listeners) = self.channels.get_mut(&channel) else { continue };
            listeners.retain(|(one, _)| *one != id);
            if listeners.is_empty() {
                self.channels.remove(&channel);
                gone.push(channel);
            }
        }
        gone
    }

    fn channels(&self) -> Vec<String> {
        self.channels.keys().cloned().collect()
    }

    fn confirm(&self, id: u64) {
        if let Some(listener) = self.listeners.get(&id) {
            listener.subscribed.send_replace(true);
        }
    }

    fn confirm_all(&self) {
        self.listeners.keys().for_each(|id| self.confirm(*id));
    }

    fn deliver(&self, channel: &str, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        for (id, place) in self.channels.get(channel).into_iter().flatten() {
            let Some(listener) = self.listeners.get(id) else { continue };
            if let Err(mpsc::error::TrySendError::Full(_)) = listener.messages.try_send((*place, payload.clone())) {
                warn!(channel, "too many messages at once, one is lost");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(id: u64, channels: &[&str]) -> (Listener, mpsc::Receiver<Message>) {
        let (messages, received) = mpsc::channel(1);
        let channels = channels.iter().map(|&channel| channel.to_owned()).collect();
        (Listener { id, channels, messages, subscribed: watch::channel(false).0 }, received)
    }

    #[test]
    fn a_channel_is_subscribed_once_and_left_by_its_last_listener() {
        let mut subscriptions = Subscriptions::default();
        assert_eq!(subscriptions.add(listener(1, &["a", "b"]).0), ["a", "b"]);
        assert_eq!(subscriptions.add(listener(2, &["b"]).0), [""; 0]);
        assert_eq!(subscriptions.remove(1), ["a"]);
        assert_eq!(subscriptions.remove(1), [""; 0]);
        assert_eq!(subscriptions.remove(2), ["b"]);
        assert!(subscriptions.channels().is_empty());
    }

    #[test]
    fn each_listener_gets_the_message_and_a_full_one_holds_up_nobody() {
        let mut subscriptions = Subscriptions::default();
        let (first, mut to_first) = listener(1, &["a", "b"]);
        let (second, mut to_second) = listener(2, &["b"]);
        subscriptions.add(first);
        subscriptions.add(second);
        subscriptions.deliver("b", b"x");
        assert_eq!(to_second.try_recv().unwrap(), (0, Bytes::from_static(b"x")));
        subscriptions.deliver("b", b"y");
        subscriptions.deliver("c", b"z");
        assert_eq!(to_first.try_recv().unwrap(), (1, Bytes::from_static(b"x")));
        assert!(to_first.try_recv().is_err());
        assert_eq!(to_second.try_recv().unwrap(), (0, Bytes::from_static(b"y")));
    }
}
