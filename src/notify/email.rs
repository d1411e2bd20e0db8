//! Pure. The email "Your recording is ready": its words and its name; nothing of how it leaves.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

use super::words::Words;
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Event, Limit, Outcome, Owner, Recording, some};

/// Who writes, and what only others know.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    /// Where the recording is watched.
    pub link: &'a str,
    /// Who writes.
    pub brand: &'a str,
    /// Where people get help.
    pub support: Option<&'a str>,
    /// The sender's domain.
    pub domain: &'a str,
    /// The owner's; UTC when it is not known, and then said.
    pub zone: Option<TimeZone>,
}

/// An email, the same to the letter however often it is written for one job.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Email {
    /// `Message-ID`, with its brackets.
    pub message_id: String,
    /// Separates the parts.
    pub boundary: String,
    /// `Date`.
    pub date: Timestamp,
    /// `Content-Language`.
    pub language: &'static str,
    pub subject: &'static str,
    pub text: String,
    pub html: String,
}

impl Email {
    /// Writes it, in the owner's language.
    pub fn write(event: Event, about: &Recording, owner: &Owner, setting: &Setting) -> Result<Self> {
        let words = Words::of(owner.locale.as_deref());
        let zone = setting.zone.clone().unwrap_or(TimeZone::UTC);
        let zone_name = zone.iana_name().unwrap_or("UTC").to_owned();
        let made = about.created_at.to_zoned(zone.clone());
        let name = owner.name.as_deref().map(one_line).filter(|name| !name.is_empty());
        let room = one_line(&about.request.room);
        let facts = [
            (words.room, Some(room.clone())),
            (words.date, Some(made.strftime("%Y-%m-%d").to_string())),
            (words.time, Some(format!("{} ({zone_name})", made.strftime("%H:%M")))),
            (words.duration, duration(about)),
            (words.kept, kept(words, about, &zone)),
        ];
        let facts: Vec<_> = facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let values = context! {
            language => words.language,
            subject => words.subject,
            hello => name.map_or(words.hello_somebody.to_owned(), |name| words.hello.replace("{name}", &name)),
            ready => words.ready.replace("{room}", &room),
            facts,
            incidents => incidents(words, about),
            link => setting.link,
            open => words.open,
            keep => about.expires_at.map(|_| words.keep),
            steps => words.steps,
            support_words => words.support,
            support => setting.support,
            automatic => words.automatic,
            brand => one_line(setting.brand),
        };
        let hash = hash(&[about.id.as_str(), event.name(), &owner.email]);
        Ok(Self {
            message_id: format!("<{}.{}.{hash}@{}>", about.id, event.name(), setting.domain),
            boundary: format!("greffier-{hash}"),
            date: about.updated_at,
            language: words.language,
            subject: words.subject,
            text: render("ready.txt", include_str!("emails/ready.txt"), &values)?,
            html: render("ready.html", include_str!("emails/ready.html"), &values)?,
        })
    }
}

/// An address as logs may show it: `j***@example.org`.
pub(super) fn mask(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((user, domain)) => format!("{}***@{domain}", user.chars().next().map(String::from).unwrap_or_default()),
        None => "***".to_owned(),
    }
}

/// The name's ending says whether values are escaped.
fn render(name: &str, template: &str, values: &minijinja::Value) -> Result<String> {
    let wrong = |e: minijinja::Error| Error::new(ErrorKind::Internal, format!("the email template {name}: {e:#}"));
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(wrong)?);
    environment.add_template(name, template).map_err(wrong)?;
    environment.get_template(name).and_then(|template| template.render(values)).map_err(wrong)
}

