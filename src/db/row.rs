//! Pure. A recording as bytes: a version, then JSON, so that a row can be read by a person and by a later version.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::ids::RecordingId;
use crate::recording::{
    EgressRequest, Failure, Limit, Limits, Media, Options, Origin, Outcome, Owner, Reason, Recording, Request,
    SealedStore, State,
};

use super::health::HealthRow;
use super::output::OutputRow;

/// The only version so far.
const VERSION: u8 = 1;

/// The row of this recording.
pub fn encode(recording: &Recording) -> Result<Vec<u8>, String> {
    versioned(&Row::of(recording))
}

/// The recording of this row.
pub fn decode(bytes: &[u8]) -> Result<Recording, String> {
    unversioned::<Row>(bytes)?.recording()
}

/// The version, then JSON.
pub(super) fn versioned(row: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, row).map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// JSON of a version that is known.
pub(super) fn unversioned<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|e| e.to_string()),
        Some((version, _)) => Err(format!("it has version {version}, this program knows {VERSION}")),
        None => Err("it is empty".to_owned()),
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    id: String,
    mode: String,
    room: String,
    #[serde(flatten)]
    output: OutputRow,
    #[serde(default)]
    limits: LimitsRow,
    options: OptionsRow,
    key: String,
    #[serde(default)]
    expires_at: Option<Moment>,
    #[serde(default)]
    share_generation: u32,
    state: StateRow,
    #[serde(with = "moment")]
    created_at: Timestamp,
    #[serde(with = "moment")]
    updated_at: Timestamp,
    started_at: Option<Moment>,
    ended_at: Option<Moment>,
    media: Option<MediaRow>,
    #[serde(default, skip_serializing_if = "HealthRow::is_clean")]
    health: HealthRow,
}

