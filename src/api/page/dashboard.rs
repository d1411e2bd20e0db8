//! `GET /`: what runs and what there is, and `/dashboard`, by which the page follows it.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use serde_json::json;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::language::{Language, clock, duration};
use super::{Pages, shown};
use crate::api::auth::{Asker, asker};
use crate::api::auth::{cookie, member_of_all};
use crate::api::phase::Phase;
use crate::api::reply;
use crate::api::reply::{fetched, secured};
use crate::error::{ErrorKind, Result};
use crate::recording::Recording;

/// Recordings of a page.
const PAGE: usize = 20;

/// `?page=` from 1.
type Query = HashMap<String, String>;

/// What the page shows.
struct Board {
    live: Vec<Live>,
    past: Vec<Past>,
    page: usize,
    pages: usize,
}

/// One that runs.
#[derive(Serialize)]
struct Live {
    id: String,
    room: String,
    phase: &'static str,
    /// Seconds.
    elapsed: u64,
    clock: String,
    size: String,
    participants: usize,
    speaker: Option<String>,
}

/// One that does not run any more.
#[derive(Serialize)]
struct Past {
    id: String,
    room: String,
    phase: &'static str,
    state: String,
    iso: String,
    date: String,
    duration: Option<String>,
    size: Option<String>,
}

/// The dashboard, or the login.
pub fn page(pages: &Pages) -> BoxedFilter<(Response,)> {
    let pages = pages.clone();
    warp::path::end()
        .and(fetched())
        .and(asker())
        .and(warp::query::<Query>())
        .then(move |asker: Asker, query: Query| {
            let pages = pages.clone();
            async move { shown(&pages, &asker.headers, answer(&pages, &asker, &query).await) }
        })
        .boxed()
}

/// `{"version", "live": {id: figures}}`; with another version the page fetches itself anew.
pub fn state(pages: &Pages) -> BoxedFilter<(Response,)> {
    let pages = pages.clone();
    warp::path!("dashboard")
        .and(fetched())
        .and(asker())
        .and(warp::query::<Query>())
        .then(move |asker: Asker, query: Query| {
            let pages = pages.clone();
            async move { secured(reply::of(figures(&pages, &asker, &query).await)) }
        })
        .boxed()
}

async fn answer(pages: &Pages, asker: &Asker, query: &Query) -> Result<Response> {
    let language = pages.language(&asker.headers);
    if let Err(refused) = member_of_all(&pages.api, asker) {
        return if refused.wait.is_some() {
            Ok(secured(reply::refused(&refused)))
        } else if refused.error.kind == ErrorKind::Unauthenticated {
            pages.notice(401, &language, "sign_in", Some("/"))
        } else {
            pages.notice(403, &language, "denied", None)
        };
    }
    let board = board(pages, &language, number(query)).await?;
    let position = language.text("page_of").replace("{pages}", &board.pages.to_string());
    let own = context! {
        version => board.version(),
        live => Value::from(Serde(board.live)),
        past => Value::from(Serde(board.past)),
        page => board.page,
        pages => board.pages,
        position => position.replace("{page}", &board.page.to_string()),
        signed_in => cookie(&asker.headers).is_some(),
    };
    pages.render(200, &language, "dashboard.html", own)
}

async fn figures(pages: &Pages, asker: &Asker, query: &Query) -> Result<Response> {
    if let Err(refused) = member_of_all(&pages.api, asker) {
        return Ok(reply::refused(&refused));
    }
    let board = board(pages, &pages.language(&asker.headers), number(query)).await?;
    let version = board.version();
    let live: HashMap<_, _> = board.live.into_iter().map(|live| (live.id.clone(), live)).collect();
    Ok(reply::json(200, &json!({"version": version, "live": live})))
}

async fn board(pages: &Pages, language: &Language<'_>, page: usize) -> Result<Board> {
    let (control, now) = (&pages.api.control, Timestamp::now());
    // While shutting down there are no figures any more; the list is still good.
    let progress = control.progress().await.unwrap_or_default();
    let mut live = Vec::new();
    for (id, progress) in &progress {
        // One that was forgotten meanwhile is no failure.
        let Some(recording) = control.get(id).ok().filter(|recording| Phase::of(recording, now).is_live()) else {
            continue;
        };
        live.push((
            recording.created_at,
            Live {
                id: id.to_string(),
                room: recording.request.room.clone(),
                phase: Phase::of(&recording, now).name(),
                elapsed: progress.duration_ns / 1_000_000_000,
                clock: clock(progress.duration_ns),
                size: language.size(progress.bytes),
                participants: progress.participants,
                speaker: progress.speaker.clone(),
            },
        ));
    }
    live.sort_by(|a, b| (b.0, &b.1.id).cmp(&(a.0, &a.1.id)));
    let live: Vec<Live> = live.into_iter().map(|(_, live)| live).collect();
    let list = control.page(None, (page - 1).saturating_mul(PAGE), PAGE).await?;
    let is_live = |recording: &&Recording| live.iter().any(|live| live.id == recording.id.as_str());
    let past = list.recordings.iter().filter(|one| !is_live(one)).map(|one| Past::of(one, language, now)).collect();
    Ok(Board { live, past, page, pages: list.count.div_ceil(PAGE).max(1) })
}

impl Board {
    /// Changes whenever there is something else to show than other figures.
    fn version(&self) -> String {
        let live = self.live.iter().map(|live| (&live.id, live.phase));
        let past = self.past.iter().map(|past| (&past.id, past.phase));
        live.chain(past).map(|(id, phase)| format!("{id} {phase},")).chain([self.pages.to_string()]).collect()
    }
}

impl Past {
    fn of(recording: &Recording, language: &Language<'_>, now: Timestamp) -> Self {
        let phase = Phase::of(recording, now);
        let media = recording.media.filter(|_| phase == Phase::Ready);
        let at = recording.started_at.unwrap_or(recording.created_at);
        Self {
            id: recording.id.to_string(),
            room: recording.request.room.clone(),
            phase: phase.name(),
            state: language.text(&format!("state_{}", phase.name())).to_owned(),
            iso: at.to_string(),
            date: language.date(at, &TimeZone::UTC),
            duration: media.filter(|media| media.duration_ns > 0).map(|media| duration(media.duration_ns)),
            size: media.map(|media| language.size(media.bytes)),
        }
    }
}

/// Nonsense is the first page.
fn number(query: &Query) -> usize {
    query.get("page").and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(1)
}
