//! Pure. Which Redis, and how to get in: the section `redis` of LiveKit's configuration files.

use std::path::PathBuf;

use serde::Deserialize;

use crate::document::filled;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The section `redis`, with LiveKit's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `address`, as host and port; not used with Sentinel.
    pub address: Address,
    /// `username` (Redis ≥ 6).
    pub username: Option<String>,
    /// `password`.
    pub password: Option<Secret>,
    /// `db`: holds the locks. Pub/sub does not know databases.
    pub db: u32,
    /// `use_tls`, or `tls.enabled`.
    pub tls: Option<Tls>,
    /// `sentinel_…`.
    pub sentinel: Option<Sentinel>,
}

/// A host and a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// The section `redis.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `ca_cert_file`: trusted instead of the system's authorities (PEM).
    pub ca_cert_file: Option<PathBuf>,
    /// `client_cert_file` and `client_key_file` (PEM).
    pub client_files: Option<(PathBuf, PathBuf)>,
}

/// The Sentinels that know the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinel {
    /// `sentinel_master_name`.
    pub master_name: String,
    /// `sentinel_addresses`.
    pub addresses: Vec<Address>,
    /// `sentinel_username`.
    pub username: Option<String>,
    /// `sentinel_password`.
    pub password: Option<Secret>,
}

/// The section `redis` as it is written. Keys that are not here tune LiveKit's connection pool, which we do not have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Section {
    #[serde(deserialize_with = "filled")]
    address: Option<String>,
    #[serde(deserialize_with = "filled")]
    username: Option<String>,
    #[serde(deserialize_with = "filled")]
    password: Option<Secret>,
    db: u32,
    use_tls: bool,
    tls: TlsSection,
    cluster_addresses: Vec<String>,
    #[serde(deserialize_with = "filled")]
    sentinel_master_name: Option<String>,
    sentinel_addresses: Vec<String>,
    #[serde(deserialize_with = "filled")]
    sentinel_username: Option<String>,
    #[serde(deserialize_with = "filled")]
    sentinel_password: Option<Secret>,
}

/// `redis.tls`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TlsSection {
    enabled: bool,
    insecure: bool,
    #[serde(deserialize_with = "filled")]
    server_name: Option<String>,
    #[serde(deserialize_with = "filled")]
    ca_cert_file: Option<PathBuf>,
    #[serde(deserialize_with = "filled")]
    client_cert_file: Option<PathBuf>,
    #[serde(deserialize_with = "filled")]
    client_key_file: Option<PathBuf>,
}

impl Settings {
    /// An open Redis at `host:port`.
    pub fn at(address: &str) -> Result<Self> {
        let address = Address::read("redis.address", address)?;
        Ok(Self { address, username: None, password: None, db: 0, tls: None, sentinel: None })
    }

    /// What the section says; `None` when it names no Redis.
    pub fn read(section: Section) -> Result<Option<Self>> {
        let tls = Tls::read(section.tls)?.or_else(|| section.use_tls.then(Tls::default));
        if section.sentinel_addresses.is_empty() && !section.cluster_addresses.is_empty() {
            let why = "Redis Cluster is not supported; name one Redis in redis.address, or Sentinels";
            return Err(Error::invalid("redis.cluster_addresses", why));
        }
        let sentinel = if section.sentinel_addresses.is_empty() {
            None
        } else {
            let why = "missing; it is the name after `sentinel monitor` in the Sentinels' configuration";
            let read = |address: &String| Address::read("redis.sentinel_addresses", address);
            let addresses = section.sentinel_addresses.iter().map(read).collect::<Result<_>>()?;
            Some(Sentinel {
                master_name: section
                    .sentinel_master_name
                    .ok_or_else(|| Error::invalid("redis.sentinel_master_name", why))?,
                addresses,
                username: section.sentinel_username,
                password: section.sentinel_password,
            })
        };
        let address = match (&sentinel, section.address) {
            (Some(_), _) => Address::default(),
            (None, Some(address)) => Address::read("redis.address", &address)?,
            (None, None) => return Ok(None),
        };
        let (username, password, db) = (section.username, section.password, section.db);
        Ok(Some(Self { address, username, password, db, tls, sentinel }))
    }

    /// How messages and logs name this Redis.
    pub fn name(&self) -> String {
        match &self.sentinel {
            Some(sentinel) => format!("{} (by Sentinel)", sentinel.master_name),
            None => format!("{}:{}", self.address.host, self.address.port),
        }
    }
}

