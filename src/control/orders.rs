//! What the outside orders of the one task: start, stop, delete, show, close.

use std::collections::HashMap;

use jiff::Timestamp;

use super::driver::{Driver, Live, Unable, spool_error};
use super::ledger::Owed;
use crate::control::{AtClose, Order, new_id};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recorder::Progress;
use crate::recording::{Command, Options, Recording, Report, Request, State};
use crate::scene::Layout;

/// So many expired recordings are removed in one go.
const EXPIRED: usize = 100;

impl Driver {
    /// Does what was ordered, and answers.
    pub(super) async fn order(&mut self, order: Order) {
        match order {
            Order::Start { id, mode, request, options, reply } => match self.begin(id, mode, request, *options).await {
                Ok(Begun::Joining(id)) => {
                    if let Some(live) = self.live.get_mut(&id) {
                        live.starters.push(reply);
                    }
                }
                Ok(Begun::Known(recording)) => {
                    let _ = reply.send(Ok(*recording));
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            },
            Order::Stop { room, reply } => {
                let _ = reply.send(self.stop(&room).await);
            }
            Order::Finish { id, reply } => {
                let _ = reply.send(self.finish(&id).await);
            }
            Order::Delete { id, object, reply } => {
                let _ = reply.send(self.command(&id, Command::Delete { object }).await.map_err(refused_delete));
            }
            Order::Layout { id, layout, reply } => {
                let _ = reply.send(self.show(&id, layout).await);
            }
            Order::RevokeShares { id, reply } => {
                let _ = reply.send(self.revoke_shares(&id).await);
            }
            Order::RoomClosed { room, why } => {
                let of_room = |live: &&Live| live.recording.request.room == room && live.recording.state.holds_room();
                let ids: Vec<_> = self.live.values().filter(of_room).map(|live| live.recording.id.clone()).collect();
                for id in ids {
                    self.report(&id, Report::RoomClosed(why.clone()), None).await;
                }
            }
            Order::Expire { now, reply } => {
                let expired = self.db.expired(now, EXPIRED).unwrap_or_default();
                for recording in expired.iter().filter(|recording| recording.state.is_final()) {
                    self.report(&recording.id, Report::Expired, None).await;
                }
                let _ = reply.send(expired.len());
            }
            Order::Progress { reply } => {
                let figures =
                    self.live.iter().filter_map(|(id, live)| Some((id.clone(), live.running.as_ref()?.progress())));
                let _ = reply.send(figures.collect::<HashMap<RecordingId, Progress>>());
            }
            Order::Close { running, reply } => {
                self.closing.get_or_insert_default().push(reply);
                let ids: Vec<_> = match running {
                    AtClose::Stop => self.live.keys().cloned().collect(),
                    AtClose::Await => vec![],
                };
                for id in ids {
                    if let Err(error) = self.command(&id, Command::Stop).await {
                        tracing::debug!(recording = %id, ?error, "not stopped");
                    }
                }
            }
        }
    }

    async fn begin(
        &mut self,
        id: Option<RecordingId>,
        mode: String,
        request: Request,
        options: Options,
    ) -> Result<Begun> {
        if let Some(id) = &id
            && let Some(known) = self.load(id)?
        {
            return Ok(Begun::again(known));
        }
        if let Some(key) = &options.idempotency_key
            && let Some(known) = self.db.started_with(&request.room, key)?
        {
            return Ok(Begun::again(known));
        }
        if self.closing.is_some() {
            return Err(Error::new(ErrorKind::Unavailable, "greffier is shutting down"));
        }
        let holds = |live: &&Live| live.recording.request.room == request.room && live.recording.state.holds_room();
        // LiveKit's API knows no such rule: a backend may want a picture and a transcript of the same room.
        if options.asked.is_none()
            && let Some(other) = self.live.values().find(holds)
        {
            let message = format!("A recording is already in progress for room {}", request.room);
            tracing::debug!(room = request.room, recording = %other.recording.id, "refused a second recording");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        // LiveKit's clients may write over their own objects, as LiveKit Egress lets them.
        if let Some(key) = options.key.as_ref().filter(|_| options.asked.is_none())
            && self.db.with_key(key)?.is_some()
        {
            let message = format!("options.output_key: {key:?} is the key of another recording");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let id = id.unwrap_or_else(new_id);
        let now = Timestamp::now();
        let (recording, effects) = Recording::begin(id.clone(), mode, request, options, &self.policy, now);
        self.spool.create(&id, recording.extension()).map_err(|e| spool_error("make a directory in the spool", &e))?;
        let jobs = self.jobs(&recording, &effects);
        let owed = Owed { recording: recording.clone(), forgotten: false, jobs, done: None };
        if let Err(error) = self.write(owed.clone()).await {
            let _ = self.spool.discard(&id);
            return Err(error);
        }
        tracing::info!(recording = %id, room = recording.request.room, mode = recording.mode, "starting");
        self.live.insert(id.clone(), Live { recording, running: None, starters: vec![] });
        self.perform(&id, &effects);
        Ok(Begun::Joining(id))
    }

    async fn stop(&mut self, room: &str) -> Result<Recording> {
        // The one that holds the room; else the one that is on its way to its end, so that stopping twice does no harm.
        let of_room = |live: &&Live| live.recording.request.room == room;
        let newest = self.live.values().filter(of_room).max_by_key(|live| live.recording.created_at);
        let id = newest.map(|live| live.recording.id.clone()).ok_or_else(no_recording)?;
        self.command(&id, Command::Stop).await.map_err(|_| no_recording())?;
        self.live.get(&id).map(|live| live.recording.clone()).ok_or_else(no_recording)
    }

    async fn finish(&mut self, id: &RecordingId) -> Result<Recording> {
        match self.command(id, Command::Stop).await {
            Ok(()) | Err(Unable::Refused(_)) => self.load(id)?.ok_or_else(|| no_such(id)),
            Err(Unable::Store(error)) => Err(error),
            Err(Unable::Unknown(id)) => Err(no_such(&id)),
        }
    }

    /// Another layout from now on.
    async fn show(&mut self, id: &RecordingId, layout: Layout) -> Result<Recording> {
        let live = self.live.get_mut(id).filter(|live| live.recording.state.holds_room());
        let not_running = || Error::new(ErrorKind::FailedPrecondition, "the recording is not running");
        let Some(live) = live else {
            return Err(self.db.get(id)?.map_or_else(|| no_such(id), |_| not_running()));
        };
        let Some(output) = live.recording.request.output.with_layout(layout) else {
            return Err(Error::invalid("layout", "this mode records sound alone"));
        };
        live.recording.request.output = output;
        if let Some(running) = &live.running {
            running.show(layout);
        }
        let recording = live.recording.clone();
        self.owe(Owed { recording: recording.clone(), forgotten: false, jobs: vec![], done: None }).await;
        Ok(recording)
    }

    async fn revoke_shares(&mut self, id: &RecordingId) -> Result<()> {
        let mut recording = self.load(id)?.ok_or_else(|| no_such(id))?;
        recording.share_generation += 1;
        if let Some(live) = self.live.get_mut(id) {
            live.recording = recording.clone();
        }
        self.write(Owed { recording, forgotten: false, jobs: vec![], done: None }).await
    }
}

/// What a start led to.
enum Begun {
    /// It is on its way: now, or since an earlier start with the same name.
    Joining(RecordingId),
    /// It was started before, with the same name.
    Known(Box<Recording>),
}

impl Begun {
    fn again(known: Recording) -> Self {
        if known.state == State::Starting { Self::Joining(known.id) } else { Self::Known(Box::new(known)) }
    }
}

fn refused_delete(unable: Unable) -> Error {
    match unable {
        Unable::Store(error) => error,
        Unable::Unknown(id) => no_such(&id),
        Unable::Refused(refused) => Error::new(ErrorKind::PermissionDenied, refused.to_string()),
    }
}

fn no_such(id: &RecordingId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no recording {id}"))
}

fn no_recording() -> Error {
    Error::new(ErrorKind::NotFound, "No active recording found for this room.")
}
