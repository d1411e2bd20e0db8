//! A bucket behind `object_store`: opened from the settings, and each request tried once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, BackoffConfig, Certificate, ClientOptions, GetOptions, GetRange, ObjectStore,
    ObjectStoreExt as _, PutOptions, PutPayload, RetryConfig,
};

use super::explain::{Names, explain, wants_checksum};
use super::line::Line;
use super::settings::{Azure, Checksum, Gcp, Proxy, S3, Settings, Target};
use super::{Content, Head, content_type_of};
use crate::error::{Error, Result, chain};

/// A connection is made within this time, or not at all.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);
/// Stores end idle connections without notice; ours end before.
const IDLE: std::time::Duration = std::time::Duration::from_secs(5);
/// A peer that acknowledges nothing for so long is gone, or longer if the settings are patient.
const UNHEARD: std::time::Duration = std::time::Duration::from_secs(30);
/// A request without a large body is over after this many times the patience, whatever trickles in.
const LONGEST: u32 = 10;
/// So many bodies travel to one store at once, in the order of asking: a thin line is shared, and a fast one is filled.
const AT_ONCE: usize = 4;

/// Everything that a bucket can do.
pub trait Everything: ObjectStore + MultipartStore + Signer {}
impl<T: ObjectStore + MultipartStore + Signer> Everything for T {}

/// The bucket.
pub struct Bucket {
    /// For requests that are over soon, one way or the other.
    pub plain: Arc<dyn Everything>,
    /// The same, with checksums beside every body, where there is such a thing.
    summed: Option<Arc<dyn Everything>>,
    /// The store demands checksums.
    sums: AtomicBool,
    /// Who may send a body now.
    pub line: tokio::sync::Semaphore,
    /// How long parts are at least, bytes.
    pub part_size: u64,
    /// How old what was never sent of a growing file may become; zero: until a part is full.
    pub max_unsent: std::time::Duration,
    /// For what is read by people: as slowly as they like, while bytes come at all.
    reader: Arc<dyn ObjectStore>,
    /// For the signature of a request that somebody else makes.
    pub s3: Option<AmazonS3>,
    /// For requests to S3 that the library does not know.
    pub client: Option<reqwest::Client>,
    /// The region that is signed for.
    pub region: String,
    /// What errors call things.
    pub names: Names,
    /// Given to every object, besides its type.
    attributes: Attributes,
    /// Azure takes the type from the name's ending, and nothing else, when parts are put together.
    pub is_azure: bool,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Asks nobody: what is wrong beyond the fields is found by the first request.
    pub fn open(settings: &Settings) -> Result<Self> {
        let (quiet, proxied) = (settings.timeout, proxy_of(&settings.target));
        let soon = options(settings)?.with_timeout(quiet.saturating_mul(LONGEST)).with_read_timeout(quiet);
        let slow = options(settings)?.with_timeout_disabled().with_read_timeout(quiet);
        let line = Line { bodies: bodies(settings, proxied)?, timeout: quiet, md5: false };
        match &settings.target {
            Target::S3(s3) => {
                let names = s3_names(s3, settings.by_request)?;
                let store = open_s3(s3, soon.clone(), line.clone(), false)?;
                let summed = || open_s3(s3, soon, Line { md5: true, ..line.clone() }, true);
                let (summed, sums): (Option<Arc<dyn Everything>>, bool) = match s3.checksum {
                    Checksum::Auto => (Some(Arc::new(summed()?)), false),
                    Checksum::Always => (Some(Arc::new(summed()?)), true),
                    Checksum::Never => (None, false),
                };
                let mut attributes = Attributes::new();
                if let Some(value) = &s3.content_disposition {
                    attributes.insert(Attribute::ContentDisposition, value.clone().into());
                }
                for (key, value) in &s3.metadata {
                    attributes.insert(Attribute::Metadata(key.clone().into()), value.clone().into());
                }
                let client = Some(line.bodies.clone());
                let reader = open_s3(s3, slow, line, false)?;
                Ok(Self {
                    summed,
                    sums: AtomicBool::new(sums),
                    part_size: s3.part_size,
                    max_unsent: settings.max_unsent,
                    s3: Some(store.clone()),
                    client,
                    region: s3.signed_region(),
                    attributes,
                    ..Self::other(store, reader, names, false)
                })
            }
            Target::Gcp(gcp) => {
                let open = |options| open_gcp(gcp, options, line.clone());
                let (store, reader, names) = (open(soon)?, open(slow)?, gcp_names(gcp, settings.by_request));
                Ok(Self { max_unsent: settings.max_unsent, ..Self::other(store, reader, names, false) })
            }
            Target::Azure(azure) => {
                let open = |options| open_azure(azure, options, line.clone());
                let (store, reader, names) = (open(soon)?, open(slow)?, azure_names(azure, settings.by_request));
                Ok(Self { max_unsent: settings.max_unsent, ..Self::other(store, reader, names, true) })
            }
            Target::Local(_) => Err(Error::invalid("storage", "a local folder is no bucket")),
        }
    }

