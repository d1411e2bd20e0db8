//! Asks the running sidecar over its REST API.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode, redirect};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// A start is answered once media flows.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);

/// What a segment of a path may hold as it is (RFC 3986, 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A way to one sidecar.
#[derive(Debug)]
pub struct RestClient {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    /// Without a slash at its end.
    server: String,
    token: Option<Secret>,
}

/// What the sidecar says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl RestClient {
    /// Asks nothing yet. The error names `server`.
    pub fn new(server: &str, token: Option<Secret>) -> Result<Self> {
        let fix = "use an address such as http://127.0.0.1:7990";
        match Url::parse(server) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            Ok(_) | Err(_) => {
                return Err(Error::invalid("server", format!("{server:?} is not the URL of a server; {fix}")));
            }
        }
        let internal = |what: &str, e: String| Error::new(ErrorKind::Internal, format!("{what}: {e}"));
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("greffier/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| internal("no HTTP client", e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| internal("cannot start the runtime", e.to_string()))?;
        Ok(Self { http, runtime, server: server.trim_end_matches('/').to_owned(), token })
    }

    /// Asks for what is there.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.runtime.block_on(self.ask(Method::GET, path, None))
    }

    /// Asks for something to be done.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.runtime.block_on(self.ask(Method::POST, path, Some(body)))
    }

    /// Asks for something to be removed.
    pub fn delete(&self, path: &str) -> Result<()> {
        self.runtime.block_on(self.ask(Method::DELETE, path, None)).map(|_| ())
    }

    /// The answer's JSON; null when it has no body.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let server = &self.server;
        let mut request = self.http.request(method, format!("{server}/api/v1.0/{path}"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let silent = |e: &reqwest::Error| {
            let why = if e.is_timeout() { "no answer in time".to_owned() } else { innermost(e) };
            let hint = "is `greffier serve` running there?";
            Error::new(ErrorKind::Unavailable, format!("server: {server} does not answer ({why}); {hint}"))
        };
        let answer = request.send().await.map_err(|e| silent(&e))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|e| silent(&e))?;
        if !status.is_success() {
            return Err(self.refused(status, &text));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| self.stranger())
    }

    fn refused(&self, status: StatusCode, text: &str) -> Error {
        let Ok(Refusal { error }) = serde_json::from_str(text) else { return self.stranger() };
        let kind = match status.as_u16() {
            400 => ErrorKind::InvalidArgument,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::AlreadyExists,
            _ => ErrorKind::Unavailable,
        };
        let hint = if kind == ErrorKind::Unauthenticated { "; give --api-token or GREFFIER_API_TOKEN" } else { "" };
        Error::new(kind, format!("{error}{hint}"))
    }

    fn stranger(&self) -> Error {
        let why = format!("server: {} is no greffier: it answers something else", self.server);
        Error::new(ErrorKind::Unavailable, why)
    }
}

/// An answer about this recording: one that is not there is named.
pub fn about<T>(id: &str, answer: Result<T>) -> Result<T> {
    answer.map_err(|error| {
        if error.kind != ErrorKind::NotFound {
            return error;
        }
        let fix = "`greffier list` shows those there are";
        Error::new(ErrorKind::NotFound, format!("there is no recording {id:?}, or the token may not see it; {fix}"))
    })
}

/// A name as one segment of a path.
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// The cause that has none: what the system said.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
