//! Who may see a recording, its page and its file: the callers of the REST API, also by the cookie of the login, and guests with a
//! share link.

use std::time::Instant;

use jiff::Timestamp;
use warp::http::header::{AUTHORIZATION, COOKIE};
use warp::http::{HeaderMap, HeaderValue};

use super::{Asker, Caller, Rejected};
use crate::api::Api;
use crate::api::phase::Phase;
use crate::api::share::ShareRefusal;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::Recording;

/// Holds the API token of whoever signed in.
pub const COOKIE_NAME: &str = "greffier_token";

/// Somebody who may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Passes the REST API too.
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
    /// Too many wrong tokens or links were shown.
    Wait(Rejected),
}

/// What this request, with the token of its query, may see of the recording of this id. Wrong tokens and links are counted.
pub fn sight(api: &Api, asker: &Asker, id: &RecordingId, share: Option<&str>, now: Timestamp) -> Result<Sight> {
    let recording = match api.control.get(id) {
        Ok(recording) => Some(Box::new(recording)),
        Err(e) if e.kind == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let member = match member(api, asker) {
        Err(refused) if refused.wait.is_some() && share.is_none() => return Ok(Sight::Wait(refused)),
        member => member.map_err(|refused| refused.error),
    };
    // A token for another room opens nothing here.
    let here = |recording: &Recording| member.as_ref().is_ok_and(|caller| caller.may_enter(&recording.request.room));
    let refused = match (recording, share) {
        (Some(recording), _) if here(&recording) => return Ok(Sight::Seen(recording, Viewer::Member)),
        (None, _) if member.is_ok() => return Ok(Sight::Nothing),
        (Some(recording), Some(token)) => match api.sharer.check(&recording, token, now) {
            Ok(()) => return Ok(Sight::Seen(recording, Viewer::Guest)),
            // Links end with their recording: then that is what is to be said.
            Err(ShareRefusal::Expired) if Phase::of(&recording, now) == Phase::Expired => {
                return Ok(Sight::Seen(recording, Viewer::Guest));
            }
            Err(ShareRefusal::Expired) => "link_expired",
            Err(ShareRefusal::Revoked) => "revoked",
            Err(ShareRefusal::Forged) => "forged",
        },
        // We signed this link once: what it led to is gone.
        (None, Some(token)) if api.sharer.verify(id, token).is_some() => return Ok(Sight::Nothing),
        (None, Some(_)) => "forged",
        (Some(_) | None, None) => "sign_in",
    };
    if refused == "forged" {
        let error = Error::new(ErrorKind::Unauthenticated, "a link that is not ours");
        let refused = api.guard.refuse(asker, error, Instant::now());
        if refused.wait.is_some() {
            return Ok(Sight::Wait(refused));
        }
    }
    // Whoever cannot sign in here need not be asked to.
    let denied = member.map_or_else(|e| e.kind != ErrorKind::Unauthenticated, |_| true);
    Ok(Sight::Refused(if denied && refused == "sign_in" { "denied" } else { refused }))
}

/// Does the REST API let this request in? The cookie stands for the header that browsers cannot send by themselves.
pub fn member(api: &Api, asker: &Asker) -> std::result::Result<Caller, Rejected> {
    let bearer = cookie(&asker.headers).and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    match bearer.filter(|_| !asker.headers.contains_key(AUTHORIZATION)) {
        Some(bearer) => {
            let mut asker = asker.clone();
            asker.headers.insert(AUTHORIZATION, bearer);
            api.guard.look(&asker, Instant::now())
        }
        None => api.guard.look(asker, Instant::now()),
    }
}

/// Like [`member`], of every room.
pub fn member_of_all(api: &Api, asker: &Asker) -> std::result::Result<(), Rejected> {
    match member(api, asker)?.room {
        None => Ok(()),
        Some(_) => {
            let error = Error::new(ErrorKind::PermissionDenied, "the token is for one room only");
            Err(Rejected { error, wait: None })
        }
    }
}

/// The token that the login left in the browser.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE_NAME).map(|(_, token)| token)
}
