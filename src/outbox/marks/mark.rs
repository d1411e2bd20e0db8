//! Pure. The mark beside an upload: whose it is, and what another sidecar needs to finish the recording. And who may do what.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The folder of marks: no recording is stored there.
pub const FOLDER: &str = ".greffier/marks";
/// The only version so far.
const VERSION: u32 = 1;
/// The longest and shortest time between two signs of life.
const SIGNS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is written beside an upload. What the recording was asked for, and by whom, is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    version: u32,
    /// The recording's id.
    pub recording: String,
    /// The object's key.
    pub key: String,
    /// The store's name for the multipart upload; empty before it has begun.
    pub upload: String,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// The object's media type, and with it the container.
    pub content_type: String,
    /// Which sidecar sees to it.
    pub owner: String,
    /// When that one last said so, by its own clock (RFC 3339).
    pub heard_at: String,
    /// It is not the one that recorded it.
    pub taken_over: bool,
    /// Nothing is left to be done: the key of whoever wrote it may not delete.
    pub over: bool,
    /// The row and the list of parts, sealed with a key of LiveKit's API secret, in Base64.
    pub sealed: String,
}

impl Mark {
    /// A new one, of somebody who is alive.
    pub fn new(recording: &str, key: &str, content_type: &str, owner: &str, sealed: &[u8]) -> Self {
        let (upload, part_size, heard_at) = (String::new(), 0, String::new());
        let (recording, key, content_type) = (recording.to_owned(), key.to_owned(), content_type.to_owned());
        let (owner, sealed) = (owner.to_owned(), STANDARD.encode(sealed));
        let (taken_over, over, version) = (false, false, VERSION);
        Self { version, recording, key, upload, part_size, content_type, owner, heard_at, taken_over, over, sealed }
    }

    /// The same, of this upload.
    pub fn of_upload(self, upload: &str, part_size: u64) -> Self {
        Self { upload: upload.to_owned(), part_size, ..self }
    }

    /// The same, when its owner says once more that it is there.
    pub fn heard(self, now: Timestamp) -> Self {
        Self { heard_at: now.to_string(), ..self }
    }

    /// The same in the hands of somebody else.
    pub fn taken_by(self, owner: &str) -> Self {
        Self { owner: owner.to_owned(), taken_over: true, ..self }
    }

    /// The same once nothing is left to be done; nothing of the recording is in it any more.
    pub fn finished(self) -> Self {
        Self { over: true, upload: String::new(), sealed: String::new(), ..self }
    }

    /// When its owner was last heard of, by the owner's clock.
    pub fn heard_at(&self) -> Option<Timestamp> {
        self.heard_at.parse().ok()
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Nothing in it can fail to be written.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// The mark of these bytes; `None` when they are none that this program knows.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|mark: &Self| mark.version == VERSION)
    }

    /// What is sealed in it.
    pub fn sealed(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.sealed).ok()
    }
}

/// The key of this recording's mark.
pub fn key(recording: &str) -> String {
    format!("{FOLDER}/{recording}.json")
}

/// How often an owner says that it is there, when it is taken for lost after this long.
pub fn sign_of_life(after: Duration) -> Duration {
    (after / 5).clamp(SIGNS.0, SIGNS.1)
}

/// What is found in the place of one's own mark, when it is not what was left there.
#[derive(Debug)]
pub enum Found<'a> {
    /// Nothing; is the object itself there?
    Nothing {
        /// The recording's object is in the store.
        object: bool,
    },
    /// This key may not look.
    Denied,
    /// No mark that this program knows.
    Unreadable,
    /// A mark.
    Mark(&'a Mark),
}

/// What an owner does then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Writes its mark all the same.
    Write,
    /// Leaves the recording to this one: two that write to one object would lose it.
    Yield(String),
}

