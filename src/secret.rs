//! A value that is used but never shown, and URLs shown without what they may hide.

use std::fmt;

use serde::Deserialize;

/// A password or key. `Debug` prints stars and there is no `Display`, so it cannot reach a log by accident.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps the value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Longest first part of a path that is shown.
const PART: usize = 16;

/// A URL without what may be a secret in it: scheme and host are shown, and the first part of the path when it looks like a
/// word; user, password, the rest of the path, query and fragment are not. What is no URL is not shown at all.
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    let is_host = host.chars().all(|c| c.is_alphanumeric() || "-._[]:%".contains(c));
    if !is_scheme || !is_host {
        return "…".to_owned();
    }
    let (path, more) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let more = if more.len() > 1 { "?…" } else { "" };
    let (first, others) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let path = match (first, others) {
        ("", "") => path.chars().take(1).collect(),
        (first, "") if is_word(first) => path.to_owned(),
        (first, _) if is_word(first) => format!("/{first}/…"),
        (_, _) => "/…".to_owned(),
    };
    format!("{scheme}://{user}{host}{path}{more}")
}

/// Such as `api`, `v1.0`, `hooks`; nothing that was drawn by lot.
fn is_word(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    part.len() <= PART && part.bytes().all(plain) && part.bytes().filter(u8::is_ascii_digit).count() <= 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_shown_as_far_as_they_tell_no_secret() {
        for (url, shown) in [
            ("https://h.example.org", "https://h.example.org"),
            ("https://h.example.org/", "https://h.example.org/"),
            ("ws://livekit:7880", "ws://livekit:7880"),
            ("http://[::1]:8000/hook", "http://[::1]:8000/hook"),
            ("https://h/api/v1/hooks?token=s3cret", "https://h/api/…?…"),
            ("https://h/?token=s3cret", "https://h/?…"),
            ("https://h?token=s3cret#x", "https://h?…"),
            ("https://user:s3cret@h:1/x", "https://***@h:1/x"),
            ("https://s3cret@h/x", "https://***@h/x"),
            ("https://a@b:s3cret@h/x", "https://***@h/x"),
            ("https://hooks.example.org/services/T000/B000/XXXX", "https://hooks.example.org/services/…"),
            ("https://h/AbCdEf0123456789", "https://h/…"),
            ("https://h/0f9a8b7c6d", "https://h/…"),
            ("https://h//s3cret-long-enough-to-be-one/x", "https://h/…"),
            ("not a url, a s3cret", "…"),
            ("https://h s3cret", "…"),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_shown_wherever_it_stands(
            secret in "[A-Z0-9]{17,40}", user in "[a-z]{0,5}", path in "(/[a-z]{1,8}){0,3}", place in 0..6,
        ) {
            let url = match place {
                0 => format!("https://{user}:{secret}@h.example{path}"),
                1 => format!("https://{secret}@h.example{path}"),
                2 => format!("https://h.example{path}?token={secret}"),
                3 => format!("https://h.example{path}#{secret}"),
                4 => format!("https://h.example{path}/{secret}"),
                _ => format!("https://h.example{path}/{secret}/x?y={secret}"),
            };
            let shown = shown_url(&url);
            prop_assert!(!shown.contains(&secret) && shown.contains("h.example"), "{}", shown);
        }

        #[test]
        fn anything_is_shown_somehow(text in ".*") {
            let shown = shown_url(&text);
            prop_assert_eq!(shown_url(&shown), shown);
        }
    }
}
