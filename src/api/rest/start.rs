//! What a client asks of a recording, read and checked: every error names its field.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::recording::{Container, Encoding, Options, Owner};
use crate::storage::check_key;

/// For whoever sends nothing.
pub const EXAMPLE: &str = "{\"mode\": \"screen_recording\"}";
/// An idempotency key's most bytes.
const IDEMPOTENCY_BYTES: usize = 255;
/// Most characters of a shown name.
const NAME: usize = 200;
/// A mail address's most bytes (RFC 5321, 4.5.3.1.3).
const EMAIL_BYTES: usize = 254;
/// A hundred years.
const DAYS: u32 = 36_525;
/// A week.
const MAX_DURATION: u32 = 7 * 86_400;

/// The body of start-recording, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    mode: Option<String>,
    #[serde(default)]
    options: Wanted,
}

/// `options`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    layout: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    framerate: Option<u32>,
    video_bitrate: Option<u32>,
    max_duration: Option<u32>,
    language: Option<String>,
    transcribe: Option<bool>,
    collect_metadata: Option<bool>,
    original_mode: Option<String>,
    owner: Option<WantedOwner>,
    output_key: Option<String>,
    expires_in_days: Option<u32>,
    expires_after: Option<u32>,
    idempotency_key: Option<String>,
}

/// `options.owner`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedOwner {
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
}

/// A request that can be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartBody {
    /// `mode`.
    pub mode: String,
    /// How to encode, from `options`.
    pub encoding: Encoding,
    /// `options.max_duration`.
    pub max_duration: Option<Duration>,
    /// The rest of `options`.
    pub options: Options,
}

impl StartBody {
    /// Checks a request. The error names the field.
    pub fn read(body: Body) -> Result<Self> {
        let mode = body.mode.ok_or_else(|| {
            Error::invalid("mode", "missing; send {\"mode\": \"screen_recording\"} or {\"mode\": \"transcript\"}")
        })?;
        body.options.checked(mode).map_err(|e| e.below("options."))
    }

    /// Takes the idempotency key of a header too.
    pub fn with_idempotency_key(mut self, header: Option<&str>) -> Result<Self> {
        let Some(header) = header else { return Ok(self) };
        if !is_idempotency_key(header) {
            return Err(Error::invalid("Idempotency-Key", format!("not {IDEMPOTENCY}")));
        }
        match &self.options.idempotency_key {
            Some(own) if own != header => {
                Err(Error::invalid("Idempotency-Key", "differs from options.idempotency_key; send one of them"))
            }
            Some(_) | None => {
                self.options.idempotency_key = Some(header.to_owned());
                Ok(self)
            }
        }
    }

