//! `GET /recording/{id}`: a recording as people see it, and `…/state`, by which the page follows it.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::context;
use serde_json::json;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::language::{Language, clock, duration};
use super::{Pages, shown};
use crate::api::auth::{Asker, asker};
use crate::api::auth::{Sight, Viewer, sight};
use crate::api::phase::{Phase, note};
use crate::api::reply;
use crate::api::reply::{fetched, secured};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Hole, Recording, some};

/// So many times without media are listed.
const GAPS: usize = 20;

/// `?s=`: the token of a share link.
type Query = HashMap<String, String>;

/// The page in every state, whoever asks.
pub fn page(pages: &Pages) -> BoxedFilter<(Response,)> {
    let pages = pages.clone();
    warp::path!("recording" / String)
        .and(fetched())
        .and(asker())
        .and(warp::query::<Query>())
        .then(move |id: String, asker: Asker, query: Query| {
            let pages = pages.clone();
            async move { shown(&pages, &asker.headers, answer(&pages, &asker, &RecordingId::new(id), &query).await) }
        })
        .boxed()
}

/// `{"state", "final", "elapsed"}`; seconds.
pub fn state(pages: &Pages) -> BoxedFilter<(Response,)> {
    let pages = pages.clone();
    warp::path!("recording" / String / "state")
        .and(fetched())
        .and(asker())
        .and(warp::query::<Query>())
        .then(move |id: String, asker: Asker, query: Query| {
            let pages = pages.clone();
            async move { secured(reply::of(figures(&pages, &asker, &RecordingId::new(id), &query).await)) }
        })
        .boxed()
}

async fn answer(pages: &Pages, asker: &Asker, id: &RecordingId, query: &Query) -> Result<Response> {
    let (language, now) = (pages.language(&asker.headers), Timestamp::now());
    let share = query.get("s").map(String::as_str);
    match sight(&pages.api, asker, id, share, now)? {
        Sight::Seen(recording, viewer) => {
            let elapsed = elapsed(pages, &recording, now).await;
            show(pages, &language, &recording, viewer, share, elapsed, now)
        }
        Sight::Nothing => pages.notice(404, &language, "not_found", None),
        Sight::Wait(refused) => Ok(secured(reply::refused(&refused))),
        Sight::Refused("denied") => pages.notice(403, &language, "denied", None),
        Sight::Refused(why) => pages.notice(401, &language, why, Some(&format!("/recording/{id}"))),
    }
}

async fn figures(pages: &Pages, asker: &Asker, id: &RecordingId, query: &Query) -> Result<Response> {
    let now = Timestamp::now();
    match sight(&pages.api, asker, id, query.get("s").map(String::as_str), now)? {
        Sight::Seen(recording, _) => {
            let phase = Phase::of(&recording, now);
            let elapsed = elapsed(pages, &recording, now).await / 1_000_000_000;
            let body = json!({"state": phase.name(), "final": phase.is_final(), "elapsed": elapsed});
            Ok(reply::json(200, &body))
        }
        Sight::Nothing => Err(Error::new(ErrorKind::NotFound, "Not found.")),
        Sight::Wait(refused) => Ok(reply::refused(&refused)),
        Sight::Refused("denied") => Err(Error::new(ErrorKind::PermissionDenied, "You may not see this.")),
        Sight::Refused(_) => Err(Error::new(ErrorKind::Unauthenticated, "This link or token is not accepted.")),
    }
}

/// Nanoseconds of media so far; without figures, time since media began to flow.
async fn elapsed(pages: &Pages, recording: &Recording, now: Timestamp) -> u64 {
    if !Phase::of(recording, now).is_live() {
        return 0;
    }
    let progress = pages.api.control.progress().await.unwrap_or_default();
    let since = recording.started_at.map(|at| now.duration_since(at).as_nanos());
    let since = since.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0);
    progress.get(&recording.id).map_or(since, |progress| progress.duration_ns)
}

