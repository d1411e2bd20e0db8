//! Pure. Links by which somebody without an account may see one recording: signed, with an end, revocable.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::ids::RecordingId;
use crate::recording::Recording;
use crate::sealing::derive;
use crate::secret::Secret;

/// What the key is for, so that the same secret signs nothing else with it.
const PURPOSE: &str = "share link";
/// The first byte of a token.
const VERSION: u8 = 1;
/// Version, end in seconds since 1970, generation: what is signed besides the recording's id.
const PAYLOAD: usize = 1 + 8 + 4;
/// HMAC-SHA256.
const TAG: usize = 32;

/// Signs links and checks them.
#[derive(Clone, Debug)]
pub struct Sharer {
    key: hmac::Key,
    base: String,
}

/// A token that we signed for this recording; whether it is still good is asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Until when.
    pub expires_at: Timestamp,
    /// Good while the recording is of this generation.
    pub generation: u32,
}

/// Why a link opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareRefusal {
    /// Not ours, or for another recording.
    Forged,
    /// Its time is over.
    Expired,
    /// All links of its generation were revoked.
    Revoked,
}

impl Sharer {
    /// Signs with a key derived from the LiveKit API secret. `base` is what links begin with, such as
    /// `https://record.example.org`; see [`public_url`].
    pub fn new(api_secret: &Secret, base: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &derive(api_secret, PURPOSE));
        Self { key, base: base.trim_end_matches('/').to_owned() }
    }

    /// What links begin with, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A link to this recording that is good for `ttl` from `now`, though not beyond the recording's own end.
    pub fn url(&self, recording: &Recording, now: Timestamp, ttl: SignedDuration) -> String {
        let token = self.sign(recording, Self::end(recording, now, ttl));
        format!("{}/recording/{}?s={token}", self.base, recording.id)
    }

    /// When a link made `now` for `ttl` ends: with the recording at the latest.
    pub fn end(recording: &Recording, now: Timestamp, ttl: SignedDuration) -> Timestamp {
        let end = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
        recording.expires_at.map_or(end, |at| at.min(end))
    }

    /// The token of a link that ends at `expires_at` (whole seconds).
    pub fn sign(&self, recording: &Recording, expires_at: Timestamp) -> String {
        let mut token = vec![VERSION];
        token.extend(u64::try_from(expires_at.as_second()).unwrap_or(0).to_be_bytes());
        token.extend(recording.share_generation.to_be_bytes());
        let tag = hmac::sign(&self.key, &message(&recording.id, &token));
        token.extend(tag.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// What this token says, if we signed it for this recording.
    pub fn verify(&self, id: &RecordingId, token: &str) -> Option<Share> {
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (payload, tag) = token.split_at_checked(PAYLOAD)?;
        hmac::verify(&self.key, &message(id, payload), tag).ok()?;
        let (version, rest) = payload.split_first()?;
        let (end, generation) = rest.split_first_chunk::<8>()?;
        let generation = u32::from_be_bytes(generation.try_into().ok()?);
        let end = i64::try_from(u64::from_be_bytes(*end)).ok()?;
        let expires_at = Timestamp::from_second(end).ok()?;
        (*version == VERSION && tag.len() == TAG).then_some(Share { expires_at, generation })
    }

    /// May whoever shows this token see this recording `now`?
    pub fn check(&self, recording: &Recording, token: &str, now: Timestamp) -> std::result::Result<(), ShareRefusal> {
        let share = self.verify(&recording.id, token).ok_or(ShareRefusal::Forged)?;
        if share.generation != recording.share_generation {
            return Err(ShareRefusal::Revoked);
        }
        if now >= share.expires_at {
            return Err(ShareRefusal::Expired);
        }
        Ok(())
    }
}

/// `public_url` as it may stand in links, or an error that names it.
pub fn public_url(text: &str) -> Result<String> {
    let wrong =
        |why: &str| Error::invalid("public_url", format!("{text:?} {why}; use one such as https://record.example.org"));
    let url = url::Url::parse(text).map_err(|e| wrong(&format!("is not a URL ({e})")))?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(wrong("is not an http:// or https:// address"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Error::invalid("public_url", "only scheme, host, port and path; no user, password, ? or #"));
    }
    if url.path() != "/" {
        return Err(wrong("has a path; the page wants a host name of its own"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What is signed. The id comes last: what stands before it has a fixed length.
fn message(id: &RecordingId, payload: &[u8]) -> Vec<u8> {
    [payload, id.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Limits, Options, Output, Policy, Request};

    fn recording(id: &str) -> Recording {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let (id, now) = (RecordingId::new(id), Timestamp::UNIX_EPOCH);
        Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), now).0
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_link_opens_its_recording_until_it_ends_or_is_revoked() {
        let sharer = Sharer::new(&Secret::new("secret"), "https://record.example.org/");
        let mut one = recording("EG_one");
        let url = sharer.url(&one, at(1000), SignedDuration::from_secs(60));
        let token = url.strip_prefix("https://record.example.org/recording/EG_one?s=").unwrap();
        assert_eq!(token.len(), 60);
        assert_eq!(sharer.check(&one, token, at(1059)), Ok(()));
        assert_eq!(sharer.check(&one, token, at(1060)), Err(ShareRefusal::Expired));
        assert_eq!(sharer.check(&recording("EG_two"), token, at(1000)), Err(ShareRefusal::Forged));
        one.share_generation += 1;
        assert_eq!(sharer.check(&one, token, at(1000)), Err(ShareRefusal::Revoked));
        assert_eq!(sharer.check(&one, &sharer.sign(&one, at(2000)), at(1000)), Ok(()));
    }

    #[test]
    fn a_link_never_outlives_the_recording() {
        let mut one = recording("EG_one");
        one.expires_at = Some(at(1010));
        assert_eq!(Sharer::end(&one, at(1000), SignedDuration::from_secs(60)), at(1010));
        assert_eq!(Sharer::end(&one, at(1000), SignedDuration::from_secs(5)), at(1005));
        assert_eq!(Sharer::end(&recording("x"), at(1000), SignedDuration::MAX), Timestamp::MAX);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let sharer = Sharer::new(&Secret::new("secret"), "http://localhost");
        let one = recording("EG_one");
        let token = sharer.sign(&one, at(2000));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = BASE64_URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(sharer.check(&one, &changed, at(1000)), Err(ShareRefusal::Forged), "byte {place}");
        }
        for wrong in ["", "A", "=", &token[..58], &format!("{token}AAAA"), "ä"] {
            assert_eq!(sharer.check(&one, wrong, at(1000)), Err(ShareRefusal::Forged), "{wrong}");
        }
        let other = Sharer::new(&Secret::new("another"), "http://localhost");
        assert_eq!(other.check(&one, &token, at(1000)), Err(ShareRefusal::Forged));
        assert!(!format!("{sharer:?}").contains("secret"));
    }

    #[test]
    fn the_public_url_is_a_host() {
        assert_eq!(public_url("https://r.example.org/").unwrap(), "https://r.example.org");
        assert_eq!(public_url("http://127.0.0.1:7990").unwrap(), "http://127.0.0.1:7990");
        for wrong in ["", "r.example.org", "ftp://x", "https://u:p@x", "https://x/?a", "https://x/#a", "https://x/path"]
        {
            let error = public_url(wrong).unwrap_err();
            assert!(error.message.starts_with("public_url: ") && !error.message.contains(":p@"), "{error}");
        }
    }
}
