//! Where files go: what the configuration says, or what one request says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::{Host, Url};

use crate::document::{checked, filled};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// How long nothing may move unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How old what was never sent of a growing file may become unless told otherwise: with the time that sending takes, a lost node
/// takes less than 20 s with it.
const MAX_UNSENT: Duration = Duration::from_secs(15);
/// What stores without regions accept, and what S3 takes when none is named.
const REGION: &str = "us-east-1";
/// S3's smallest and largest part, MiB.
const PART_SIZE: std::ops::RangeInclusive<u32> = (super::SMALLEST_PART >> 20) as u32..=5120;

/// `storage`: keys as in LiveKit Egress' section of that name. Without any, a folder of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which store.
    pub target: Target,
    /// Put before every key, without slashes around; may be empty.
    pub prefix: String,
    /// PEM file of an authority that signs the store's certificate.
    pub ca_file: Option<PathBuf>,
    /// How long a request of ours may stand still: it goes on as long as bytes move.
    pub timeout: Duration,
    /// How old what was never sent of a growing file may become, as long as the line carries it; zero: until a part is full.
    pub max_unsent: Duration,
    /// A request brought it along: whoever sent it does not get this machine's keys, nor what the store says word for word.
    pub by_request: bool,
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A folder of this machine; `data_dir` without one.
    Local(Option<PathBuf>),
    /// Amazon's, and all that speak like it: MinIO, Ceph, Garage, …
    S3(Box<S3>),
    /// Google Cloud Storage.
    Gcp(Gcp),
    /// Azure Blob Storage.
    Azure(Azure),
}

/// The section `storage` as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Section {
    local: Option<Local>,
    s3: Option<S3>,
    gcp: Option<Gcp>,
    azure: Option<Azure>,
    alioss: Option<Value>,
    #[serde(rename = "aliOSS")]
    ali_oss: Option<Value>,
    prefix: String,
    ca_file: Option<PathBuf>,
    timeout: Option<u32>,
    max_unsent: Option<u32>,
}

/// `storage.local`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Local {
    path: Option<PathBuf>,
}

/// `storage.s3`, or a request's `S3Upload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct S3 {
    /// Without it, the environment is asked: `AWS_…` variables, web identity, ECS and EC2 roles.
    #[serde(deserialize_with = "filled")]
    pub access_key: Option<String>,
    /// Comes with `access_key`.
    #[serde(deserialize_with = "filled")]
    pub secret: Option<Secret>,
    /// With temporary keys.
    #[serde(deserialize_with = "filled")]
    pub session_token: Option<Secret>,
    /// Empty: `AWS_REGION` when the environment is asked, or `us-east-1`.
    pub region: String,
    /// `http://` or `https://`; Amazon's own without one.
    #[serde(deserialize_with = "filled")]
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// `https://host/bucket/key` and not `https://bucket.host/key`. Always so where the host is an address or a bare name.
    pub force_path_style: bool,
    /// By way of this proxy. LiveKit's configuration says `proxy_config`, its requests say `proxy`.
    #[serde(alias = "proxy_config")]
    pub proxy: Option<Proxy>,
    /// The header that objects are served with.
    #[serde(deserialize_with = "filled")]
    pub content_disposition: Option<String>,
    /// Kept with the objects.
    pub metadata: BTreeMap<String, String>,
    /// How long parts are at least, bytes; 0 leaves it to the recording's expected length.
    #[serde(deserialize_with = "part_size")]
    pub part_size: u64,
    /// What proves a body's bytes besides the signature.
    pub checksum: Checksum,
    /// Refused: we assume no roles.
    #[serde(deserialize_with = "filled")]
    pub assume_role_arn: Option<String>,
}

/// `storage.s3.checksum`: what goes with every body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// `auto`: none, until the store demands some, as AWS does of a bucket with Object Lock.
    #[default]
    Auto,
    /// `always`: `x-amz-checksum-sha256` and `Content-MD5`.
    Always,
    /// `never`.
    Never,
}

