//! What people see of recordings: a page for each, and a dashboard of all. Everything comes from this program; nothing is
//! asked of anybody else.

mod assets;
mod dashboard;
mod language;
mod login;
mod recording;

use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::api::reply::secured;
use crate::api::{Api, reply};
use crate::error::{Error, ErrorKind, Result};
use language::{Language, Languages};

const TEMPLATES: &[(&str, &str)] = &[
    ("base.html", include_str!("templates/base.html")),
    ("recording.html", include_str!("templates/recording.html")),
    ("notice.html", include_str!("templates/notice.html")),
    ("dashboard.html", include_str!("templates/dashboard.html")),
];

/// What every page is made with.
#[derive(Clone)]
struct Pages {
    api: Api,
    templates: Arc<Environment<'static>>,
    languages: Arc<Languages>,
    /// Where style and scripts are.
    assets: Arc<str>,
}

/// Every route of the pages.
pub fn routes(api: &Api) -> BoxedFilter<(Response,)> {
    let pages = Pages::new(api);
    [
        recording::state(&pages),
        dashboard::page(&pages),
        dashboard::state(&pages),
        assets::route(),
        login::routes(&pages),
    ]
    .into_iter()
    .fold(recording::page(&pages), |some, route| some.or(route).unify().boxed())
}

impl Pages {
    fn new(api: &Api) -> Self {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, text) in TEMPLATES {
            templates.add_template(name, text).expect("the embedded templates are well-formed; a test renders them");
        }
        let (templates, languages, assets) = (Arc::new(templates), Arc::new(Languages::read()), assets::base().into());
        Self { api: api.clone(), templates, languages, assets }
    }

    fn language(&self, headers: &HeaderMap) -> Language<'_> {
        self.languages.wanted(headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
    }

    /// The page of this template; `own` is what it needs besides words and assets.
    fn render(&self, status: u16, language: &Language<'_>, template: &str, own: Value) -> Result<Response> {
        let broken = |e: minijinja::Error| Error::new(ErrorKind::Internal, format!("cannot make {template}: {e:#}"));
        let common =
            context! { lang => language.code, w => Value::from(Serde(language.words)), assets => &*self.assets };
        let page = self.templates.get_template(template).map_err(broken)?;
        let html = page.render(context! { ..own, ..common }).map_err(broken)?;
        let mut response = Response::new(html.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(VARY, HeaderValue::from_static("accept-language, cookie, authorization"));
        if let Ok(code) = HeaderValue::from_str(language.code) {
            headers.insert(CONTENT_LANGUAGE, code);
        }
        if status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Ok(secured(response))
    }

    /// A page that says one thing: the words of this name. `next` is where a login would lead, where one would help.
    fn notice(&self, status: u16, language: &Language<'_>, name: &str, next: Option<&str>) -> Result<Response> {
        let (headline, more) =
            (language.text(name), language.words[format!("{name}_more")].as_str().unwrap_or_default());
        self.render(status, language, "notice.html", context! { name, headline, more, next, wrong => false })
    }
}

/// The page, or the error in its place, in plain words too.
fn shown(pages: &Pages, headers: &HeaderMap, answer: Result<Response>) -> Response {
    answer.unwrap_or_else(|e| {
        tracing::warn!("page: {e}");
        let language = pages.language(headers);
        pages.notice(500, &language, "failure", None).unwrap_or_else(|e| secured(reply::error(&e)))
    })
}
