//! A real MinIO on a free loopback port, with one bucket.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use greffier::secret::Secret;
use greffier::storage::{S3, Settings, Target};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use tempfile::TempDir;

/// The bucket that is there.
pub const BUCKET: &str = "films";
/// Its access key.
pub const KEY: &str = "greffier-tests";
/// That key's secret.
pub const SECRET: &str = "a secret of the tests";

/// The server; it ends with this.
pub struct Minio {
    /// Its loopback port.
    pub port: u16,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    folder: TempDir,
}

impl Minio {
    /// Starts it with an empty bucket.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts it with these environment variables too.
    pub fn with(environment: &[(&str, &str)]) -> Self {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
        let port = free().expect("a free loopback port").port();
        let folder = TempDir::new().expect("a temporary folder");
        // A folder is a bucket.
        std::fs::create_dir_all(folder.path().join("data").join(BUCKET)).expect("the bucket's folder");
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut minio = Self { port, environment, child: None, folder };
        minio.launch();
        minio
    }

    /// Ends it without notice.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port, with the same bucket.
    pub fn launch(&mut self) {
        let binary = super::tool("minio").unwrap_or_else(|| PathBuf::from("minio"));
        let log = File::options().append(true).create(true).open(self.folder.path().join("minio.log"));
        let log = log.expect("a log file");
        let mut child = Command::new(&binary)
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{}", self.port)])
            .arg(self.folder.path().join("data"))
            .env_clear()
            .envs([("MINIO_ROOT_USER", KEY), ("MINIO_ROOT_PASSWORD", SECRET), ("MINIO_BROWSER", "off")])
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("MinIO is missing: run `make tools` ({binary:?}: {error})"));
        let began = Instant::now();
        // It says that it is ready before it takes anything.
        while !self.takes_objects() {
            let ended = child.try_wait().expect("its state");
            if ended.is_some() || began.elapsed() > Duration::from_secs(30) {
                let _ = child.kill();
                panic!("MinIO: {ended:?}\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What leads to its bucket, by way of this endpoint.
    pub fn settings(&self, endpoint: &str) -> Settings {
        Settings::of(Target::S3(Box::new(S3 {
            access_key: Some(KEY.to_owned()),
            secret: Some(Secret::new(SECRET)),
            endpoint: Some(endpoint.to_owned()),
            bucket: BUCKET.to_owned(),
            force_path_style: true,
            ..S3::default()
        })))
    }

    /// The ids of the uploads under this key that are neither complete nor aborted.
    pub fn open_uploads(&self, key: &str) -> Vec<String> {
        // MinIO lists them for a whole key only.
        let answer = self.ask(&format!("/{BUCKET}?prefix={}&uploads=", key.replace('/', "%2F")));
        answer.split("<UploadId>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
    }

    /// Bytes of each part that this upload has, in order.
    pub fn part_sizes(&self, key: &str, upload: &str) -> Vec<u64> {
        let answer = self.ask(&format!("/{BUCKET}/{key}?uploadId={}", upload.replace('=', "%3D")));
        let sizes = answer.split("<Size>").skip(1).filter_map(|rest| rest.split_once('<')?.0.parse().ok());
        sizes.collect()
    }

    /// When and how often objects were written: the listing of the bucket, as XML.
    pub fn listing(&self) -> String {
        self.ask(&format!("/{BUCKET}?list-type=2"))
    }

    /// Content type and bytes of this object.
    pub fn object(&self, key: &str) -> (String, Vec<u8>) {
        let mut answer = self.request(&format!("/{BUCKET}/{key}"));
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        let bytes = answer.body_mut().with_config().limit(1 << 30).read_to_vec().expect("the object");
        (kind, bytes)
    }

    /// The SHA-256 that came with this object, as the store keeps it.
    pub fn checksum(&self, key: &str) -> Option<String> {
        let answer = self.call_with("GET", &format!("/{BUCKET}/{key}"), b"", &[("x-amz-checksum-mode", "ENABLED")]);
        let answer = answer.unwrap_or_else(|error| panic!("{key}: {error}"));
        answer.headers().get("x-amz-checksum-sha256").and_then(|sum| sum.to_str().ok()).map(str::to_owned)
    }

    /// Writes an object into the bucket, reads it, and takes it away.
    fn takes_objects(&self) -> bool {
        let place = format!("/{BUCKET}/ready");
        let written = self.call("PUT", &place, b"ready").is_ok();
        let read = written
            && self
                .call("GET", &place, b"")
                .and_then(|mut it| it.body_mut().read_to_vec())
                .is_ok_and(|it| it == b"ready");
        read && self.call("DELETE", &place, b"").is_ok()
    }

    fn ask(&self, place: &str) -> String {
        self.request(place).body_mut().read_to_string().expect("an answer")
    }

    fn request(&self, place: &str) -> ureq::http::Response<ureq::Body> {
        self.call("GET", place, b"").unwrap_or_else(|error| panic!("{place}: {error}"))
    }

    fn call(&self, method: &str, place: &str, body: &[u8]) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        self.call_with(method, place, body, &[])
    }

    fn call_with(
        &self,
        method: &str,
        place: &str,
        body: &[u8],
        headers: &[(&'static str, &'static str)],
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let url = format!("{}{place}", self.url());
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.parse().expect("a method");
        *request.uri_mut() = url.parse().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let credential = AwsCredential { key_id: KEY.to_owned(), secret_key: SECRET.to_owned(), token: None };
        let authorizer = AwsAuthorizer::new(&credential, "s3", "us-east-1").with_sign_payload(false);
        authorizer.try_authorize(&mut request, None).expect("a signature");
        let mut call = ureq::http::Request::builder().method(method).uri(&url);
        for (name, value) in request.headers() {
            call = call.header(name.as_str(), value.to_str().expect("text"));
        }
        ureq::run(call.body(body.to_vec()).expect("a request"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("minio.log")).unwrap_or_default()
    }

    /// Where it keeps everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- MinIO ---\n{}", self.log());
        }
    }
}