/// `storage.gcp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Gcp {
    /// A service account's key file, as JSON text. Without it, the environment is asked.
    #[serde(deserialize_with = "filled")]
    pub credentials_json: Option<Secret>,
    /// The bucket.
    pub bucket: String,
    /// By way of this proxy; `proxy_config` too.
    #[serde(alias = "proxy_config")]
    pub proxy: Option<Proxy>,
}

/// `storage.azure`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Azure {
    /// The storage account.
    pub account_name: String,
    /// Its key. Without it, the environment is asked.
    #[serde(deserialize_with = "filled")]
    pub account_key: Option<Secret>,
    /// The container.
    pub container_name: String,
}

/// An HTTP proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Proxy {
    /// Where it is.
    pub url: String,
    /// Who we are there.
    #[serde(default, deserialize_with = "filled")]
    pub username: Option<String>,
    /// Comes with `username`.
    #[serde(default, deserialize_with = "filled")]
    pub password: Option<Secret>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(Target::Local(None))
    }
}

impl Settings {
    /// This store, all else as usual.
    pub fn of(target: Target) -> Self {
        Self {
            target,
            prefix: String::new(),
            ca_file: None,
            timeout: TIMEOUT,
            max_unsent: MAX_UNSENT,
            by_request: false,
        }
    }

