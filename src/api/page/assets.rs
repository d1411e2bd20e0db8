//! Style, scripts and icon: part of the program, under addresses that change with their content.

use aws_lc_rs::digest;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::reply::Response;

use crate::api::reply;
use crate::api::reply::{fetched, secured};
use crate::error::{Error, ErrorKind};

/// Name, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("recording.js", "text/javascript; charset=utf-8", include_str!("assets/recording.js")),
    ("dashboard.js", "text/javascript; charset=utf-8", include_str!("assets/dashboard.js")),
    ("times.js", "text/javascript; charset=utf-8", include_str!("assets/times.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// What every address begins with: `/assets/<hash of all files>`.
pub fn base() -> String {
    format!("/assets/{}", version())
}

/// `GET /assets/{hash}/{name}`: open to all, kept by browsers for a year.
pub fn route() -> BoxedFilter<(Response,)> {
    let version = version();
    warp::path!("assets" / String / String)
        .and(fetched())
        .map(move |hash: String, name: String| {
            let Some((_, kind, text)) = FILES.iter().find(|(known, ..)| *known == name && hash == version) else {
                return reply::error(&Error::new(ErrorKind::NotFound, "Not found."));
            };
            let mut response = Response::new((*text).into());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let mut response = secured(response);
            let year = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(CACHE_CONTROL, year);
            response
        })
        .boxed()
}

fn version() -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for (name, _, text) in FILES {
        hash.update(name.as_bytes());
        hash.update(text.as_bytes());
    }
    hash.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
