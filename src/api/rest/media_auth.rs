//! `GET /api/v1.0/recordings/media-auth/`: nginx's `auth_request`. It asks whether the file behind `X-Original-URL` may be
//! fetched, and is given the headers that sign its request to the storage.

use jiff::Timestamp;
use warp::http::{HeaderName, HeaderValue};
use warp::reply::Response;

use crate::api::auth::Caller;
use crate::api::rest::recordings::is_going;
use crate::api::rest::{Call, not_found};
use crate::api::{Api, body, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Outcome, Recording};

/// 200 with the headers; 403 for what is no recording's file, is not saved, has expired or is another room's; 400 and 404 for a wrong
/// extension; 404 for a recording that is not there.
pub(super) async fn get(api: &Api, caller: &Caller, call: &Call) -> Result<Response> {
    let url = call.asker.header("x-original-url");
    let url = url.ok_or_else(|| denied("X-Original-URL: missing; the proxy must send the requested URL"))?;
    let key = key_of(url, &api.media_url).ok_or_else(|| denied("X-Original-URL: not the URL of a recording's file"))?;
    let recording = match api.control.with_key(&key)? {
        Some(recording) => recording,
        None => return by_name(api, &key),
    };
    if is_going(&recording) {
        return Err(not_found());
    }
    caller.enter(&recording.request.room)?;
    may_be_fetched(&recording, Timestamp::now())?;
    // A folder is served by the proxy itself: there is nothing to sign.
    let storage = api.storage_of(&recording)?;
    let signed = if storage.bucket().is_some() { storage.authorize_get(&key).await? } else { Vec::new() };
    let mut response = reply::json(200, &"authorized");
    for (name, value) in signed {
        let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let unwritable = || Error::new(ErrorKind::Internal, "storage: a signature that is no header");
        let (name, value) = header.ok_or_else(unwritable)?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// The answer for a key that no recording has.
fn by_name(api: &Api, key: &str) -> Result<Response> {
    let not_a_file = || denied("X-Original-URL: not the URL of a recording's file");
    let name = key.strip_prefix(&api.policy.output_folder).and_then(|name| name.strip_prefix('/'));
    let (id, extension) = name.and_then(|name| name.split_once('.')).ok_or_else(not_a_file)?;
    if id.is_empty()
        || id.contains('/')
        || extension.is_empty()
        || !extension.bytes().all(|b| b.is_ascii_alphanumeric())
    {
        return Err(not_a_file());
    }
    if !["mp4", "ogg"].contains(&extension) {
        return Ok(reply::detail(400, "Unsupported extension."));
    }
    match api.control.get(&RecordingId::new(id)) {
        Ok(recording) if recording.extension() != extension => {
            Ok(reply::detail(404, "No recording found with this extension."))
        }
        Ok(_) | Err(_) => Err(not_found()),
    }
}

fn may_be_fetched(recording: &Recording, now: Timestamp) -> Result<()> {
    if !recording.state.outcome().is_some_and(Outcome::has_file) {
        return Err(denied("the recording is not saved"));
    }
    match recording.expires_at {
        Some(at) if at <= now => Err(denied("the recording has expired")),
        Some(_) | None => Ok(()),
    }
}

/// The key of a URL, or of its path alone: what follows the media path, decoded once; `None` for what no key can be.
fn key_of(url: &str, media_url: &str) -> Option<String> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // A path may contain what looks like the beginning of a URL; the proxy serves the path as a whole.
    let path = match url.split_once("://") {
        Some((_, rest)) if !url.starts_with('/') => &rest[rest.find('/')?..],
        Some(_) | None => url,
    };
    let key = body::decode(path.strip_prefix(media_url)?)?;
    let climbs = key.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..");
    (!climbs && !key.chars().any(char::is_control)).then_some(key)
}

fn denied(why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Limits, Options, Output, Policy, Reason, Request, State};

    #[test]
    fn only_what_is_saved_and_has_not_expired_may_be_fetched() {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let (id, now) = (RecordingId::new("EG_x"), Timestamp::UNIX_EPOCH);
        let policy = Policy { expires_after: Some(jiff::SignedDuration::from_secs(10)), ..Policy::default() };
        let mut one = Recording::begin(id, "transcript".into(), request, Options::default(), &policy, now).0;
        assert!(may_be_fetched(&one, now).is_err());
        one.state = State::Ended(Outcome::Complete(Reason::Stopped));
        assert!(may_be_fetched(&one, now).is_ok());
        assert!(may_be_fetched(&one, Timestamp::from_second(10).unwrap()).is_err(), "expired, though not removed yet");
        one.state = State::Ended(Outcome::Aborted(Reason::Stopped));
        assert!(may_be_fetched(&one, now).is_err());
    }

    #[test]
    fn the_key_is_what_follows_the_media_path() {
        let key = |url| key_of(url, "/media/");
        for (url, wanted) in [
            ("https://h.example/media/recordings/EG_a.mp4?download=1#x", "recordings/EG_a.mp4"),
            ("/media/recordings/EG_a.mp4", "recordings/EG_a.mp4"),
            ("/media/a%20b/%C3%A9.mp4", "a b/é.mp4"),
            // Leave for one file is not leave for another one.
            ("/media/recordings/EG_b.mp4?x=://h/media/recordings/EG_a.mp4", "recordings/EG_b.mp4"),
            ("/media/recordings/EG_b.mp4#://h/media/recordings/EG_a.mp4", "recordings/EG_b.mp4"),
        ] {
            assert_eq!(key(url).as_deref(), Some(wanted), "{url}");
        }
        for wrong in [
            "",
            "https://h",
            "https://h/other/media/recordings/EG_a.mp4",
            "/media",
            "/media/",
            "/media//a.mp4",
            "/media/recordings/../EG_a.mp4",
            "/media/recordings/%2e%2e/EG_a.mp4",
            "/media/recordings%2F..%2Fa.mp4",
            "/media/a%00.mp4",
            "/media/a%0Ab.mp4",
            "/media/%",
            "/media/%ff.mp4",
            "/media/recordings/EG_b.mp4://h/media/recordings/EG_a.mp4",
            "https://h?x=/media/recordings/EG_a.mp4",
        ] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}
