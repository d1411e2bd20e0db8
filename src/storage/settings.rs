//! Where files go: what the configuration says, or what one request says.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::fields::Fields;
use crate::secret::Secret;

/// How long nothing may move unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);
/// What stores without regions accept, and what S3 takes when none is named.
const REGION: &str = "us-east-1";
/// S3's smallest and largest part, MiB.
const PART_SIZE: std::ops::RangeInclusive<u32> = 5..=5120;

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

/// `storage.s3`, or a request's `S3Upload`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3 {
    /// Without it, the environment is asked: `AWS_…` variables, web identity, ECS and EC2 roles.
    pub access_key: Option<String>,
    /// Comes with `access_key`.
    pub secret: Option<Secret>,
    /// With temporary keys.
    pub session_token: Option<Secret>,
    /// Empty: `AWS_REGION` when the environment is asked, or `us-east-1`.
    pub region: String,
    /// `http://` or `https://`; Amazon's own without one.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// `https://host/bucket/key` and not `https://bucket.host/key`. Always so where the host is an address or a bare name.
    pub force_path_style: bool,
    /// By way of this proxy.
    pub proxy: Option<Proxy>,
    /// The header that objects are served with.
    pub content_disposition: Option<String>,
    /// Kept with the objects.
    pub metadata: Vec<(String, String)>,
    /// How long parts are at least, bytes; 0 leaves it to the recording's expected length.
    pub part_size: u64,
    /// What proves a body's bytes besides the signature.
    pub checksum: Checksum,
}

/// `storage.s3.checksum`: what goes with every body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gcp {
    /// A service account's key file, as JSON text. Without it, the environment is asked.
    pub credentials_json: Option<Secret>,
    /// The bucket.
    pub bucket: String,
    /// By way of this proxy.
    pub proxy: Option<Proxy>,
}

/// `storage.azure`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Azure {
    /// The storage account.
    pub account_name: String,
    /// Its key. Without it, the environment is asked.
    pub account_key: Option<Secret>,
    /// The container.
    pub container_name: String,
}