/// `1:02:03`; nothing when it is not known.
fn duration(about: &Recording) -> Option<String> {
    let seconds = about.media?.duration_ns.checked_div(1_000_000_000).filter(|seconds| *seconds > 0)?;
    Some(format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

fn kept(words: &Words, about: &Recording, zone: &TimeZone) -> Option<String> {
    let until = about.expires_at?;
    let day = SignedDuration::from_hours(24).as_secs();
    let days = (until.duration_since(about.created_at).as_secs() + day / 2) / day;
    let sentence = match days {
        0 => words.until,
        1 => words.until_one_day,
        _ => words.until_days,
    };
    let format = if days == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d" };
    let date = until.to_zoned(zone.clone()).strftime(format).to_string();
    Some(sentence.replace("{days}", &days.to_string()).replace("{date}", &date))
}

/// What there is to explain, and what is missing.
fn incidents(words: &Words, about: &Recording) -> Vec<String> {
    let mut all: Vec<_> = incident(words, about).into_iter().collect();
    if let Some(notable) = about.health.notable() {
        if notable.holes > 0 {
            let seconds = notable.missing.replace('.', words.decimal);
            all.push(words.holes.replace("{seconds}", &seconds).replace("{at}", &notable.first_at));
        }
        let unseen: Vec<_> = notable.unseen.into_iter().map(|(who, _)| who).collect();
        for (sentence, who) in [(words.quiet, notable.quiet), (words.unseen, unseen)] {
            if !who.is_empty() {
                all.push(sentence.replace("{who}", &one_line(&some(&who))));
            }
        }
    }
    all
}

/// How it ended, when there is something to explain.
fn incident(words: &Words, about: &Recording) -> Option<String> {
    match about.state.outcome()? {
        Outcome::CutShort(failure) => Some(words.cut_short.replace("{why}", &one_line(&failure.words))),
        Outcome::LimitReached(Limit::Duration) => Some(words.limit_duration.to_owned()),
        Outcome::LimitReached(Limit::Size) => Some(words.limit_size.to_owned()),
        Outcome::Complete(_) | Outcome::Aborted(_) | Outcome::Failed(_) => None,
    }
}

/// Names come from outside: nothing in them may begin a new line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// 16 hexadecimal digits.
fn hash(parts: &[&str]) -> String {
    let hash = digest(&SHA256, parts.join("\n").as_bytes());
    hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Failure, Limits, Media, Options, Output, Policy, Reason, Request, State};

    fn written(room: &str, outcome: Outcome, zone: Option<TimeZone>, owner: Owner) -> Email {
        let request = Request { room: room.into(), output: Output::ogg(), limits: Limits::default() };
        let policy = Policy { expires_after: Some(SignedDuration::from_hours(24)), ..Policy::default() };
        let at = "2026-11-22T23:30:00Z".parse().unwrap();
        let id = RecordingId::new("EG_a");
        let (mut one, _) = Recording::begin(id, "m".into(), request, Options::default(), &policy, at);
        one.media = Some(Media { bytes: 1, duration_ns: 3_723_999_999_999 });
        one.state = State::Ended(outcome);
        let setting =
            Setting { link: "https://g/recording/EG_a?t=1&u=2", brand: "G", support: None, domain: "x", zone };
        Email::write(Event::Ended, &one, &owner, &setting).unwrap()
    }

    fn owner(locale: &str) -> Owner {
        Owner { email: "ada@example.org".into(), name: None, locale: Some(locale.into()), time_zone: None }
    }

    #[test]
    fn times_are_the_owners_and_utc_says_so() {
        let stopped = || Outcome::Complete(Reason::Stopped);
        let paris = written("r", stopped(), TimeZone::get("Europe/Paris").ok(), owner("fr")).text;
        assert!(paris.contains("2026-11-23") && paris.contains("00:30 (Europe/Paris)"), "{paris}");
        assert!(paris.contains("un jour, jusqu’au 2026-11-24") && paris.contains("1:02:03"), "{paris}");
        let utc = written("r", stopped(), None, owner("en")).text;
        assert!(utc.contains("2026-11-22") && utc.contains("23:30 (UTC)"), "{utc}");
    }

    #[test]
    fn what_comes_from_outside_is_escaped_and_stays_on_its_line() {
        let failure = Outcome::CutShort(Failure::new(ErrorKind::Internal, "a <b>\r\nc"));
        let one = written("<script>alert('x')</script>\r\nBcc: a@b.c", failure, None, owner("en"));
        assert!(!one.html.contains("<script>") && one.html.contains("&lt;script&gt;"), "{}", one.html);
        assert!(one.html.contains("a &lt;b&gt;  c"), "{}", one.html);
        assert!(!one.text.lines().any(|line| line.starts_with("Bcc:")), "{}", one.text);
        assert!(one.text.contains("<https://g/recording/EG_a?t=1&u=2>"), "{}", one.text);
        assert!(one.html.contains("t=1&amp;u=2"), "{}", one.html);
    }

    #[test]
    fn a_letter_has_one_name_however_often_it_is_written() {
        let write = |email: &str| {
            let owner = Owner { email: email.into(), ..owner("en") };
            written("r", Outcome::LimitReached(Limit::Duration), None, owner)
        };
        assert_eq!(write("a@x.org"), write("a@x.org"));
        assert_ne!(write("a@x.org").message_id, write("b@x.org").message_id);
        assert_eq!(mask("jean@example.org"), "j***@example.org");
        assert_eq!((mask("@x"), mask("nobody")), ("***@x".into(), "***".into()));
    }
}
