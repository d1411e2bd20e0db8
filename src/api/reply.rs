//! Answers: JSON, and one table from our error kinds to HTTP's.

use serde::Serialize;
use serde_json::{Map, Value, json};
use warp::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;
use warp::{Filter as _, Rejection};

use crate::api::auth::Rejected;
use crate::error::{Error, ErrorKind, Result};

/// Only what we serve ourselves, and nobody puts us into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Seconds after which a client may ask a full machine again: what ends is measured within half a minute.
const FULL_FOR: &str = "30";

/// An answer, or the error in its place.
pub fn of(answer: Result<Response>) -> Response {
    answer.unwrap_or_else(|e| error(&e))
}

/// `body` as JSON.
pub fn json(status: u16, body: &impl Serialize) -> Response {
    let (status, text) = match serde_json::to_string(body) {
        Ok(text) => (status, text),
        Err(e) => (500, json!({"error": format!("cannot encode the answer: {e}")}).to_string()),
    };
    let mut response = Response::new(text.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What went wrong: `error` says it to people; `field` names what is at fault; `detail` is where clients of the
/// feature look at 4xx.
pub fn error(error: &Error) -> Response {
    let status = status(error.kind);
    let mut body = Map::new();
    body.insert("error".into(), error.message.clone().into());
    if status < 500 && status != 409 {
        let invalid = error.kind == ErrorKind::InvalidArgument;
        let detail = if invalid { "Invalid request." } else { error.message.as_str() };
        body.insert("detail".into(), detail.into());
        if let Some(field) = error.field().filter(|_| invalid) {
            body.insert("field".into(), field.into());
        }
    }
    let mut response = json(status, &Value::Object(body));
    if status == 503 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(FULL_FOR));
    }
    if status == 401 {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// `words`, where clients of the feature look for them.
pub fn detail(status: u16, words: &str) -> Response {
    json(status, &json!({"error": words, "detail": words}))
}

/// Somebody was not let in: 401, 403, or 429 with the seconds to wait.
pub fn refused(refused: &Rejected) -> Response {
    let Some(wait) = refused.wait else { return error(&refused.error) };
    let mut response = detail(429, &refused.error.message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    response
}

/// The path is known, but not with this method (RFC 9110, 15.5.6).
pub fn method_not_allowed(methods: &[&str]) -> Response {
    let mut response = detail(405, "Method not allowed.");
    if let Ok(methods) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// What no route took.
pub fn rejection(rejection: &Rejection) -> Response {
    let (status, words) = if rejection.is_not_found() {
        (404, "Not found.")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        (405, "Method not allowed.")
    } else {
        (400, "Invalid request.")
    };
    detail(status, words)
}

/// GET, and HEAD, which is the same without the body.
pub fn fetched() -> impl warp::Filter<Extract = (), Error = warp::Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

/// What every answer of ours carries.
pub fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// HTTP's status for this kind.
fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidArgument => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::PermissionDenied => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::DeadlineExceeded => 408,
        ErrorKind::AlreadyExists | ErrorKind::FailedPrecondition => 409,
        ErrorKind::Unavailable => 502,
        ErrorKind::ResourceExhausted => 503,
        ErrorKind::Unimplemented => 501,
        ErrorKind::DataLoss | ErrorKind::Internal => 500,
    }
}
