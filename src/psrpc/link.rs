//! Opens connections to the Redis of the settings: plain or TLS, at its address or where the Sentinels say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates, TlsMode,
};
use tokio::time::timeout;

use super::settings::{Address, Sentinel, Settings, Tls};
use crate::error::{Error, ErrorKind, Result};

/// How long a connection may take to open.
const OPEN: Duration = Duration::from_secs(2);
/// How long Redis may take to answer.
pub const ANSWER: Duration = Duration::from_secs(2);

/// The way to one Redis.
#[derive(Clone, Debug)]
pub struct Link {
    settings: Settings,
}

impl Link {
    /// The way that these settings describe; nothing is opened yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// How messages name this Redis.
    pub fn name(&self) -> String {
        self.settings.name()
    }

    /// A connection for subscriptions.
    pub async fn pubsub(&self) -> Result<PubSub> {
        let client = self.client().await?;
        self.in_time(client.get_async_pubsub()).await
    }

    /// A connection for everything else.
    pub async fn commands(&self) -> Result<MultiplexedConnection> {
        let client = self.client().await?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(OPEN)).set_response_timeout(Some(ANSWER));
        self.in_time(client.get_multiplexed_async_connection_with_config(&config)).await
    }

    /// What this error of Redis means to the operator.
    pub fn error(&self, error: &RedisError) -> Error {
        let name = self.name();
        let login = error.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
        if login {
            let why = format!("redis.password: Redis at {name} refuses the login ({error}); see redis.username too");
            return Error::new(ErrorKind::Unauthenticated, why);
        }
        Error::new(ErrorKind::Unavailable, format!("Redis at {name}: {error}"))
    }

    async fn in_time<T>(&self, opening: impl Future<Output = std::result::Result<T, RedisError>>) -> Result<T> {
        match timeout(OPEN, opening).await {
            Ok(opened) => opened.map_err(|e| self.error(&e)),
            Err(_) => {
                let why = format!("Redis at {}: no connection within {} s", self.name(), OPEN.as_secs());
                Err(Error::new(ErrorKind::Unavailable, why))
            }
        }
    }

    async fn client(&self) -> Result<Client> {
        let settings = &self.settings;
        let certificates = settings.tls.as_ref().map(certificates).transpose()?;
        match &settings.sentinel {
            Some(sentinel) => {
                let mut client = self.sentinel(sentinel, certificates).map_err(|e| self.error(&e))?;
                self.in_time(client.async_get_client()).await
            }
            None => self.direct(certificates).map_err(|e| self.error(&e)),
        }
    }

    fn direct(&self, certificates: Option<TlsCertificates>) -> std::result::Result<Client, RedisError> {
        let settings = &self.settings;
        let mut redis = RedisConnectionInfo::default().set_db(i64::from(settings.db));
        if let Some(username) = &settings.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &settings.password {
            redis = redis.set_password(password.expose());
        }
        let info = self.addr(&settings.address).into_connection_info()?.set_redis_settings(redis);
        match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn sentinel(
        &self,
        sentinel: &Sentinel,
        certificates: Option<TlsCertificates>,
    ) -> std::result::Result<redis::sentinel::SentinelClient, RedisError> {
        let addresses = sentinel.addresses.iter().map(|address| self.addr(address));
        let mut builder = SentinelClientBuilder::new(addresses, &sentinel.master_name, SentinelServerType::Master)?
            .set_client_to_redis_db(i64::from(self.settings.db));
        if let Some(username) = &self.settings.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.settings.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(username) = &sentinel.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &sentinel.password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        builder.build()
    }

    fn addr(&self, address: &Address) -> ConnectionAddr {
        let (host, port) = (address.host.clone(), address.port);
        if self.settings.tls.is_some() {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }
}

/// Read anew for each connection, so that a renewed certificate is used without a restart.
fn certificates(tls: &Tls) -> Result<TlsCertificates> {
    let read = |field: &str, path: &Path| {
        fs::read(path).map_err(|e| Error::invalid(field, format!("cannot read {}: {e}", path.display())))
    };
    let root_cert = tls.ca_cert_file.as_deref().map(|path| read("redis.tls.ca_cert_file", path)).transpose()?;
    let client_tls = match &tls.client_files {
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read("redis.tls.client_cert_file", certificate)?,
            client_key: read("redis.tls.client_key_file", key)?,
        }),
        None => None,
    };
    Ok(TlsCertificates { client_tls, root_cert })
}