/// Whether a recording is still ours. `marked`: a mark of ours was there once. One that vanished with the object there was
/// taken over and finished; one that vanished without is nobody's.
pub fn still_ours(found: &Found<'_>, owner: &str, marked: bool) -> Then {
    match found {
        Found::Mark(mark) if mark.owner != owner => Then::Yield(mark.owner.clone()),
        Found::Nothing { object: true } if marked => Then::Yield("a sidecar that has finished it".to_owned()),
        Found::Nothing { .. } | Found::Denied | Found::Unreadable | Found::Mark(_) => Then::Write,
    }
}

/// Whether an owner may write to its upload without looking at its mark: it wrote it `confirmed` ago, and others wait for
/// `after` before they take it for lost.
pub fn is_confirmed(confirmed: Option<Duration>, after: Duration) -> bool {
    confirmed.is_some_and(|since| since < after / 2)
}

/// What is known here of the recording of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    No,
    /// It has not ended.
    Unended,
    /// It has ended.
    Ended,
}

/// What is to be done about a mark whose owner gave no sign of life for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Nothing.
    Leave,
    /// Finish the recording.
    TakeOver,
    /// Take the mark away.
    Remove,
}

/// See [`Todo`]; `owner` is who looks.
pub fn todo(mark: &Mark, owner: &str, known: Known) -> Todo {
    match (mark.over, mark.owner == owner, known) {
        (true, _, _) => Todo::Leave,
        // Another one finishes what we have begun, or had begun: it died over it, and we know the recording as ended.
        (false, false, Known::Unended | Known::Ended) => Todo::Leave,
        (false, false, Known::No) => Todo::TakeOver,
        // We died over it.
        (false, true, Known::No) if mark.taken_over => Todo::TakeOver,
        (false, true, Known::No | Known::Unended) => Todo::Leave,
        (false, true, Known::Ended) => Todo::Remove,
    }
}

/// What was seen of marks, and since when it is the same. Clocks of other machines do not matter, nor does a store that was away:
/// what counts is for how long the store was seen to have the same mark.
#[derive(Debug, Default)]
pub struct Watch {
    seen: HashMap<String, (Option<String>, Instant, Instant)>,
}

impl Watch {
    /// Looks at a mark of this content; true once it has been the same for `after`. After a time in which nobody looked for half
    /// as long, it begins anew: its owner could not be heard either.
    pub fn is_stale(&mut self, key: &str, version: Option<&str>, now: Instant, after: Duration) -> bool {
        let one = self.seen.entry(key.to_owned()).or_insert_with(|| (version.map(str::to_owned), now, now));
        let gap = now.saturating_duration_since(one.2);
        if one.0.as_deref() != version || gap > after / 2 {
            *one = (version.map(str::to_owned), now, now);
        }
        one.2 = now;
        now.saturating_duration_since(one.1) >= after
    }