    fn other<T: Everything>(store: T, reader: impl ObjectStore, names: Names, is_azure: bool) -> Self {
        Self {
            plain: Arc::new(store),
            summed: None,
            sums: AtomicBool::new(false),
            line: tokio::sync::Semaphore::new(AT_ONCE),
            part_size: 0,
            max_unsent: std::time::Duration::ZERO,
            reader: Arc::new(reader),
            s3: None,
            client: None,
            region: String::new(),
            names,
            attributes: Attributes::new(),
            is_azure,
        }
    }

    /// The client to write with, and whether it sends checksums.
    pub fn store(&self) -> (bool, &dyn Everything) {
        let sums = self.sums.load(Ordering::Relaxed);
        (sums, self.with_sums(sums))
    }

    /// The client that sends checksums, or the other.
    pub fn with_sums(&self, sums: bool) -> &dyn Everything {
        match &self.summed {
            Some(summed) if sums => &**summed,
            Some(_) | None => &*self.plain,
        }
    }

    /// Is this a refusal for want of checksums? From now on they are sent; false when they were, or cannot be.
    pub fn learns_sums(&self, e: &object_store::Error) -> bool {
        let learns = self.summed.is_some() && wants_checksum(&chain(e)) && !self.sums.swap(true, Ordering::Relaxed);
        if learns {
            let Names { bucket, endpoint, .. } = &self.names;
            tracing::info!(bucket, endpoint, "the store demands checksums; they are sent from now on");
        }
        learns
    }

    /// Waits until a body may leave.
    pub async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // It is never closed.
        self.line.acquire().await.ok()
    }

    pub async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<()> {
        let options = PutOptions { attributes: self.attributes(content_type), ..PutOptions::default() };
        let (path, _turn) = (path(key)?, self.turn().await);
        let put = || self.store().1.put_opts(&path, PutPayload::from(bytes.clone()), options.clone());
        let done = match put().await {
            Err(e) if self.learns_sums(&e) => put().await,
            done => done,
        };
        done.map(|_| ()).map_err(|e| self.failed("write", key, &e))
    }

    pub async fn head(&self, key: &str) -> Result<Option<Head>> {
        match self.plain.head(&path(key)?).await {
            Ok(meta) => Ok(Some(Head { bytes: meta.size, etag: meta.e_tag })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("look at", key, &e)),
        }
    }

    pub async fn get(&self, key: &str, range: Range<u64>) -> Result<Content> {
        if range.is_empty() {
            return Err(Error::invalid("range", "is empty"));
        }
        // Stores read numbers of 63 bits.
        let range =
            if i64::try_from(range.end).is_ok() { GetRange::Bounded(range) } else { GetRange::Offset(range.start) };
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let got = self.reader.get_opts(&path(key)?, options).await.map_err(|e| self.failed("read", key, &e))?;
        let (range, bytes) = (got.range.clone(), got.meta.size);
        let content_type = got.attributes.get(&Attribute::ContentType).map(|value| value.as_ref().to_owned());
        let content_type = content_type.unwrap_or_else(|| content_type_of(key).to_owned());
        let (names, key) = (self.names.clone(), key.to_owned());
        let stream = got.into_stream().map_err(move |e| explain(&names, &format!("read {key}"), &chain(&e)));
        Ok(Content { stream: Box::pin(stream), range, bytes, content_type })
    }

    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.plain.delete(&path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed("delete", key, &e)),
        }
    }

    /// Those of a new object of this media type.
    pub fn attributes(&self, content_type: &str) -> Attributes {
        let mut attributes = self.attributes.clone();
        attributes.insert(Attribute::ContentType, content_type.to_owned().into());
        attributes
    }

    /// The error for people.
    pub fn failed(&self, what: &str, key: &str, e: &object_store::Error) -> Error {
        self.explained(what, key, &chain(e))
    }

    /// The same of what the store said.
    pub fn explained(&self, what: &str, key: &str, said: &str) -> Error {
        explain(&self.names, &format!("{what} {key}"), said)
    }
}