/// An HTTP proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is.
    pub url: String,
    /// Who we are there.
    pub username: Option<String>,
    /// Comes with `username`.
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
        Self { target, prefix: String::new(), ca_file: None, timeout: TIMEOUT, by_request: false }
    }

    /// Reads the section `storage`. What nobody knows stays in `fields`.
    pub fn read(fields: &mut Fields) -> Result<Self> {
        let mut targets = Vec::new();
        targets.extend(fields.within("local", |f| Ok(Target::Local(f.text("path")?.map(PathBuf::from))))?);
        targets.extend(fields.within("s3", |f| Ok(Target::S3(Box::new(S3::read(f)?))))?);
        targets.extend(fields.within("gcp", |f| Gcp::read(f).map(Target::Gcp))?);
        targets.extend(fields.within("azure", |f| Azure::read(f).map(Target::Azure))?);
        for name in ["alioss", "aliOSS"] {
            if fields.within(name, |_| Ok(()))?.is_some() {
                let why = "we do not speak Alibaba's own protocol; OSS speaks S3 too: use s3 with its endpoint";
                return Err(Error::new(ErrorKind::Unimplemented, format!("{}: {why}", fields.path_of(name))));
            }
        }
        if targets.len() > 1 {
            return Err(Error::invalid(&fields.path_of(""), "more than one of local, s3, gcp, azure; leave one"));
        }
        let read = Self {
            target: targets.pop().unwrap_or(Target::Local(None)),
            prefix: fields.text("prefix")?.unwrap_or_default().trim_matches('/').to_owned(),
            ca_file: fields.text("ca_file")?.map(PathBuf::from),
            timeout: fields.number("timeout")?.map_or(TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
            by_request: false,
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
    fn read(fields: &mut Fields) -> Result<Self> {
        if filled(fields, "assume_role_arn")?.is_some() {
            let field = fields.path_of("assume_role_arn");
            let why = "we assume no roles; run with that role's web identity, or give temporary keys and session_token";
            return Err(Error::new(ErrorKind::Unimplemented, format!("{field}: {why}")));
        }
        let metadata = fields.within("metadata", |f| {
            f.keys().into_iter().map(|key| Ok((key.clone(), f.text(&key)?.unwrap_or_default()))).collect()
        })?;
        // LiveKit's own retries; ours are the outbox's.
        for name in ["max_retries", "max_retry_delay", "min_retry_delay", "aws_log_level"] {
            fields.ignore(name);
        }
        Ok(Self {
            access_key: filled(fields, "access_key")?,
            secret: filled(fields, "secret")?.map(Secret::new),
            session_token: filled(fields, "session_token")?.map(Secret::new),
            region: fields.text("region")?.unwrap_or_default(),
            endpoint: filled(fields, "endpoint")?,
            bucket: fields.text("bucket")?.unwrap_or_default(),
            force_path_style: fields.flag("force_path_style")?.unwrap_or(false),
            proxy: Proxy::read(fields)?,
            content_disposition: filled(fields, "content_disposition")?,
            metadata: metadata.unwrap_or_default(),
            part_size: part_size(fields)?,
            checksum: Checksum::read(fields)?,
        })
    }

    fn validate(&self) -> Result<()> {
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

impl Checksum {
    fn read(fields: &mut Fields) -> Result<Self> {
        match fields.text("checksum")?.as_deref() {
            Some("auto") | None => Ok(Self::Auto),
            Some("always") => Ok(Self::Always),
            Some("never") => Ok(Self::Never),
            Some(other) => {
                let why = format!("there is no {other:?}; use auto, always or never");
                Err(Error::invalid(&fields.path_of("checksum"), why))
            }
        }
    }
}

/// `part_size` in MiB, as bytes.
fn part_size(fields: &mut Fields) -> Result<u64> {
    match fields.number("part_size")? {
        Some(n) if !PART_SIZE.contains(&n) => {
            let why = format!("{n} is out of range; use 5 to 5120 MiB, each of which is in memory while it is sent");
            Err(Error::invalid(&fields.path_of("part_size"), why))
        }
        size => Ok(u64::from(size.unwrap_or(0)) << 20),
    }
}

impl Gcp {
    fn read(fields: &mut Fields) -> Result<Self> {
        Ok(Self {
            credentials_json: filled(fields, "credentials_json")?.map(Secret::new),
            bucket: fields.text("bucket")?.unwrap_or_default(),
            proxy: Proxy::read(fields)?,
        })
    }
}

impl Azure {
    fn read(fields: &mut Fields) -> Result<Self> {
        Ok(Self {
            account_name: fields.text("account_name")?.unwrap_or_default(),
            account_key: filled(fields, "account_key")?.map(Secret::new),
            container_name: fields.text("container_name")?.unwrap_or_default(),
        })
    }
}

impl Proxy {
    /// LiveKit's configuration says `proxy_config`, its requests say `proxy`.
    fn read(fields: &mut Fields) -> Result<Option<Self>> {
        let proxy = |f: &mut Fields| {
            let url =
                f.text("url")?.ok_or_else(|| Error::invalid(&f.path_of("url"), "missing; say where the proxy is"))?;
            let (username, password) = (filled(f, "username")?, filled(f, "password")?.map(Secret::new));
            Ok(Self { url, username, password })
        };
        let (long, short) = (fields.within("proxy_config", proxy)?, fields.within("proxy", proxy)?);
        Ok(long.or(short))
    }
}

/// A text; an empty one is none.
fn filled(fields: &mut Fields, key: &str) -> Result<Option<String>> {
    Ok(fields.text(key)?.filter(|text| !text.is_empty()))
}

fn named(field: &str, value: &str) -> Result<()> {
    if value.is_empty() { Err(Error::invalid(field, "missing; name the one that recordings go to")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<(Settings, Vec<String>)> {
        let mut fields = Fields::of(value, "storage").unwrap();
        let settings = Settings::read(&mut fields)?;
        Ok((settings, fields.left()))
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
                "endpoint": "http://127.0.0.1:9000", "force_path_style": true, "max_retries": 5, "tipo": 1,
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
