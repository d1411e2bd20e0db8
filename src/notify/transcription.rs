//! Orders a transcript from a transcription service of La Suite's "summary" kind, version 2.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::settings::Transcription;
use super::{Links, http, words};
use crate::error::{Attempt, Error, Undelivered};
use crate::recording::{Owner, Recording};

const WHOM: &str = "transcription service";

/// Orders it once.
pub(super) async fn order(web: &reqwest::Client, service: &Transcription, about: &Recording, links: &Links) -> Attempt {
    let Some(owner) = &about.options.owner else {
        let why = "missing; the transcription service must know whose transcript it is";
        return Err(Undelivered::Never(Error::invalid("options.owner", why)));
    };
    let url = links.sign(about).await?;
    let zone = owner.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
    let body = body(service, about, owner, &url, &links.page(about), zone);
    let mut request = web.post(&service.endpoint).json(&body);
    if let Some(token) = &service.api_token {
        request = request.bearer_auth(token.expose());
    }
    let answer = http::send(request, WHOM).await?.taken(WHOM)?;
    let job = serde_json::from_slice::<Value>(&answer.body).ok();
    let job = job.as_ref().and_then(|answer| answer.get("job_id")).and_then(Value::as_str).unwrap_or("without a name");
    tracing::info!(recording = %about.id, job, "transcription requested");
    Ok(())
}

fn body(
    service: &Transcription,
    about: &Recording,
    owner: &Owner,
    url: &str,
    page: &str,
    zone: Option<TimeZone>,
) -> Value {
    let locale = owner.locale.as_deref();
    let language = about.options.language.clone().or_else(|| service.language.clone());
    json!({
        "user_sub": owner.email,
        "user_email": owner.email,
        "cloud_storage_url": url,
        "language": language.unwrap_or_else(|| words::prefix(locale.unwrap_or("en"))),
        "context_language": locale.map(words::prefix),
        "push_to_docs_config": {
            "user_email": owner.email,
            "title": title(&about.request.room, about.started_at, zone),
            "download_link": page,
            "form_link": service.form_link,
            "auto_create_summary": service.auto_create_summary,
        },
        // Nobody collects who spoke when, yet; without it the service numbers the speakers.
        "metadata": null,
    })
}

/// In UTC when the owner's zone is not known.
fn title(room: &str, started_at: Option<Timestamp>, zone: Option<TimeZone>) -> String {
    match started_at {
        Some(at) => {
            let at = at.to_zoned(zone.unwrap_or(TimeZone::UTC));
            format!("Meeting \"{room}\" on {} at {}", at.strftime("%Y-%m-%d"), at.strftime("%H:%M"))
        }
        None => "Transcription".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Limits, Options, Output, Policy, Request};

    #[test]
    fn it_is_what_the_service_expects() {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let owner = Owner {
            email: "ada@example.org".into(),
            name: None,
            locale: Some("fr-CA".into()),
            time_zone: Some("Europe/Paris".into()),
        };
        let options = Options { owner: Some(owner.clone()), ..Options::default() };
        let at = "2026-11-22T23:30:00Z".parse().unwrap();
        let id = RecordingId::new("EG_a");
        let (mut one, _) = Recording::begin(id, "transcript".into(), request, options, &Policy::default(), at);
        one.started_at = Some(at);
        let service = Transcription { auto_create_summary: true, ..Transcription::new("http://summary/") };
        let body = body(
            &service,
            &one,
            &owner,
            "https://s3/signed",
            "https://g/recording/EG_a",
            TimeZone::get("Europe/Paris").ok(),
        );
        let wanted = json!({
            "user_sub": "ada@example.org", "user_email": "ada@example.org",
            "cloud_storage_url": "https://s3/signed", "language": "fr", "context_language": "fr",
            "push_to_docs_config": {
                "user_email": "ada@example.org", "title": "Meeting \"daily\" on 2026-11-23 at 00:30",
                "download_link": "https://g/recording/EG_a", "form_link": null, "auto_create_summary": true,
            },
            "metadata": null,
        });
        assert_eq!(body, wanted);
    }
}