/// Carries bodies. Other requests are the library's own.
fn bodies(settings: &Settings, proxy: Option<(&Proxy, &'static str)>) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        // What is sent and never acknowledged does not move.
        .tcp_user_timeout(settings.timeout.max(UNHEARD))
        .redirect(reqwest::redirect::Policy::none())
        .http1_only();
    if let Some(pem) = authorities(settings)? {
        let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| unusable(settings, &e))?;
        builder = builder.tls_certs_merge(authorities);
    }
    if let Some((proxy, field)) = proxy {
        let proxy =
            reqwest::Proxy::all(proxy_url(proxy, field)?).map_err(|e| Error::invalid(field, e.without_url()))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|e| Error::invalid("storage", e.without_url()))
}

fn proxy_of(target: &Target) -> Option<(&Proxy, &'static str)> {
    match target {
        Target::S3(s3) => s3.proxy.as_ref().map(|proxy| (proxy, "storage.s3.proxy.url")),
        Target::Gcp(gcp) => gcp.proxy.as_ref().map(|proxy| (proxy, "storage.gcp.proxy.url")),
        Target::Azure(_) | Target::Local(_) => None,
    }
}

/// The key as it is: nothing in it is encoded.
pub fn path(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|e| Error::invalid("key", e))
}

fn options(settings: &Settings) -> Result<ClientOptions> {
    let mut options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_pool_idle_timeout(IDLE)
        .with_content_type_for_suffix("mp4", content_type_of(".mp4"))
        .with_content_type_for_suffix("ogg", content_type_of(".ogg"));
    if let Some(pem) = authorities(settings)? {
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|e| unusable(settings, &e))?;
        if authorities.is_empty() {
            return Err(unusable(settings, &"there is no certificate in it"));
        }
        options = authorities.into_iter().fold(options, ClientOptions::with_root_certificate);
    }
    Ok(options)
}

/// What `storage.ca_file` holds.
fn authorities(settings: &Settings) -> Result<Option<Vec<u8>>> {
    let read = settings.ca_file.as_ref().map(std::fs::read).transpose();
    read.map_err(|e| unusable(settings, &e))
}

fn unusable(settings: &Settings, e: &dyn std::fmt::Display) -> Error {
    let file = settings.ca_file.as_deref().unwrap_or(std::path::Path::new("")).display();
    Error::invalid("storage.ca_file", format!("cannot use {file}: {e}; name a PEM file of certificates"))
}

fn with_proxy(options: ClientOptions, proxy: Option<&Proxy>, field: &str) -> Result<ClientOptions> {
    Ok(match proxy {
        Some(proxy) => options.with_proxy_url(proxy_url(proxy, field)?),
        None => options,
    })
}

fn proxy_url(Proxy { url, username, password }: &Proxy, field: &str) -> Result<url::Url> {
    let refuse = || Error::invalid(field, "is not a URL; use one such as http://proxy:3128");
    let mut url = url::Url::parse(url).map_err(|_| refuse())?;
    url.set_username(username.as_deref().unwrap_or_default()).map_err(|()| refuse())?;
    url.set_password(password.as_ref().map(|secret| secret.expose())).map_err(|()| refuse())?;
    Ok(url)
}

/// The outbox retries, and nobody else.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() }
}

