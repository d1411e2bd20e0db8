//! `POST /login` keeps an API token in a cookie that scripts cannot read, `POST /logout` takes it away.

use std::collections::HashMap;
use std::time::Instant;

use minijinja::context;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::header::{AUTHORIZATION, LOCATION, SET_COOKIE};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::{Pages, shown};
use crate::api::auth::COOKIE_NAME;
use crate::api::auth::{Asker, Rejected, asker};
use crate::api::reply;
use crate::api::reply::secured;
use crate::error::Result;

/// More than any token and address need.
const BYTES: u64 = 8 * 1024;

/// Both.
pub fn routes(pages: &Pages) -> BoxedFilter<(Response,)> {
    let pages = pages.clone();
    let login = warp::path!("login")
        .and(warp::post())
        .and(asker())
        .and(warp::body::content_length_limit(BYTES))
        .and(warp::body::form())
        .map(move |asker: Asker, form: HashMap<String, String>| match login(&pages, &asker, &form) {
            Ok(answer) => shown(&pages, &asker.headers, answer),
            Err(refused) => secured(reply::refused(&refused)),
        });
    let logout = warp::path!("logout")
        .and(warp::post())
        .map(|| secured(moved("/", &format!("{COOKIE_NAME}=; Path=/; Max-Age=0"))));
    login.or(logout).unify().boxed()
}

/// Wrong tokens are counted, as everywhere.
fn login(
    pages: &Pages,
    asker: &Asker,
    form: &HashMap<String, String>,
) -> std::result::Result<Result<Response>, Rejected> {
    let token = form.get("token").map_or("", |token| token.trim());
    let next = form.get("next").map(String::as_str).filter(|next| is_ours(next)).unwrap_or("/");
    // The form itself comes from a page: what is to be judged is the token alone.
    let mut shown = asker.clone();
    let is_token = !token.is_empty() && token.bytes().all(is_cookie_octet);
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| is_token);
    shown.headers.insert(AUTHORIZATION, bearer.unwrap_or(HeaderValue::from_static("-")));
    if let Err(refused) = pages.api.guard.look(&shown, Instant::now()) {
        if refused.wait.is_some() {
            return Err(refused);
        }
        let language = pages.language(&asker.headers);
        let (headline, more) = (language.text("sign_in"), language.text("wrong_token"));
        let own = context! { name => "sign_in", headline, more, next => Some(next), wrong => true };
        return Ok(pages.render(401, &language, "notice.html", own));
    }
    let secure = if pages.api.sharer.base().starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    Ok(Ok(secured(moved(next, &cookie))))
}

/// RFC 6265, 4.1.1.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

/// A path here, not somebody else's host.
fn is_ours(next: &str) -> bool {
    next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// 303: to be fetched by GET.
fn moved(to: &str, cookie: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    for (name, value) in [(LOCATION, to), (SET_COOKIE, cookie)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderMap;
    use warp::http::header::COOKIE;

    use super::*;
    use crate::api::auth::cookie;

    #[test]
    fn a_login_leads_nowhere_else() {
        assert!(is_ours("/") && is_ours("/recording/EG_x?s=1"));
        for other in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "javascript:x"] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |text: &str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(text).unwrap())]);
        assert_eq!(cookie(&headers("a=b; greffier_token=abc; c")), Some("abc"));
        assert_eq!(cookie(&headers("xgreffier_token=abc")), None);
    }
}
