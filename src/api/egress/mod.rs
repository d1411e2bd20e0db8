//! LiveKit's egress API, whichever way it is asked: start, stop, list, another layout.

mod bidding;
mod psrpc;
mod twirp;

pub use bidding::Unsupported;
pub use psrpc::{Open, serve};
pub(super) use twirp::{renamed, routes};

use std::time::Duration;

use livekit_protocol as proto;

use crate::capacity::Capacity;
use crate::control::{Control, Cursor};
use crate::egress;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Event, Limits, Outcome, Recording, Start, State, Target};

/// How long the server is given to take in that there is an egress, before the start is answered: it must hear that before
/// anything else, and it waits no longer than 10 s itself.
const CREATED: Duration = Duration::from_secs(4);
/// Recordings of one answer to a list.
const LISTED: usize = 1000;

/// Everything that the API needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Egress {
    /// Who records.
    pub control: Control,
    /// Whether one more fits.
    pub capacity: Capacity,
    /// What ends recordings by itself: `session_limits`.
    pub limits: Limits,
    /// `unsupported_requests`.
    pub unsupported: Unsupported,
}

impl Egress {
    /// Starts what was requested and answers once we are in the room, or says what is wrong; then nothing has begun. The same
    /// egress id again is the same recording. The answer says STARTING, as LiveKit Egress' does.
    pub async fn start(&self, start: Start) -> Result<proto::EgressInfo> {
        let id = start.id.clone();
        let recording = match self.control.start(start).await {
            Ok(recording) => recording,
            Err(error) if error.kind == ErrorKind::NotFound => return Err(error),
            Err(error) => {
                // It was tried: to the server `unavailable` would mean that it should ask again, eight times.
                let tried = id.and_then(|id| self.control.get(&id).ok());
                return tried.map_or(Err(error), |recording| self.answer(&recording));
            }
        };
        if recording.options.origin.notifies_server() {
            self.created(&recording.id).await;
        }
        self.answer(&recording)
    }

    /// Ends it. The answer says ENDING wherever there will be a file, also when it has been there for long: clients take any
    /// other word for a failure. ABORTED when there is none.
    pub async fn stop(&self, id: &str) -> Result<proto::EgressInfo> {
        let recording = self.control.finish(&RecordingId::new(id)).await.map_err(not_found)?;
        let mut info = self.info(&recording);
        let status = match recording.state.outcome() {
            Some(outcome) if !Outcome::has_file(outcome) => proto::EgressStatus::EgressAborted,
            Some(_) | None => proto::EgressStatus::EgressEnding,
        };
        info.status = status.into();
        Ok(info)
    }

    /// What is known, newest first: all, those of a room, one, or those that run; `room` is the only one that may be seen.
    /// `NotFound` for an id nobody knows, `InvalidArgument` for a token that is none of ours. What does not fit into one answer is
    /// behind `next_page_token`.
    pub async fn list(
        &self,
        request: &proto::ListEgressRequest,
        room: Option<&str>,
    ) -> Result<proto::ListEgressResponse> {
        let may_see = |recording: &Recording| room.is_none_or(|room| room == recording.request.room);
        let wanted = |recording: &Recording| {
            may_see(recording)
                && (request.room_name.is_empty() || recording.request.room == request.room_name)
                && (!request.active || !recording.state.is_final())
        };
        let mut next_page_token = None;
        let recordings = if !request.egress_id.is_empty() {
            vec![self.control.get(&RecordingId::new(request.egress_id.clone())).map_err(not_found)?]
        } else if request.active {
            // Those that run are few.
            self.control.unended().await?.into_iter().rev().collect()
        } else {
            let token = request.page_token.as_ref().map(|page| page.token.as_str()).filter(|token| !token.is_empty());
            let wrong = || Error::new(ErrorKind::InvalidArgument, "page_token: not one of ours; leave it out");
            let cursor = token.map(|token| Cursor::from_token(token).ok_or_else(wrong)).transpose()?;
            // Of a room that may not be seen, not even the place in the list is told.
            let of = room.or(Some(request.room_name.as_str()).filter(|room| !room.is_empty()));
            let recordings = self.control.behind(of, cursor, LISTED).await?;
            let last = recordings.last().filter(|_| recordings.len() == LISTED);
            next_page_token = last.map(|last| proto::TokenPagination { token: Cursor::behind(last).token() });
            recordings
        };
        let items = recordings.iter().filter(|recording| wanted(recording)).map(|recording| self.info(recording));
        Ok(proto::ListEgressResponse { items: items.collect(), next_page_token })
    }

    /// Shows it in another layout from now on; an unknown one is a grid, as for LiveKit.
    pub async fn update_layout(&self, id: &str, layout: &str) -> Result<proto::EgressInfo> {
        let layout = crate::scene::Layout::from_name(layout);
        let recording = self.control.set_layout(&RecordingId::new(id), layout).await.map_err(not_found)?;
        Ok(self.info(&recording))
    }

    /// What `EgressInfo` says of it now.
    pub fn info(&self, recording: &Recording) -> proto::EgressInfo {
        egress::proto::info(recording, &recording.key)
    }

    /// What a start came to: the recording, or why there is none.
    fn answer(&self, recording: &Recording) -> Result<proto::EgressInfo> {
        match recording.state.outcome() {
            Some(Outcome::Failed(failure)) if recording.started_at.is_none() => {
                let passing = matches!(failure.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded);
                let kind = if passing { ErrorKind::Internal } else { failure.kind };
                Err(Error::new(kind, failure.to_string()))
            }
            Some(Outcome::Aborted(reason)) => Err(Error::new(ErrorKind::FailedPrecondition, reason.to_string())),
            Some(_) | None => Ok(self.starting(recording)),
        }
    }

    fn starting(&self, recording: &Recording) -> proto::EgressInfo {
        self.info(&Recording { state: State::Starting, ..recording.clone() })
    }

    /// Until the server has been notified that the egress exists, or for so long.
    async fn created(&self, id: &RecordingId) {
        let notified = self.control.notified(id, Event::Joined, &Target::LiveKit);
        if tokio::time::timeout(CREATED, notified).await.is_err() {
            // It makes one itself when the start is answered.
            tracing::warn!(egress = %id, "the server does not take in that there is an egress; it is started all the same");
        }
    }
}

/// LiveKit Egress' words.
fn not_found(error: Error) -> Error {
    if error.kind == ErrorKind::NotFound { Error::new(ErrorKind::NotFound, "egress not found") } else { error }
}