fn open_s3(settings: &S3, options: ClientOptions, line: Line, sums: bool) -> Result<AmazonS3> {
    let options = with_proxy(options, settings.proxy.as_ref(), "storage.s3.proxy.url")?;
    let builder = match (&settings.access_key, &settings.secret) {
        (Some(key), Some(secret)) => {
            AmazonS3Builder::new().with_access_key_id(key).with_secret_access_key(secret.expose())
        }
        (Some(_), None) | (None, Some(_)) | (None, None) => AmazonS3Builder::from_env(),
    };
    // Bodies are signed, so the store refuses bytes that changed on their way, also without TLS.
    let mut builder = builder.with_unsigned_payload(false).with_bucket_name(&settings.bucket).with_retry(once());
    builder = builder.with_http_connector(line);
    if sums {
        builder = builder.with_checksum_algorithm(object_store::aws::Checksum::SHA256);
    }
    if let Some(token) = &settings.session_token {
        builder = builder.with_token(token.expose());
    }
    builder = builder.with_region(settings.signed_region());
    builder = match settings.url()? {
        Some((url, in_host)) => {
            let options = options.with_allow_http(url.starts_with("http:"));
            builder.with_endpoint(url).with_virtual_hosted_style_request(in_host).with_client_options(options)
        }
        None => builder.with_virtual_hosted_style_request(!settings.force_path_style).with_client_options(options),
    };
    builder.build().map_err(|e| Error::invalid("storage.s3", e))
}

fn open_gcp(settings: &Gcp, options: ClientOptions, line: Line) -> Result<impl Everything + use<>> {
    let options = with_proxy(options, settings.proxy.as_ref(), "storage.gcp.proxy.url")?;
    let builder = match &settings.credentials_json {
        Some(key) => GoogleCloudStorageBuilder::new().with_service_account_key(key.expose()),
        None => GoogleCloudStorageBuilder::from_env(),
    };
    let builder = builder.with_bucket_name(&settings.bucket).with_retry(once()).with_client_options(options);
    builder.with_http_connector(line).build().map_err(|_| {
        let fix = "use the chain text of a service account's key file";
        Error::invalid("storage.gcp.credentials_json", format!("cannot be read; {fix}"))
    })
}

fn open_azure(settings: &Azure, options: ClientOptions, line: Line) -> Result<impl Everything + use<>> {
    let builder = match &settings.account_key {
        Some(key) => MicrosoftAzureBuilder::new().with_access_key(key.expose()),
        None => MicrosoftAzureBuilder::from_env(),
    };
    let (account, container) = (&settings.account_name, &settings.container_name);
    let builder = builder.with_account(account).with_container_name(container);
    let builder = builder.with_retry(once()).with_client_options(options).with_http_connector(line);
    builder.build().map_err(|_| {
        Error::invalid("storage.azure.account_key", "cannot be read; use the key as the portal shows it (base64)")
    })
}

fn s3_names(settings: &S3, by_request: bool) -> Result<Names> {
    let url = settings.url()?.map_or_else(|| "https://s3.amazonaws.com".to_owned(), |(url, _)| url);
    Ok(Names {
        bucket: settings.bucket.clone(),
        endpoint: url,
        by_request,
        bucket_field: "storage.s3.bucket",
        key_field: "storage.s3.access_key",
        secret_field: "storage.s3.secret",
        endpoint_field: "storage.s3.endpoint",
    })
}

fn gcp_names(settings: &Gcp, by_request: bool) -> Names {
    Names {
        bucket: settings.bucket.clone(),
        endpoint: "https://storage.googleapis.com".to_owned(),
        by_request,
        bucket_field: "storage.gcp.bucket",
        key_field: "storage.gcp.credentials_json",
        secret_field: "storage.gcp.credentials_json",
        endpoint_field: "storage.gcp",
    }
}

fn azure_names(settings: &Azure, by_request: bool) -> Names {
    Names {
        bucket: settings.container_name.clone(),
        endpoint: format!("https://{}.blob.core.windows.net", settings.account_name),
        by_request,
        bucket_field: "storage.azure.container_name",
        key_field: "storage.azure.account_name",
        secret_field: "storage.azure.account_key",
        endpoint_field: "storage.azure.account_name",
    }
}