/// A time that may be missing.
#[derive(Serialize, Deserialize)]
pub(super) struct Moment(#[serde(with = "moment")] pub(super) Timestamp);

#[derive(Default, Serialize, Deserialize)]
struct LimitsRow {
    max_duration_ms: Option<u64>,
    max_bytes: Option<u64>,
    empty_room_ms: Option<u64>,
    warning_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct OptionsRow {
    language: Option<String>,
    transcribe: Option<bool>,
    collect_metadata: Option<bool>,
    original_mode: Option<String>,
    #[serde(default)]
    owner: Option<OwnerRow>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    expires_after_s: Option<i64>,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    store: Option<Base64>,
    #[serde(default, rename = "asked")]
    requested: Option<OriginRow>,
}

#[derive(Serialize, Deserialize)]
struct OriginRow {
    room_id: String,
    request: Base64,
    manifest: bool,
    location: Option<String>,
    by_server: bool,
    #[serde(default)]
    webhook: Option<String>,
}

/// Bytes as text.
#[derive(Serialize, Deserialize)]
struct Base64(#[serde(with = "base64_text")] Vec<u8>);

#[derive(Serialize, Deserialize)]
struct OwnerRow {
    email: String,
    name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct MediaRow {
    bytes: u64,
    duration_ns: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateRow {
    Starting,
    Active,
    Ending(OutcomeRow),
    Saving(OutcomeRow, MediaRow),
    Ended(OutcomeRow),
    #[serde(rename = "told")]
    Notified(OutcomeRow),
    Removing(OutcomeRow, bool),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeRow {
    Complete(ReasonRow),
    LimitReached(LimitRow),
    CutShort(String),
    Aborted(ReasonRow),
    Failed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReasonRow {
    Stopped,
    RoomClosed(String),
    ByItself,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitRow {
    Duration,
    Size,
}

impl Row {
    pub(super) fn of(recording: &Recording) -> Self {
        let Recording { id, mode, request, options, key, expires_at, share_generation, .. } = recording;
        let Recording { state, created_at, updated_at, started_at, ended_at, media, health, .. } = recording;
        Self {
            id: id.to_string(),
            mode: mode.clone(),
            room: request.room.clone(),
            output: OutputRow::of(&request.output),
            limits: LimitsRow::of(&request.limits),
            options: OptionsRow::of(options),
            key: key.clone(),
            expires_at: expires_at.map(Moment),
            share_generation: *share_generation,
            state: StateRow::of(state),
            created_at: *created_at,
            updated_at: *updated_at,
            started_at: started_at.map(Moment),
            ended_at: ended_at.map(Moment),
            media: media.map(MediaRow::of),
            health: HealthRow::of(health),
        }
    }

    pub(super) fn recording(self) -> Result<Recording, String> {
        let output = self.output.output()?;
        Ok(Recording {
            id: RecordingId::new(self.id),
            mode: self.mode,
            request: Request { room: self.room, output, limits: self.limits.limits() },
            options: self.options.options(),
            key: self.key,
            expires_at: self.expires_at.map(|at| at.0),
            share_generation: self.share_generation,
            state: self.state.state(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            started_at: self.started_at.map(|at| at.0),
            ended_at: self.ended_at.map(|at| at.0),
            media: self.media.map(MediaRow::media),
            health: self.health.health(),
        })
    }
}

impl LimitsRow {
    fn of(limits: &Limits) -> Self {
        let ms = |d: Option<Duration>| d.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        let Limits { max_duration, max_bytes, empty_room, warning } = *limits;
        Self { max_duration_ms: ms(max_duration), max_bytes, empty_room_ms: ms(empty_room), warning_ms: ms(warning) }
    }

    fn limits(&self) -> Limits {
        let duration = |ms: Option<u64>| ms.map(Duration::from_millis);
        Limits {
            max_duration: duration(self.max_duration_ms),
            max_bytes: self.max_bytes,
            empty_room: duration(self.empty_room_ms),
            warning: duration(self.warning_ms),
        }
    }
}

impl OptionsRow {
    fn of(options: &Options) -> Self {
        let Options { language, transcribe, collect_metadata, original_mode, owner, key, .. } = options.clone();
        let owner = owner.map(|Owner { email, name, locale, time_zone }| OwnerRow { email, name, locale, time_zone });
        let expires_after_s = options.expires_after.map(|kept| kept.as_secs());
        let idempotency_key = options.idempotency_key.clone();
        let store = options.store.clone().map(|SealedStore(bytes)| Base64(bytes));
        let requested = OriginRow::of(&options.origin);
        Self {
            language,
            transcribe,
            collect_metadata,
            original_mode,
            owner,
            key,
            expires_after_s,
            idempotency_key,
            store,
            requested,
        }
    }

    fn options(self) -> Options {
        let Self { language, transcribe, collect_metadata, original_mode, owner, key, .. } = self;
        let owner = owner.map(|OwnerRow { email, name, locale, time_zone }| Owner { email, name, locale, time_zone });
        let expires_after = self.expires_after_s.map(SignedDuration::from_secs);
        let idempotency_key = self.idempotency_key;
        let store = self.store.map(|Base64(bytes)| SealedStore(bytes));
        let origin = self.requested.map_or(Origin::Rest, OriginRow::origin);
        Options {
            language,
            transcribe,
            collect_metadata,
            original_mode,
            owner,
            key,
            expires_after,
            idempotency_key,
            store,
            origin,
        }
    }
}

impl OriginRow {
    /// Nothing for our REST API, which was the only one at first.
    fn of(origin: &Origin) -> Option<Self> {
        let (request, by_server, webhook) = match origin {
            Origin::Rest => return None,
            Origin::Server(request) => (request.clone(), true, None),
            Origin::Twirp { request, webhook } => (request.clone(), false, webhook.clone()),
        };
        let EgressRequest { room_id, request, manifest, location } = request;
        Some(Self { room_id, request: Base64(request), manifest, location, by_server, webhook })
    }

    fn origin(self) -> Origin {
        let Self { room_id, request: Base64(request), manifest, location, by_server, webhook } = self;
        let request = EgressRequest { room_id, request, manifest, location };
        if by_server { Origin::Server(request) } else { Origin::Twirp { request, webhook } }
    }
}

impl MediaRow {
    fn of(media: Media) -> Self {
        Self { bytes: media.bytes, duration_ns: media.duration_ns }
    }

    fn media(self) -> Media {
        Media { bytes: self.bytes, duration_ns: self.duration_ns }
    }
}

impl StateRow {
    fn of(state: &State) -> Self {
        match state {
            State::Starting => Self::Starting,
            State::Active => Self::Active,
            State::Ending { then } => Self::Ending(OutcomeRow::of(then)),
            State::Saving { then, media } => Self::Saving(OutcomeRow::of(then), MediaRow::of(*media)),
            State::Ended(outcome) => Self::Ended(OutcomeRow::of(outcome)),
            State::Notified(outcome) => Self::Notified(OutcomeRow::of(outcome)),
            State::Removing { outcome, object } => Self::Removing(OutcomeRow::of(outcome), *object),
        }
    }

    fn state(self) -> State {
        match self {
            Self::Starting => State::Starting,
            Self::Active => State::Active,
            Self::Ending(then) => State::Ending { then: then.outcome() },
            Self::Saving(then, media) => State::Saving { then: then.outcome(), media: media.media() },
            Self::Ended(outcome) => State::Ended(outcome.outcome()),
            Self::Notified(outcome) => State::Notified(outcome.outcome()),
            Self::Removing(outcome, object) => State::Removing { outcome: outcome.outcome(), object },
        }
    }
}

impl OutcomeRow {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Complete(reason) => Self::Complete(ReasonRow::of(reason)),
            Outcome::LimitReached(Limit::Duration) => Self::LimitReached(LimitRow::Duration),
            Outcome::LimitReached(Limit::Size) => Self::LimitReached(LimitRow::Size),
            Outcome::CutShort(failure) => Self::CutShort(failure.words.clone()),
            Outcome::Aborted(reason) => Self::Aborted(ReasonRow::of(reason)),
            Outcome::Failed(failure) => Self::Failed(failure.words.clone()),
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Complete(reason) => Outcome::Complete(reason.reason()),
            Self::LimitReached(LimitRow::Duration) => Outcome::LimitReached(Limit::Duration),
            Self::LimitReached(LimitRow::Size) => Outcome::LimitReached(Limit::Size),
            Self::CutShort(why) => Outcome::CutShort(Failure::new(ErrorKind::Internal, why)),
            Self::Aborted(reason) => Outcome::Aborted(reason.reason()),
            Self::Failed(why) => Outcome::Failed(Failure::new(ErrorKind::Internal, why)),
        }
    }
}

impl ReasonRow {
    fn of(reason: &Reason) -> Self {
        match reason {
            Reason::Stopped => Self::Stopped,
            Reason::RoomClosed(why) => Self::RoomClosed(why.clone()),
            Reason::ByItself => Self::ByItself,
        }
    }

    fn reason(self) -> Reason {
        match self {
            Self::Stopped => Reason::Stopped,
            Self::RoomClosed(why) => Reason::RoomClosed(why),
            Self::ByItself => Reason::ByItself,
        }
    }
}

/// Bytes as base64 (RFC 4648, section 4).
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// A time as RFC 3339 text, to the nanosecond.
pub(super) mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
