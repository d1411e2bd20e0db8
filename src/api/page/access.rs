//! Who may look at a page: whoever the REST door lets in, also by the cookie of the login, and whoever shows a share link.

use jiff::Timestamp;
use warp::http::header::{AUTHORIZATION, COOKIE};
use warp::http::{HeaderMap, HeaderValue};

use super::phase::Phase;
use crate::api::Door;
use crate::api::auth::Caller;
use crate::api::share::Refusal;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::Recording;

/// Holds the API token of whoever signed in.
pub const COOKIE_NAME: &str = "greffier_token";

/// Somebody who may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Passes the REST door too.
    Member,
    /// Has a link to this one recording.
    Guest,
}

/// What may be looked at.
#[derive(Debug)]
pub enum Sight {
    /// This recording.
    Seen(Box<Recording>, Viewer),
    /// There is none, and this one may know it.
    Nothing,
    /// For the reason of this name among the page's words.
    Refused(&'static str),
}

/// What this request, with the token of its query, may see of the recording of this id.
pub fn sight(door: &Door, headers: &HeaderMap, id: &RecordingId, share: Option<&str>, now: Timestamp) -> Result<Sight> {
    let recording = match door.control.get(id) {
        Ok(recording) => Some(Box::new(recording)),
        Err(e) if e.kind == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let member = member(door, headers);
    // A token for another room opens nothing here.
    let here = |recording: &Recording| member.as_ref().is_ok_and(|caller| caller.may_enter(&recording.request.room));
    let refused = match (recording, share) {
        (Some(recording), _) if here(&recording) => return Ok(Sight::Seen(recording, Viewer::Member)),
        (None, _) if member.is_ok() => return Ok(Sight::Nothing),
        (Some(recording), Some(token)) => match door.sharer.check(&recording, token, now) {
            Ok(()) => return Ok(Sight::Seen(recording, Viewer::Guest)),
            // Links end with their recording: then that is what is to be said.
            Err(Refusal::Expired) if Phase::of(&recording, now) == Phase::Expired => {
                return Ok(Sight::Seen(recording, Viewer::Guest));
            }
            Err(Refusal::Expired) => "link_expired",
            Err(Refusal::Revoked) => "revoked",
            Err(Refusal::Forged) => "forged",
        },
        // We signed this link once: what it led to is gone.
        (None, Some(token)) if door.sharer.verify(id, token).is_some() => return Ok(Sight::Nothing),
        (None, Some(_)) => "forged",
        (Some(_) | None, None) => "sign_in",
    };
    // Whoever cannot sign in here need not be asked to.
    let denied = member.map_or_else(|e| e.kind != ErrorKind::Unauthenticated, |_| true);
    Ok(Sight::Refused(if denied && refused == "sign_in" { "denied" } else { refused }))
}

/// Does the REST door let this request in? The cookie stands for the header that browsers cannot send by themselves.
pub fn member(door: &Door, headers: &HeaderMap) -> Result<Caller> {
    let bearer = cookie(headers).and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    match bearer.filter(|_| !headers.contains_key(AUTHORIZATION)) {
        Some(bearer) => {
            let mut headers = headers.clone();
            headers.insert(AUTHORIZATION, bearer);
            door.guard.check(&headers)
        }
        None => door.guard.check(headers),
    }
}

/// Like [`member`], of every room.
pub fn member_of_all(door: &Door, headers: &HeaderMap) -> Result<()> {
    match member(door, headers)?.room {
        None => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::PermissionDenied, "the token is for one room only")),
    }
}

/// The token that the login left in the browser.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE_NAME).map(|(_, token)| token)
}
