//! Pure. The page's languages: which one a browser wants, its words, and how it writes dates, sizes and times.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Every language's words: code → name → text. One file, so that a translator needs no other.
const WORDS: &str = include_str!("words.json");
/// For whoever understands none of them.
const USUAL: &str = "en";

/// Every language.
#[derive(Clone, Debug)]
pub struct Languages(BTreeMap<String, Value>);

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Language<'a> {
    /// BCP 47 code, for the `lang` attribute.
    pub code: &'a str,
    /// Its words by name.
    pub words: &'a Value,
}

impl Languages {
    /// Those of the file.
    pub fn read() -> Self {
        Self(serde_json::from_str(WORDS).expect("the embedded words are JSON; a test reads them"))
    }

    /// The language an `Accept-Language` header likes best (RFC 9110, 12.5.4).
    pub fn wanted(&self, accepted: Option<&str>) -> Language<'_> {
        let weighed = |one: &str| {
            let (range, rest) = one.split_once(';').unwrap_or((one, ""));
            let weight = match rest.trim().strip_prefix("q=") {
                Some(q) => q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q))?,
                None => 1.0,
            };
            let code = range.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let (code, words) = match code.as_str() {
                "*" => self.0.get_key_value(USUAL),
                code => self.0.get_key_value(code),
            }?;
            (weight > 0.0).then_some((weight, Language { code, words }))
        };
        // The first of those that are liked equally.
        let best = accepted.unwrap_or_default().split(',').filter_map(weighed);
        let best = best.reduce(|best, one| if one.0 > best.0 { one } else { best });
        best.map_or_else(|| self.usual(), |(_, language)| language)
    }

    fn usual(&self) -> Language<'_> {
        Language { code: USUAL, words: &self.0[USUAL] }
    }
}

impl Language<'_> {
    /// The text of this name; the name itself when there is none.
    pub fn text<'b>(&'b self, name: &'b str) -> &'b str {
        self.words[name].as_str().unwrap_or(name)
    }

    /// Day and minute in this zone.
    pub fn date(&self, at: Timestamp, zone: &TimeZone) -> String {
        let at = at.to_zoned(zone.clone());
        let month = usize::from(at.month().unsigned_abs()) - 1;
        self.text("date_form")
            .replace("{day}", &at.day().to_string())
            .replace("{month}", self.words["months"][month].as_str().unwrap_or_default())
            .replace("{year}", &at.year().to_string())
            .replace("{time}", &at.strftime("%H:%M").to_string())
            .replace("{zone}", &at.strftime("%Z").to_string())
    }

    /// Bytes, with three digits at most after which nobody looks.
    pub fn size(&self, bytes: u64) -> String {
        let (mut unit, mut whole, mut tenths) = (0, bytes, 0);
        while whole >= 1000 && unit < 4 {
            // Rounded half up in tenths.
            let rounded = (whole * 10 + tenths + 500) / 1000;
            (whole, tenths) = (rounded / 10, rounded % 10);
            unit += 1;
        }
        let name = self.words["units"][unit].as_str().unwrap_or_default();
        match (unit, whole) {
            (0, _) | (_, 100..) => format!("{whole}\u{a0}{name}"),
            _ => format!("{whole}{}{tenths}\u{a0}{name}", self.text("decimal")),
        }
    }
}

/// `1 h 2 min 3 s`: the units are the same in all our languages.
pub fn duration(ns: u64) -> String {
    let (h, min, s) = parts(ns);
    match (h, min) {
        (0, 0) => format!("{s}\u{a0}s"),
        (0, _) => format!("{min}\u{a0}min {s}\u{a0}s"),
        (_, _) => format!("{h}\u{a0}h {min}\u{a0}min {s}\u{a0}s"),
    }
}

/// `1:02:03`, as clocks and players show it.
pub fn clock(ns: u64) -> String {
    match parts(ns) {
        (0, min, s) => format!("{min}:{s:02}"),
        (h, min, s) => format!("{h}:{min:02}:{s:02}"),
    }
}

fn parts(ns: u64) -> (u64, u64, u64) {
    let seconds = ns / 1_000_000_000;
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_word() {
        let languages = Languages::read();
        let names = |code: &str| languages.0[code].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(languages.0.keys().collect::<Vec<_>>(), ["de", "en", "fr", "nl"]);
        for code in ["de", "fr", "nl"] {
            assert_eq!(names(code), names("en"), "{code}");
            for (name, text) in languages.0[code].as_object().unwrap() {
                let english = &languages.0["en"][name];
                assert_eq!(text.as_array().map(Vec::len), english.as_array().map(Vec::len), "{code} {name}");
                let Some(text) = text.as_str() else { continue };
                assert_eq!(text.is_empty(), english.as_str().unwrap().is_empty(), "{code} {name}");
                for place in ["{room}", "{page}", "{pages}", "{day}", "{zone}"] {
                    assert_eq!(text.contains(place), english.as_str().unwrap().contains(place), "{code} {name}");
                }
            }
        }
    }

    #[test]
    fn the_language_a_browser_likes_best_wins() {
        let languages = Languages::read();
        for (accepted, wanted) in [
            ("", "en"),
            ("fr", "fr"),
            ("de-CH, fr;q=0.9", "de"),
            ("ja, nl;q=0.3, fr;q=0.8", "fr"),
            ("en;q=0.5,fr;q=0.5", "en"),
            ("fr;q=0, de;q=0.1", "de"),
            ("ja, *;q=0.5", "en"),
            ("FR-ca;q=1.0", "fr"),
            (";;q=,,;q=7, nl;q=x, de ; q=0.2", "de"),
        ] {
            assert_eq!(languages.wanted(Some(accepted)).code, wanted, "{accepted}");
        }
        assert_eq!(languages.wanted(None).code, "en");
    }

    #[test]
    fn figures_are_written_as_people_do() {
        let languages = Languages::read();
        let (en, fr, de) = (languages.wanted(None), languages.wanted(Some("fr")), languages.wanted(Some("de")));
        let at: Timestamp = "2026-11-22T20:45:10Z".parse().unwrap();
        assert_eq!(en.date(at, &TimeZone::UTC), "22 November 2026, 20:45 UTC");
        assert_eq!(de.date(at, &TimeZone::get("Europe/Paris").unwrap()), "22. November 2026, 21:45 CET");
        for (bytes, words) in [
            (0, "0\u{a0}B"),
            (999, "999\u{a0}B"),
            (1_234, "1.2\u{a0}kB"),
            (12_960_000, "13.0\u{a0}MB"),
            (123_400_000, "123\u{a0}MB"),
            (1_400_000_000, "1.4\u{a0}GB"),
        ] {
            assert_eq!(en.size(bytes), words);
        }
        assert_eq!(fr.size(1_400_000_000), "1,4\u{a0}Go");
        assert_eq!((duration(59_900_000_000), clock(59_900_000_000)), ("59\u{a0}s".into(), "0:59".into()));
        assert_eq!(
            (duration(3_723_000_000_000), clock(3_723_000_000_000)),
            ("1\u{a0}h 2\u{a0}min 3\u{a0}s".into(), "1:02:03".into())
        );
    }
}