    /// Forgets all but these.
    pub fn keep(&mut self, keys: &[(String, Option<String>)]) {
        self.seen.retain(|key, _| keys.iter().any(|(other, _)| other == key));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(owner: &str) -> Mark {
        Mark::new("EG_1", "a/b.mp4", "video/mp4", owner, b"row").of_upload("up", 5).heard(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_mark_comes_back_as_it_was_and_nothing_else_is_one() {
        let mark = mark("one");
        assert_eq!(Mark::decode(&mark.encode()), Some(mark.clone()));
        assert_eq!((mark.heard_at(), mark.sealed().as_deref()), (Some(Timestamp::UNIX_EPOCH), Some(b"row".as_slice())));
        let later = String::from_utf8(mark.encode()).unwrap().replace("\"version\": 1", "\"version\": 2");
        assert_eq!(Mark::decode(later.as_bytes()), None);
        let over = mark.finished();
        assert!(over.over && over.sealed.is_empty());
        assert_eq!(key("EG_1"), ".greffier/marks/EG_1.json");
    }

    proptest! {
        #[test]
        fn no_bytes_are_trouble(bytes: Vec<u8>, text in ".{0,60}") {
            let _ = Mark::decode(&bytes);
            let _ = Mark { heard_at: text.clone(), sealed: text, ..mark("one") }.heard_at();
        }
    }

    #[test]
    fn whoever_comes_back_leaves_what_was_taken_over() {
        let (ours, other) = (mark("one"), mark("two").taken_by("two"));
        let then = |found: &Found<'_>, marked| still_ours(found, "one", marked);
        assert_eq!(then(&Found::Mark(&ours), true), Then::Write);
        assert_eq!(then(&Found::Mark(&other), true), Then::Yield("two".into()));
        assert_eq!(then(&Found::Mark(&other), false), Then::Yield("two".into()));
        assert!(matches!(then(&Found::Nothing { object: true }, true), Then::Yield(_)), "taken over, and finished");
        assert_eq!(then(&Found::Nothing { object: true }, false), Then::Write, "an older object has this key");
        assert_eq!(then(&Found::Nothing { object: false }, true), Then::Write, "somebody took the mark away");
        assert_eq!((then(&Found::Denied, true), then(&Found::Unreadable, true)), (Then::Write, Then::Write));
    }

    #[test]
    fn what_is_done_about_a_silent_owner() {
        let (theirs, ours) = (mark("two"), mark("one"));
        let table = [
            (theirs.clone(), Known::No, Todo::TakeOver),
            (theirs.clone(), Known::Unended, Todo::Leave),
            (theirs.clone(), Known::Ended, Todo::Leave),
            (theirs.finished(), Known::No, Todo::Leave),
            (ours.clone(), Known::Ended, Todo::Remove),
            (ours.clone(), Known::Unended, Todo::Leave),
            (ours.clone(), Known::No, Todo::Leave),
            (ours.taken_by("one"), Known::No, Todo::TakeOver),
        ];
        for (mark, known, wanted) in table {
            assert_eq!(todo(&mark, "one", known), wanted, "{mark:?} {known:?}");
        }
    }

    #[test]
    fn an_owner_is_lost_once_nothing_was_seen_of_it_for_long_enough() {
        let (mut watch, begin, after) = (Watch::default(), Instant::now(), Duration::from_secs(600));
        let mut stale =
            |version: &str, seconds| watch.is_stale("k", Some(version), begin + Duration::from_secs(seconds), after);
        assert!(!stale("a", 0) && !stale("a", 200) && !stale("a", 400) && !stale("a", 599));
        assert!(!stale("b", 700), "a sign of life");
        assert!(!stale("b", 900) && !stale("b", 1100) && !stale("b", 1299) && stale("b", 1300));
        assert!(!stale("b", 1700), "the store was away, for its owner perhaps too");
        assert!(!stale("b", 1900) && !stale("b", 2100) && stale("b", 2300));
        assert!(is_confirmed(Some(Duration::from_secs(299)), after) && !is_confirmed(Some(after / 2), after));
        assert!(!is_confirmed(None, after));
        watch.keep(&[]);
        assert!(watch.seen.is_empty());
    }

    proptest! {
        /// An owner that writes as often as it says, and stops writing when it is not confirmed, is never at work on its upload
        /// when another one takes it over: whatever breaks the line between it and the store, and for however long.
        #[test]
        fn nobody_writes_to_what_was_taken_over(
            away in proptest::collection::vec(proptest::bool::weighted(0.6), 10..200), after_s in 5_u64..1200,
        ) {
            let after = Duration::from_secs(after_s);
            let (sign, begin) = (sign_of_life(after), Instant::now());
            let (mut watch, mut version, mut confirmed, mut now) = (Watch::default(), 0, begin, begin);
            for away in away {
                now += sign;
                if !away {
                    (version, confirmed) = (version + 1, now);
                }
                let taken = watch.is_stale("k", Some(&version.to_string()), now, after);
                prop_assert!(!(taken && is_confirmed(Some(now - confirmed), after)));
                if taken {
                    break;
                }
            }
        }
    }
}
