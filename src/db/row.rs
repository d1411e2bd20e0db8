//! Pure. A recording as bytes: a version, then JSON, so that a row can be read by a person and by a later version.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::RecordingId;
use crate::recording::{
    Container, Failure, Limit, Media, Options, Outcome, Output, Reason, Recording, Request, State, VideoSettings, even,
    layout_named,
};
use crate::scene::Size;

/// The only version so far.
const VERSION: u8 = 1;

/// The row of this recording.
pub fn encode(recording: &Recording) -> Result<Vec<u8>, String> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, &Row::of(recording)).map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// The recording of this row.
pub fn decode(bytes: &[u8]) -> Result<Recording, String> {
    match bytes.split_first() {
        Some((&VERSION, json)) => {
            let row: Row = serde_json::from_slice(json).map_err(|e| e.to_string())?;
            row.recording()
        }
        Some((version, _)) => Err(format!("it has version {version}, this program knows {VERSION}")),
        None => Err("it is empty".to_owned()),
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    mode: String,
    room: String,
    container: ContainerRow,
    video: Option<VideoRow>,
    max_duration_ms: Option<u64>,
    options: OptionsRow,
    state: StateRow,
    #[serde(with = "moment")]
    created_at: Timestamp,
    #[serde(with = "moment")]
    updated_at: Timestamp,
    started_at: Option<Moment>,
    ended_at: Option<Moment>,
    media: Option<MediaRow>,
}

/// A time that may be missing.
#[derive(Serialize, Deserialize)]
struct Moment(#[serde(with = "moment")] Timestamp);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContainerRow {
    Mp4,
    Ogg,
}

#[derive(Serialize, Deserialize)]
struct VideoRow {
    layout: String,
    width: u32,
    height: u32,
    framerate: u32,
    bitrate: u32,
    key_frame_interval: u32,
}

#[derive(Serialize, Deserialize)]
struct OptionsRow {
    language: Option<String>,
    transcribe: Option<bool>,
    collect_metadata: Option<bool>,
    original_mode: Option<String>,
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
}

impl Row {
    fn of(recording: &Recording) -> Self {
        let Recording { id, mode, request, options, state, created_at, updated_at, started_at, ended_at, media } =
            recording;
        Self {
            id: id.to_string(),
            mode: mode.clone(),
            room: request.room.clone(),
            container: match request.output.container() {
                Container::Mp4 => ContainerRow::Mp4,
                Container::Ogg => ContainerRow::Ogg,
            },
            video: request.output.video().map(VideoRow::of),
            max_duration_ms: request.max_duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            options: OptionsRow {
                language: options.language.clone(),
                transcribe: options.transcribe,
                collect_metadata: options.collect_metadata,
                original_mode: options.original_mode.clone(),
            },
            state: StateRow::of(state),
            created_at: *created_at,
            updated_at: *updated_at,
            started_at: started_at.map(Moment),
            ended_at: ended_at.map(Moment),
            media: media.map(MediaRow::of),
        }
    }

    fn recording(self) -> Result<Recording, String> {
        let output = match (self.container, self.video) {
            (ContainerRow::Mp4, Some(video)) => Output::mp4(video.settings()?).map_err(|e| e.to_string())?,
            (ContainerRow::Ogg, None) => Output::ogg(),
            (ContainerRow::Mp4, None) | (ContainerRow::Ogg, Some(_)) => {
                return Err("its container does not go with its picture".to_owned());
            }
        };
        let OptionsRow { language, transcribe, collect_metadata, original_mode } = self.options;
        Ok(Recording {
            id: RecordingId::new(self.id),
            mode: self.mode,
            request: Request { room: self.room, output, max_duration: self.max_duration_ms.map(Duration::from_millis) },
            options: Options { language, transcribe, collect_metadata, original_mode },
            state: self.state.state(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            started_at: self.started_at.map(|at| at.0),
            ended_at: self.ended_at.map(|at| at.0),
            media: self.media.map(MediaRow::media),
        })
    }
}

impl VideoRow {
    fn of(video: &VideoSettings) -> Self {
        let VideoSettings { layout, size, framerate, bitrate, key_frame_interval } = *video;
        let (width, height) = (size.width.get(), size.height.get());
        Self { layout: layout.name().to_owned(), width, height, framerate, bitrate, key_frame_interval }
    }

    fn settings(self) -> Result<VideoSettings, String> {
        let layout = layout_named("layout", &self.layout).map_err(|e| e.to_string())?;
        let size = Size {
            width: even("width", self.width).map_err(|e| e.to_string())?,
            height: even("height", self.height).map_err(|e| e.to_string())?,
        };
        let (framerate, bitrate, key_frame_interval) = (self.framerate, self.bitrate, self.key_frame_interval);
        Ok(VideoSettings { layout, size, framerate, bitrate, key_frame_interval })
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
        }
    }

    fn state(self) -> State {
        match self {
            Self::Starting => State::Starting,
            Self::Active => State::Active,
            Self::Ending(then) => State::Ending { then: then.outcome() },
            Self::Saving(then, media) => State::Saving { then: then.outcome(), media: media.media() },
            Self::Ended(outcome) => State::Ended(outcome.outcome()),
        }
    }
}

impl OutcomeRow {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Complete(reason) => Self::Complete(ReasonRow::of(reason)),
            Outcome::LimitReached(Limit::Duration) => Self::LimitReached(LimitRow::Duration),
            Outcome::CutShort(failure) => Self::CutShort(failure.0.clone()),
            Outcome::Aborted(reason) => Self::Aborted(ReasonRow::of(reason)),
            Outcome::Failed(failure) => Self::Failed(failure.0.clone()),
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Complete(reason) => Outcome::Complete(reason.reason()),
            Self::LimitReached(LimitRow::Duration) => Outcome::LimitReached(Limit::Duration),
            Self::CutShort(why) => Outcome::CutShort(Failure(why)),
            Self::Aborted(reason) => Outcome::Aborted(reason.reason()),
            Self::Failed(why) => Outcome::Failed(Failure(why)),
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

/// A time as RFC 3339 text, to the nanosecond.
mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
