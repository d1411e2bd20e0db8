//! The task that owns the command connection: it sends one order after the other, so that order is kept.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use super::link::Link;
use crate::error::{Error, Result};

/// How many orders may wait; who has one more waits too.
pub const QUEUE: usize = 1024;
/// How long a lock on a payload lasts, in seconds: psrpc's.
const LOCK_SECONDS: u64 = 5;

/// What the task can be asked; each order is answered.
pub enum PublisherCommand {
    /// `PUBLISH`.
    Publish {
        /// Where.
        channel: String,
        /// What.
        payload: Bytes,
        /// Sent, or why not.
        done: oneshot::Sender<Result<()>>,
    },
    /// `SET key random EX 5 NX`.
    Lock {
        /// What is locked.
        key: String,
        /// Whether it is ours.
        done: oneshot::Sender<Result<bool>>,
    },
    /// `PING`.
    Ping {
        /// Redis answers, or why not.
        done: oneshot::Sender<Result<()>>,
    },
}

/// Serves until nobody can send an order any more.
pub async fn run(link: Link, mut commands: mpsc::Receiver<PublisherCommand>) {
    let mut publisher = Publisher { link, connection: None };
    while let Some(command) = commands.recv().await {
        match command {
            // Whoever has given up must not hold up the others while Redis is away.
            PublisherCommand::Publish { done, .. } | PublisherCommand::Ping { done } if done.is_closed() => {}
            PublisherCommand::Lock { done, .. } if done.is_closed() => {}
            PublisherCommand::Publish { channel, payload, done } => {
                let mut cmd = redis::cmd("PUBLISH");
                cmd.arg(channel).arg(&payload[..]);
                let _ = done.send(publisher.ask::<i64>(&cmd).await.map(|_| ()));
            }
            PublisherCommand::Lock { key, done } => {
                let mut cmd = redis::cmd("SET");
                cmd.arg(key).arg(rand::random::<u32>()).arg("EX").arg(LOCK_SECONDS).arg("NX");
                let _ = done.send(publisher.ask::<Option<String>>(&cmd).await.map(|answer| answer.is_some()));
            }
            PublisherCommand::Ping { done } => {
                let _ = done.send(publisher.ask::<String>(&redis::cmd("PING")).await.map(|_| ()));
            }
        }
    }
}

struct Publisher {
    link: Link,
    connection: Option<MultiplexedConnection>,
}

impl Publisher {
    /// One answer. A connection that has broken since the last one is opened again, once: a message that is sent twice by
    /// this is recognised by its request id or its lock.
    async fn ask<T: FromRedisValue>(&mut self, cmd: &Cmd) -> Result<T> {
        let fresh = self.connection.is_none();
        match self.try_once(cmd).await {
            Err((error, true)) if !fresh => {
                debug!(%error, "the connection to Redis broke, trying a new one");
                self.try_once(cmd).await.map_err(|(error, _)| error)
            }
            answer => answer.map_err(|(error, _)| error),
        }
    }

    /// With an error comes whether a new connection may help.
    async fn try_once<T: FromRedisValue>(&mut self, cmd: &Cmd) -> std::result::Result<T, (Error, bool)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.link.commands().await.map_err(|error| (error, false))?,
        };
        let answer = cmd.query_async(&mut connection).await;
        // A server that has become a replica, after a change of master, refuses to write: look for the master anew.
        let broken =
            |e: &redis::RedisError| e.is_unrecoverable_error() || e.is_timeout() || e.code() == Some("READONLY");
        match answer {
            Err(e) if broken(&e) => Err((self.link.error(&e), true)),
            answer => {
                self.connection = Some(connection);
                answer.map_err(|e| (self.link.error(&e), false))
            }
        }
    }
}
