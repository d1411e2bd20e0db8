//! Pure. Twirp's errors: a code, HTTP's status for it, a sentence.

use std::time::Duration;

use serde_json::json;
use warp::http::HeaderValue;
use warp::http::header::RETRY_AFTER;
use warp::reply::Response;

use crate::api::reply;
use crate::error::{Error, ErrorKind};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwirpError {
    /// Twirp's name for it.
    pub code: &'static str,
    /// HTTP's status.
    pub status: u16,
    /// In words.
    pub message: String,
    /// After this long it may be tried again.
    pub wait: Option<Duration>,
}

/// There is no such method; the answer says which one was requested.
const BAD_ROUTE: &str = "bad_route";

impl TwirpError {
    fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), wait: None }
    }

    /// The token does not allow it; LiveKit's words.
    pub fn denied() -> Self {
        Self::new("unauthenticated", 401, "permissions denied")
    }

    /// There is nothing of this name, or not this way.
    pub fn bad_route(message: String) -> Self {
        Self::new(BAD_ROUTE, 404, message)
    }

    /// The body is not what it is said to be.
    pub fn malformed(message: String) -> Self {
        Self::new("malformed", 400, message)
    }

    /// Too many failures came from there.
    pub fn wait(error: Error, wait: Duration) -> Self {
        Self { wait: Some(wait), ..Self::from(error) }
    }

    /// As it is sent; `route` is what was requested, such as `POST /twirp/x`.
    pub fn response(&self, route: &str) -> Response {
        let Self { code, status, message, wait } = self;
        let mut body = json!({"code": code, "msg": message});
        if *code == BAD_ROUTE {
            body["meta"] = json!({"twirp_invalid_route": route});
        }
        let mut response = reply::json(*status, &body);
        if let Some(wait) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

/// The table (Twirp 7, "Error Codes").
impl From<Error> for TwirpError {
    fn from(error: Error) -> Self {
        let (code, status) = match error.kind {
            ErrorKind::InvalidArgument => ("invalid_argument", 400),
            ErrorKind::NotFound => ("not_found", 404),
            ErrorKind::AlreadyExists => ("already_exists", 409),
            ErrorKind::Unauthenticated => ("unauthenticated", 401),
            ErrorKind::PermissionDenied => ("permission_denied", 403),
            ErrorKind::FailedPrecondition => ("failed_precondition", 412),
            ErrorKind::ResourceExhausted => ("resource_exhausted", 429),
            ErrorKind::Unavailable => ("unavailable", 503),
            ErrorKind::DeadlineExceeded => ("deadline_exceeded", 408),
            ErrorKind::DataLoss => ("dataloss", 503),
            ErrorKind::Unimplemented => ("unimplemented", 501),
            ErrorKind::Internal => ("internal", 500),
        };
        Self::new(code, status, error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_twirps_code_and_status() {
        let table = [
            (ErrorKind::InvalidArgument, "invalid_argument", 400),
            (ErrorKind::Unauthenticated, "unauthenticated", 401),
            (ErrorKind::PermissionDenied, "permission_denied", 403),
            (ErrorKind::NotFound, "not_found", 404),
            (ErrorKind::DeadlineExceeded, "deadline_exceeded", 408),
            (ErrorKind::AlreadyExists, "already_exists", 409),
            (ErrorKind::FailedPrecondition, "failed_precondition", 412),
            (ErrorKind::ResourceExhausted, "resource_exhausted", 429),
            (ErrorKind::Internal, "internal", 500),
            (ErrorKind::Unimplemented, "unimplemented", 501),
            (ErrorKind::Unavailable, "unavailable", 503),
        ];
        for (kind, code, status) in table {
            let failure = TwirpError::from(Error::new(kind, "why"));
            assert_eq!((failure.code, failure.status, failure.response("").status().as_u16()), (code, status, status));
        }
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let failure = TwirpError::wait(Error::new(ErrorKind::ResourceExhausted, "wait"), Duration::from_secs(3));
        assert_eq!(failure.response("").headers()[RETRY_AFTER], "3");
    }
}
