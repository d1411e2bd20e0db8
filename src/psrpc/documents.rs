//! Small documents in the same Redis, which several processes write in turn: each write says what it expects to find there.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisError, cmd};
use tokio::sync::Mutex;

use super::link::Link;
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Answer, Expected, Shelf, Version};

/// The hash that holds them all: keys and bytes.
const HASH: &str = "greffier:documents";
/// Writes one upon a condition, in one step; nothing comes back when something else is there than was expected.
const PUT: &str = "local old = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[3] == 'nothing' and old then return false end
if ARGV[3] == 'version' and (not old or redis.sha1hex(old) ~= ARGV[4]) then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.sha1hex(ARGV[2])";
/// One, with the name of its content.
const READ: &str = "local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return false end
return {found, redis.sha1hex(found)}";
/// All keys, each with the name of its content.
const LIST: &str = "local all = redis.call('HGETALL', KEYS[1])
for n = 2, #all, 2 do all[n] = redis.sha1hex(all[n]) end
return all";

/// The documents of one Redis. A Redis that keeps nothing across its restarts loses them: they are written again.
#[derive(Debug)]
pub struct Documents {
    link: Link,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl Documents {
    /// Of the Redis of these settings; nothing is opened yet.
    pub fn new(settings: Settings) -> Self {
        Self { link: Link::new(settings), open: Mutex::default() }
    }

    /// What Redis answers. A connection that breaks is opened anew the next time.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let mut open = self.open.lock().await;
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => self.link.commands().await?,
        };
        let answer = command.query_async(&mut connection).await.map_err(|e| self.error(&e))?;
        *open = Some(connection);
        Ok(answer)
    }

    fn error(&self, error: &RedisError) -> Error {
        match error.code() {
            Some("NOPERM") => {
                let name = self.link.name();
                let why = format!("redis.username: Redis at {name} does not allow EVAL on the key {HASH} ({error})");
                Error::new(ErrorKind::PermissionDenied, why)
            }
            Some(_) | None => self.link.error(error),
        }
    }
}

impl Shelf for Documents {
    fn put_if<'a>(&'a self, key: &'a str, bytes: Bytes, expected: &'a Expected) -> Answer<'a, Version> {
        let (mode, version) = match expected {
            Expected::Anything => ("anything", ""),
            Expected::Nothing => ("nothing", ""),
            Expected::Version(version) => ("version", version.as_str()),
        };
        Box::pin(async move {
            let mut put = script(PUT);
            put.arg(key).arg(&bytes[..]).arg(mode).arg(version);
            match self.ask::<Version>(&put).await? {
                Some(version) => Ok(Some(version)),
                None => Err(Error::new(ErrorKind::AlreadyExists, format!("Redis: {key} is not as it was"))),
            }
        })
    }

    fn read_small<'a>(&'a self, key: &'a str) -> Answer<'a, Option<(Bytes, Version)>> {
        Box::pin(async move {
            let found: Option<(Vec<u8>, String)> = self.ask(script(READ).arg(key)).await?;
            Ok(found.map(|(bytes, version)| (bytes.into(), Some(version))))
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<(String, Version)>> {
        Box::pin(async move {
            let all: Vec<(String, String)> = self.ask(&script(LIST)).await?;
            let within = |key: &str| key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            let within = all.into_iter().filter(|(key, _)| within(key));
            Ok(within.map(|(key, version)| (key, Some(version))).collect())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let _: u64 = self.ask(cmd("HDEL").arg(HASH).arg(key)).await?;
            Ok(())
        })
    }
}

/// Calls this script with the hash as its key.
fn script(text: &str) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(1).arg(HASH);
    command
}