/// What is missing, in sentences. Names are those that people in the room saw, so guests may read them too.
fn flaws(language: &Language<'_>, recording: &Recording) -> Vec<String> {
    let Some(notable) = recording.health.notable() else { return vec![] };
    let holes = (notable.holes > 0).then(|| {
        let seconds = notable.missing.replace('.', language.text("decimal"));
        language.text("holes").replace("{seconds}", &seconds).replace("{at}", &notable.first_at)
    });
    let whose =
        |name: &str, who: Vec<String>| (!who.is_empty()).then(|| language.text(name).replace("{who}", &some(&who)));
    let unseen = notable.unseen.into_iter().map(|(who, _)| who).collect();
    [holes, whose("quiet", notable.quiet), whose("unseen", unseen)].into_iter().flatten().collect()
}

/// Each time without media: where it is in the recording, and when it was.
fn gaps(recording: &Recording, zone: &TimeZone) -> Vec<String> {
    let gap = |hole: &Hole| {
        let at = format!("{} – {}", clock(hole.from_ns), clock(hole.to_ns));
        let wall = |ns: u64| {
            let since = SignedDuration::from_nanos(i64::try_from(ns).ok()?);
            Some(recording.started_at?.checked_add(since).ok()?.to_zoned(zone.clone()))
        };
        match (wall(hole.from_ns), wall(hole.to_ns)) {
            (Some(from), Some(to)) => format!("{at} ({} – {})", from.strftime("%H:%M:%S"), to.strftime("%H:%M:%S %Z")),
            (Some(_) | None, _) => at,
        }
    };
    recording.health.holes.iter().filter(|hole| hole.is_notable()).take(GAPS).map(gap).collect()
}

fn show(
    pages: &Pages,
    language: &Language<'_>,
    recording: &Recording,
    viewer: Viewer,
    share: Option<&str>,
    elapsed: u64,
    now: Timestamp,
) -> Result<Response> {
    let phase = Phase::of(recording, now);
    let zone = recording.options.owner.as_ref().and_then(|owner| owner.time_zone.as_deref());
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let day = |at: Timestamp| context! { iso => at.to_string(), words => language.date(at, &zone) };
    // A guest's player and poll show the same token; a member has a cookie or needs none.
    let share = share.filter(|_| viewer == Viewer::Guest);
    let query = share.map_or(String::new(), |token| format!("?s={token}"));
    let and = if query.is_empty() { "?" } else { "&" };
    let base = format!("/recording/{}", recording.id);
    let media = recording.media.filter(|_| phase == Phase::Ready);
    let size = recording.request.output.video().map(|video| (video.size.width.get(), video.size.height.get()));
    // What broke may tell of the inside of this machine.
    let failure = (viewer == Viewer::Member && phase == Phase::Failed)
        .then(|| recording.state.outcome().map(|outcome| outcome.words()))
        .flatten();
    let own = context! {
        phase => phase.name(),
        is_final => phase.is_final(),
        headline => language.text(phase.name()),
        more => language.text(&format!("{}_more", phase.name())),
        room => recording.request.room.as_str(),
        player => language.text("player").replace("{room}", &recording.request.room),
        video => size.is_some(),
        width => size.map(|(width, _)| width),
        height => size.map(|(_, height)| height),
        media => format!("{base}/media{query}"),
        download => format!("{base}/media{query}{and}download=1"),
        state => format!("{base}/state{query}"),
        date => day(recording.started_at.unwrap_or(recording.created_at)),
        expires => recording.expires_at.filter(|_| matches!(phase, Phase::Ready | Phase::Expired)).map(day),
        duration => media.filter(|media| media.duration_ns > 0).map(|media| duration(media.duration_ns)),
        size => media.map(|media| language.size(media.bytes)),
        note => note(recording).filter(|_| phase == Phase::Ready).map(|name| language.text(name)),
        gaps => if phase == Phase::Ready { gaps(recording, &zone) } else { vec![] },
        flaws => if phase == Phase::Ready { flaws(language, recording) } else { vec![] },
        failure,
        elapsed => (phase == Phase::Recording).then_some(elapsed / 1_000_000_000),
        clock => clock(elapsed),
        member => viewer == Viewer::Member,
    };
    pages.render(200, language, "recording.html", own)
}