    /// What the section `storage` says.
    pub fn read(section: Section) -> Result<Self> {
        for (name, value) in [("alioss", section.alioss), ("aliOSS", section.ali_oss)] {
            if value.is_some() {
                let why = "we do not speak Alibaba's own protocol; OSS speaks S3 too: use s3 with its endpoint";
                return Err(Error::of_field(ErrorKind::Unimplemented, &format!("storage.{name}"), why));
            }
        }
        let targets = [
            section.local.map(|local| Target::Local(local.path)),
            section.s3.map(|s3| Target::S3(Box::new(s3))),
            section.gcp.map(Target::Gcp),
            section.azure.map(Target::Azure),
        ];
        let mut targets = targets.into_iter().flatten();
        let target = targets.next().unwrap_or(Target::Local(None));
        if targets.next().is_some() {
            return Err(Error::invalid("storage", "more than one of local, s3, gcp, azure; leave one"));
        }
        let read = Self {
            prefix: section.prefix.trim_matches('/').to_owned(),
            ca_file: section.ca_file,
            timeout: section.timeout.map_or(TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
            max_unsent: section.max_unsent.map_or(MAX_UNSENT, |seconds| Duration::from_secs(seconds.into())),
            ..Self::of(target)
        };
        read.validate()?;
        Ok(read)
    }

    /// Refuses what cannot work. The error names the field as the configuration does.
    pub fn validate(&self) -> Result<()> {
        if !self.prefix.is_empty() {
            let fault = |e: Error| Error::invalid("storage.prefix", e.message.trim_start_matches("key: "));
            super::check_key(&self.prefix).map_err(fault)?;
        }
        if self.timeout.is_zero() {
            return Err(Error::invalid("storage.timeout", "0 s; use seconds such as 60"));
        }
        match &self.target {
            Target::Local(_) => Ok(()),
            Target::S3(s3) if self.by_request && s3.access_key.is_none() && s3.endpoint.is_some() => {
                // Signed with this machine's keys, its own requests would go to a stranger's server.
                let why = "missing; a request that names an endpoint must bring its own keys";
                Err(Error::invalid("storage.s3.access_key", why))
            }
            Target::S3(s3) => s3.validate(),
            Target::Gcp(gcp) => named("storage.gcp.bucket", &gcp.bucket),
            Target::Azure(azure) => named("storage.azure.account_name", &azure.account_name)
                .and_then(|()| named("storage.azure.container_name", &azure.container_name)),
        }
    }
}

impl S3 {
    fn validate(&self) -> Result<()> {
        if self.assume_role_arn.is_some() {
            let why = "we assume no roles; run with that role's web identity, or give temporary keys and session_token";
            return Err(Error::of_field(ErrorKind::Unimplemented, "storage.s3.assume_role_arn", why));
        }
        named("storage.s3.bucket", &self.bucket)?;
        match (&self.access_key, &self.secret) {
            (Some(_), None) => return Err(Error::invalid("storage.s3.secret", "missing; it comes with access_key")),
            (None, Some(_)) => return Err(Error::invalid("storage.s3.access_key", "missing; it comes with secret")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.url().map(|_| ())
    }

    /// The region to sign for.
    pub(super) fn signed_region(&self) -> String {
        let named = Some(self.region.clone()).filter(|region| !region.is_empty());
        let requested = || {
            let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
            names.iter().find_map(|name| std::env::var(name).ok()).filter(|region| !region.is_empty())
        };
        let requested = if self.access_key.is_none() { requested() } else { None };
        named.or(requested).unwrap_or_else(|| REGION.to_owned())
    }

    /// Where requests for the bucket go, when it is not Amazon's own place, and whether the bucket is in the host's name.
    pub(super) fn url(&self) -> Result<Option<(String, bool)>> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let fix = "use a URL such as https://s3.example.com or http://minio:9000";
        let refuse = |why: &str| Error::invalid("storage.s3.endpoint", format!("{endpoint:?} {why}; {fix}"));
        let mut url = Url::parse(endpoint).map_err(|_| refuse("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("does not begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(Error::invalid("storage.s3.endpoint", format!("holds more than a host and a port; {fix}")));
        }
        let host = match url.host() {
            Some(Host::Domain(host)) if host.contains('.') && host.parse::<IpAddr>().is_err() => Some(host.to_owned()),
            Some(_) => None,
            None => return Err(refuse("has no host")),
        };
        let in_host = host.filter(|_| !self.force_path_style);
        if let Some(host) = &in_host {
            url.set_host(Some(&format!("{}.{host}", self.bucket)))
                .map_err(|e| Error::invalid("storage.s3.bucket", format!("cannot stand in a host name: {e}")))?;
        }
        Ok(Some((url.as_str().trim_end_matches('/').to_owned(), in_host.is_some())))
    }
}

/// `part_size` in MiB, as bytes.
fn part_size<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<u64, D::Error> {
    checked(value, |size: Option<u32>| match size {
        Some(n) if !PART_SIZE.contains(&n) => {
            let (least, most) = (PART_SIZE.start(), PART_SIZE.end());
            let fix = format!("use {least} to {most} MiB, each of which is in memory while it is sent");
            Err(format!("{n} is out of range; {fix}"))
        }
        size => Ok(u64::from(size.unwrap_or(0)) << 20),
    })
}

fn named(field: &str, value: &str) -> Result<()> {
    if value.is_empty() { Err(Error::invalid(field, "missing; name the one that recordings go to")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<(Settings, Vec<String>)> {
        let mut unknown = Vec::new();
        let section = crate::document::read_known(value, "storage", &mut unknown)?;
        Ok((Settings::read(section)?, unknown))
    }

    fn s3(value: Value) -> S3 {
        let Target::S3(s3) = read(json!({ "s3": value })).unwrap().0.target else { panic!("not S3") };
        *s3
    }

    #[test]
    fn nothing_is_a_local_folder() {
        assert_eq!(read(json!({})).unwrap(), (Settings::default(), vec![]));
        let (settings, _) = read(json!({ "local": { "path": "/srv" }, "prefix": "/a/b/" })).unwrap();
        assert_eq!((settings.target, settings.prefix.as_str()), (Target::Local(Some("/srv".into())), "a/b"));
    }

    #[test]
    fn livekits_keys_are_read_and_secrets_never_shown() {
        let whole = json!({
            "s3": {
                "access_key": "AK", "secret": "hidden-1", "session_token": "hidden-2", "region": "", "bucket": "b",
                "endpoint": "http://127.0.0.1:9000", "force_path_style": true, "tipo": 1,
                "metadata": { "a": "b" }, "proxy_config": { "url": "http://p:1", "username": "u", "password": "hidden-3" },
            },
            "timeout": 5,
        });
        let (settings, left) = read(whole).unwrap();
        assert_eq!(left, ["storage.s3.tipo"]);
        assert_eq!(settings.timeout, Duration::from_secs(5));
        assert!(!format!("{settings:?}").contains("hidden"));
        let Target::S3(s3) = settings.target else { panic!("not S3") };
        assert_eq!((s3.signed_region().as_str(), s3.metadata.len()), ("us-east-1", 1));
        assert_eq!(s3.url().unwrap(), Some(("http://127.0.0.1:9000".to_owned(), false)));
    }

    #[test]
    fn the_bucket_is_in_the_host_only_where_that_can_be() {
        let url = |endpoint: &str, force: bool| {
            s3(json!({ "bucket": "b", "endpoint": endpoint, "force_path_style": force })).url().unwrap().unwrap()
        };
        assert_eq!(url("https://s3.example.com/", false), ("https://b.s3.example.com".to_owned(), true));
        assert_eq!(url("https://s3.example.com", true), ("https://s3.example.com".to_owned(), false));
        assert_eq!(url("http://minio:9000", false), ("http://minio:9000".to_owned(), false));
        assert_eq!(url("http://[::1]:9000", false), ("http://[::1]:9000".to_owned(), false));
        assert_eq!(s3(json!({ "bucket": "b" })).url().unwrap(), None);
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        let error = |value: Value| read(value).unwrap_err().message;
        let table = [
            (error(json!({ "s3": { "bucket": "b" }, "gcp": { "bucket": "b" } })), "storage: more than one of"),
            (error(json!({ "s3": {} })), "storage.s3.bucket: missing"),
            (error(json!({ "s3": { "bucket": "b", "access_key": "a" } })), "storage.s3.secret: missing"),
            (error(json!({ "s3": { "bucket": "b", "secret": "a" } })), "storage.s3.access_key: missing"),
            (
                error(json!({ "s3": { "bucket": "b", "endpoint": "minio:9000" } })),
                "storage.s3.endpoint: \"minio:9000\" does",
            ),
            (error(json!({ "s3": { "bucket": 1 } })), "storage.s3.bucket: expected a string"),
            (error(json!({ "s3": { "bucket": "b", "part_size": 4 } })), "storage.s3.part_size: 4 is out of range"),
            (
                error(json!({ "s3": { "bucket": "b", "checksum": "md5" } })),
                "storage.s3.checksum: expected one of auto,",
            ),
            (
                error(json!({ "s3": { "bucket": "b", "metadata": { "a": 1 } } })),
                "storage.s3.metadata.a: expected a string",
            ),
            (
                error(json!({ "s3": { "bucket": "b", "proxy": { "url": "a" }, "proxy_config": { "url": "b" } } })),
                "storage.s3.proxy: it is there twice",
            ),
            (error(json!({ "s3": { "bucket": "b", "proxy": {} } })), "storage.s3.proxy.url: missing"),
            (
                error(json!({ "s3": { "bucket": "b", "assume_role_arn": "x" } })),
                "storage.s3.assume_role_arn: we assume",
            ),
            (error(json!({ "gcp": {} })), "storage.gcp.bucket: missing"),
            (error(json!({ "azure": { "account_name": "a" } })), "storage.azure.container_name: missing"),
            (error(json!({ "aliOSS": { "bucket": "b" } })), "storage.aliOSS: we do not speak"),
            (error(json!({ "prefix": "a/../b" })), "storage.prefix: has a segment"),
            (error(json!({ "timeout": 0 })), "storage.timeout: 0 s"),
        ];
        for (message, start) in table {
            assert!(message.starts_with(start), "{message:?} should begin with {start:?}");
        }
    }
}