    /// The key must end as the mode's files do.
    pub fn check_key(&self, container: Container) -> Result<()> {
        let extension = format!(".{}", container.extension());
        match &self.options.key {
            Some(key) if !key.ends_with(&extension) => Err(Error::invalid(
                "options.output_key",
                format!("must end in {extension}, which is what this mode makes"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

const IDEMPOTENCY: &str = "1 to 255 printable ASCII characters";

impl Wanted {
    fn checked(self, mode: String) -> Result<StartBody> {
        let expires_after = self.expires_after()?;
        let (layout, width, height) = (self.layout, self.width, self.height);
        let encoding = Encoding { layout, width, height, framerate: self.framerate, video_bitrate: self.video_bitrate };
        let seconds = within("max_duration", self.max_duration, 1..=MAX_DURATION, "seconds")?;
        let options = Options {
            language: passing("language", self.language, "a language such as fr or auto", is_tag)?,
            transcribe: self.transcribe,
            collect_metadata: self.collect_metadata,
            original_mode: self.original_mode,
            owner: self.owner.map(WantedOwner::checked).transpose().map_err(|e| e.below("owner."))?,
            key: passing("output_key", self.output_key, "a relative path such as meetings/daily.mp4", is_key)?,
            expires_after,
            idempotency_key: passing("idempotency_key", self.idempotency_key, IDEMPOTENCY, is_idempotency_key)?,
            ..Options::default()
        };
        Ok(StartBody { mode, encoding, max_duration: seconds.map(|n| Duration::from_secs(n.into())), options })
    }

    fn expires_after(&self) -> Result<Option<SignedDuration>> {
        let days = within("expires_in_days", self.expires_in_days, 1..=DAYS, "days")?;
        let seconds = within("expires_after", self.expires_after, 60..=u32::MAX, "seconds")?;
        match (days, seconds) {
            (Some(_), Some(_)) => {
                Err(Error::invalid("expires_after", "expires_in_days is there too; send one of them"))
            }
            (Some(days), None) => Ok(Some(SignedDuration::from_hours(i64::from(days) * 24))),
            (None, Some(seconds)) => Ok(Some(SignedDuration::from_secs(seconds.into()))),
            (None, None) => Ok(None),
        }
    }
}

impl WantedOwner {
    fn checked(self) -> Result<Owner> {
        let email = passing("email", self.email, "a mail address such as ada@example.org", is_email)?;
        Ok(Owner {
            email: email.ok_or_else(|| Error::invalid("email", "missing; an owner is who gets the mail"))?,
            name: passing("name", self.name, "a name of at most 200 characters on one line", is_name)?,
            locale: passing("locale", self.locale, "a language such as fr or pt-BR", is_tag)?,
            time_zone: passing("time_zone", self.time_zone, "an IANA time zone such as Europe/Paris", is_time_zone)?,
        })
    }
}

fn within(field: &str, number: Option<u32>, range: RangeInclusive<u32>, unit: &str) -> Result<Option<u32>> {
    match number {
        Some(n) if !range.contains(&n) => {
            let (low, high) = (range.start(), range.end());
            Err(Error::invalid(field, format!("{n} is out of range; use {low} to {high} {unit}")))
        }
        n => Ok(n),
    }
}

/// A text that passes; the error says what it should be, not what it is.
fn passing(field: &str, text: Option<String>, wanted: &str, passes: fn(&str) -> bool) -> Result<Option<String>> {
    match text {
        Some(text) if !passes(&text) => Err(Error::invalid(field, format!("not {wanted}"))),
        text => Ok(text),
    }
}

/// Relative, plain, and the same for every store: nothing that climbs, hides, or is written in two ways.
fn is_key(key: &str) -> bool {
    let plain = |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && segment.trim() == segment;
    check_key(key).is_ok() && key.split('/').all(plain) && !key.chars().any(|c| c.is_control() || "\\%?#".contains(c))
}

/// Only what could break a letter's head or be no address at all; whether it arrives, its server says.
fn is_email(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>(),;:\"[]\\".contains(c);
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= EMAIL_BYTES
        && (1..=64).contains(&local.len())
        && !local.contains('@')
        && text.chars().all(plain)
        && domain.split('.').all(label)
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= NAME && !text.chars().any(char::is_control)
}

/// BCP 47 in outline; an underscore as in `fr_FR` too.
fn is_tag(text: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 35 && text.split(['-', '_']).all(part) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_time_zone(text: &str) -> bool {
    text.len() <= 64 && TimeZone::get(text).is_ok()
}

fn is_idempotency_key(text: &str) -> bool {
    (1..=IDEMPOTENCY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document;

    fn start(body: serde_json::Value) -> Result<StartBody> {
        StartBody::read(document::read(body, "")?)
    }

    #[test]
    fn every_option_is_read() {
        let plain = start(json!({"mode": "transcript", "options": null})).unwrap();
        assert_eq!((plain.mode.as_str(), plain.options), ("transcript", Options::default()));
        let full = start(json!({"mode": "m", "options": {
            "language": "fr", "transcribe": true, "width": 640, "max_duration": 60, "output_key": "a/b é.mp4",
            "owner": {"email": "ada@example.org", "name": "Ada", "locale": "fr-FR", "time_zone": "Europe/Paris"},
            "expires_in_days": 2, "idempotency_key": "k",
        }}))
        .unwrap();
        assert_eq!((full.options.transcribe, full.encoding.width), (Some(true), Some(640)));
        assert_eq!(full.max_duration, Some(Duration::from_secs(60)));
        assert_eq!(full.options.expires_after, Some(SignedDuration::from_hours(48)));
        assert_eq!(full.options.owner.as_ref().unwrap().time_zone.as_deref(), Some("Europe/Paris"));
        assert!(full.check_key(Container::Mp4).is_ok());
        assert!(
            full.check_key(Container::Ogg).unwrap_err().message.starts_with("options.output_key: must end in .ogg")
        );
        assert!(full.clone().with_idempotency_key(Some("k")).is_ok());
        assert!(full.clone().with_idempotency_key(Some("l")).unwrap_err().message.starts_with("Idempotency-Key: "));
        assert!(full.with_idempotency_key(Some("")).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (options, field) in [
            (json!({"colour": 1}), "colour: there is no such field"),
            (json!({"width": -1}), "width: expected a whole number"),
            (json!({"language": "fr\r\nX"}), "language: not a language"),
            (json!({"max_duration": 0}), "max_duration: 0 is out of range"),
            (json!({"owner": {"name": "Ada"}}), "owner.email: missing"),
            (json!({"owner": {}}), "owner.email: missing"),
            (json!({"owner": {"email": 77}}), "owner.email: expected a string (numbers in quotes), found a number"),
            (json!({"owner": {"email": "ada@example.org", "x": 1}}), "owner.x: there is no such field"),
            (
                json!({"owner": {"email": "ada@example.org", "time_zone": "Mars/Olympus"}}),
                "owner.time_zone: not an IANA",
            ),
            (json!({"owner": {"email": "ada@example.org", "name": "A\nBcc: x"}}), "owner.name: not a name"),
            (json!({"owner": "ada@example.org"}), "owner: expected an object"),
            (json!({"expires_in_days": 1, "expires_after": 60}), "expires_after: expires_in_days is there too"),
            (json!({"expires_after": 59}), "expires_after: 59 is out of range"),
            (json!({"idempotency_key": "é"}), "idempotency_key: not 1 to 255"),
        ] {
            let message = start(json!({"mode": "m", "options": options})).unwrap_err().message;
            assert!(message.starts_with(&format!("options.{field}")), "{message}");
        }
        for (body, field) in [
            (json!({}), "mode: missing"),
            (json!({"mode": 3}), "mode: expected a string"),
            (json!({"mode": "m", "extra": 1}), "extra: there is no such field"),
            (json!({"mode": "m", "options": "x"}), "options: expected an object"),
        ] {
            assert!(start(body).unwrap_err().message.starts_with(field));
        }
    }

    #[test]
    fn keys_stay_where_they_belong() {
        for right in ["a.mp4", "a/b/c.mp4", "réunion du 3.mp4", ".hidden/a.mp4", "a..b.mp4"] {
            assert!(is_key(right), "{right}");
        }
        let long = "a".repeat(crate::storage::SEGMENT + 1);
        for wrong in [
            "",
            "/a.mp4",
            "a//b.mp4",
            "../a.mp4",
            "a/../b.mp4",
            "a/..",
            "./a.mp4",
            "a\0.mp4",
            "a\n.mp4",
            "a\\b.mp4",
            "a%2Fb.mp4",
            "%2e%2e/a.mp4",
            " a.mp4",
            "a/ b.mp4",
            "a?.mp4",
            &long,
        ] {
            assert!(!is_key(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn mail_addresses_are_addresses() {
        for right in ["ada@example.org", "a.b+c@x", "é@example.org"] {
            assert!(is_email(right), "{right}");
        }
        for wrong in ["", "ada", "@x", "a@", "a@b@c", "a b@x", "a@x\r\nBcc: y@z", "<a@x>", "a@x,b@y", "a@-x", "a@x..y"]
        {
            assert!(!is_email(wrong), "{wrong:?}");
        }
    }
}