impl Address {
    fn read(field: &str, text: &str) -> Result<Self> {
        // A URL may hold a password.
        let shown = if text.contains(['/', '@']) { "it".to_owned() } else { format!("{text:?}") };
        let wrong = || Error::invalid(field, format!("{shown} is not host:port; write it such as redis:6379"));
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        // A URL, or an IPv6 address without brackets, whose last part is no port.
        if host.is_empty() || host.contains(['/', '@']) || (bare.is_none() && host.contains(':')) {
            return Err(wrong());
        }
        let port = port.parse().map_err(|_| wrong())?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Tls {
    fn read(section: TlsSection) -> Result<Option<Self>> {
        if section.insecure && section.enabled {
            let why = "not supported, anybody could read along; name the authority in redis.tls.ca_cert_file";
            return Err(Error::invalid("redis.tls.insecure", why));
        }
        if section.server_name.is_some() && section.enabled {
            let why = "not supported; use the certificate's name in redis.address";
            return Err(Error::invalid("redis.tls.server_name", why));
        }
        let missing = |field| Error::invalid(field, "missing; a client certificate needs both files");
        let client_files = match (section.client_cert_file, section.client_key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => return Err(missing("redis.tls.client_key_file")),
            (None, Some(_)) => return Err(missing("redis.tls.client_cert_file")),
        };
        Ok(section.enabled.then_some(Self { ca_cert_file: section.ca_cert_file, client_files }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(section: Value) -> Result<Option<Settings>> {
        Settings::read(crate::document::read(section, "redis")?)
    }

    #[test]
    fn a_plain_redis() {
        let settings = read(json!({"address": "redis:6379", "username": "u", "password": "p", "db": 3})).unwrap();
        let settings = settings.unwrap();
        assert_eq!(settings.address, Address { host: "redis".into(), port: 6379 });
        assert_eq!(settings.username.as_deref(), Some("u"));
        assert_eq!(settings.password, Some(Secret::new("p")));
        assert_eq!((settings.db, settings.tls.is_some(), settings.sentinel.is_some()), (3, false, false));
        assert!(!format!("{settings:?}").contains("\"p\""));
        assert_eq!(read(json!({})).unwrap(), None);
        assert_eq!(read(json!({"address": ""})).unwrap(), None);
        assert_eq!(read(json!({"address": "[::1]:6379"})).unwrap().unwrap().name(), "::1:6379");
    }

    #[test]
    fn sentinels() {
        let all = json!({"sentinel_master_name": "main", "sentinel_addresses": ["a:1", "b:2"],
            "sentinel_username": "su", "sentinel_password": "sp", "password": "p", "use_tls": true});
        let settings = read(all).unwrap().unwrap();
        assert_eq!(settings.name(), "main (by Sentinel)");
        assert_eq!(settings.tls, Some(Tls::default()));
        let sentinel = settings.sentinel.unwrap();
        assert_eq!(sentinel.addresses.len(), 2);
        assert_eq!(sentinel.password, Some(Secret::new("sp")));
    }

    #[test]
    fn tls_of_both_spellings() {
        assert_eq!(read(json!({"address": "r:1", "tls": {"enabled": false}})).unwrap().unwrap().tls, None);
        let tls = json!({"enabled": true, "ca_cert_file": "/ca", "client_cert_file": "/c", "client_key_file": "/k"});
        let tls = read(json!({"address": "r:1", "tls": tls})).unwrap().unwrap().tls.unwrap();
        assert_eq!(tls.ca_cert_file, Some("/ca".into()));
        assert_eq!(tls.client_files, Some(("/c".into(), "/k".into())));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_fix() {
        let wrong = |section| read(section).unwrap_err().message;
        assert_eq!(
            wrong(json!({"address": "redis"})),
            "redis.address: \"redis\" is not host:port; write it such as redis:6379"
        );
        for address in ["redis://r:6379/0", "r:x", ":6379", "::1:6379", "r:66000"] {
            assert!(wrong(json!({"address": address})).contains("is not host:port"), "{address}");
        }
        for address in ["redis://:s3cret@r:6379/0", "u:s3cret@r:x"] {
            assert!(wrong(json!({"address": address})).starts_with("redis.address: it is not host:port"), "{address}");
        }
        assert!(wrong(json!({"cluster_addresses": ["a:1"]})).starts_with("redis.cluster_addresses: Redis Cluster"));
        assert!(wrong(json!({"sentinel_addresses": ["a:1"]})).starts_with("redis.sentinel_master_name: missing"));
        let insecure = json!({"address": "r:1", "tls": {"enabled": true, "insecure": true}});
        assert!(wrong(insecure).starts_with("redis.tls.insecure: not supported"));
        let half = json!({"address": "r:1", "tls": {"enabled": true, "client_cert_file": "c"}});
        assert!(wrong(half).starts_with("redis.tls.client_key_file: missing"));
        assert!(wrong(json!({"address": "r:1", "db": "x"})).starts_with("redis.db: expected"));
    }
}
