//! What the outside requests of the one task: start, stop, delete, show, close.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Driver, Live, Unable};
use crate::control::admission;
use crate::control::pending_writes::{PendingWrite, Written};
use crate::control::{AtClose, ControlCommand, new_id};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recorder::Progress;
use crate::recording::{Command, Outcome, Recording, Report, Start, State};
use crate::scene::Layout;

/// So many expired recordings are removed in one go.
const EXPIRED: usize = 100;

impl Driver {
    /// Does what was ordered, and answers.
    pub(super) fn requested(&mut self, command: ControlCommand) {
        match command {
            ControlCommand::Start { start, reply } => match self.begin(*start) {
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
            ControlCommand::Stop { room, reply } => match self.stop(&room) {
                Ok((recording, written)) => written.answer(reply, Ok(recording)),
                Err(error) => drop(reply.send(Err(error))),
            },
            ControlCommand::Finish { id, reply } => match self.finish(&id) {
                Ok((recording, written)) => written.answer(reply, Ok(recording)),
                Err(error) => drop(reply.send(Err(error))),
            },
            ControlCommand::Delete { id, object, reply } => match self.command(&id, Command::Delete { object }) {
                Ok(written) => written.answer(reply, Ok(())),
                Err(unable) => drop(reply.send(Err(refused_delete(unable)))),
            },
            ControlCommand::Layout { id, layout, reply } => match self.show(&id, layout) {
                Ok((recording, written)) => written.answer(reply, Ok(recording)),
                Err(error) => drop(reply.send(Err(error))),
            },
            ControlCommand::RevokeShares { id, reply } => match self.revoke_shares(&id) {
                // What was not revoked is not to be believed revoked.
                Ok(written) => drop(tokio::spawn(async move { reply.send(written.tried().await) })),
                Err(error) => drop(reply.send(Err(error))),
            },
            ControlCommand::RoomClosed { room, why } => {
                let ids: Vec<_> =
                    self.live.iter().filter(|(_, live)| live.holds(&room)).map(|(id, _)| id.clone()).collect();
                for id in ids {
                    self.report(&id, Report::RoomClosed(why.clone()), None);
                }
            }
            ControlCommand::TakeUp { recording, reply } => {
                let written = self.take_up(*recording);
                drop(tokio::spawn(async move { reply.send(written.tried().await) }));
            }
            ControlCommand::Expire { now, reply } => {
                let expired = self.db.expired(now, EXPIRED).unwrap_or_default();
                // Not those whose end the store has not taken yet, or that are on their way out.
                let expired: Vec<_> = expired.into_iter().filter(|one| self.writes.newest(&one.id).is_none()).collect();
                for recording in &expired {
                    self.report(&recording.id, Report::Expired, None);
                }
                let _ = reply.send(expired.len());
            }
            ControlCommand::Progress { reply } => {
                let figures =
                    self.live.iter().filter_map(|(id, live)| Some((id.clone(), live.running.as_ref()?.progress())));
                let _ = reply.send(figures.collect::<HashMap<RecordingId, Progress>>());
            }
            ControlCommand::Close { running, reply } => {
                self.closing.get_or_insert_default().waiting.push(reply);
                let ids: Vec<_> = match running {
                    AtClose::Stop => self.live.keys().cloned().collect(),
                    AtClose::Drain => vec![],
                    AtClose::Suspend => {
                        self.suspend();
                        vec![]
                    }
                };
                for id in ids {
                    if let Err(error) = self.command(&id, Command::Stop) {
                        tracing::debug!(recording = %id, ?error, "not stopped");
                    }
                }
            }
        }
    }

    fn begin(&mut self, start: Start) -> Result<Begun> {
        let Start { id, mode, request, options, .. } = start;
        if let Some(id) = &id
            && let Some(known) = self.load(id)?
        {
            return Ok(Begun::again(known));
        }
        if let Some(known) = self.started_before(&request.room, options.idempotency_key.as_deref())? {
            return Ok(Begun::again(known));
        }
        if self.closing.is_some() {
            return Err(Error::new(ErrorKind::Unavailable, "greffier is shutting down"));
        }
        if let Some(error) = self.writes.refused() {
            return Err(error.clone());
        }
        let holder = self.live.values().find(|live| live.holds(&request.room)).map(|live| &live.recording);
        admission::check_room(&options.origin, &request.room, holder)?;
        if let Some(key) = options.key.as_ref().filter(|_| options.store.is_none()) {
            let owner = self.owner_of_key(key)?;
            admission::check_key(&options.origin, &request.room, key, owner.as_ref())?;
        }
        admission::check_disk(self.effects.spool.room(), &self.policy.disk)?;
        let id = id.unwrap_or_else(new_id);
        let slot = self.admission.slot(&id, &request, &options.origin)?;
        let now = Timestamp::now();
        let (recording, effects) = Recording::begin(id.clone(), mode, request, options, &self.policy, now);
        let jobs = self.jobs(&recording, &effects);
        tracing::info!(recording = %id, room = recording.request.room, mode = recording.mode, "starting");
        self.live.insert(id.clone(), Live { slot: Some(slot), ..Live::new(recording.clone()) });
        self.write(PendingWrite::of(recording).with(jobs, effects).beginning());
        Ok(Begun::Joining(id))
    }

    /// The recording that was started in this room with this idempotency key, unless that start failed: then it is tried
    /// again.
    fn started_before(&self, room: &str, key: Option<&str>) -> Result<Option<Recording>> {
        let Some(key) = key else { return Ok(None) };
        let same = |live: &&Live| {
            live.recording.request.room == room && live.recording.options.idempotency_key.as_deref() == Some(key)
        };
        if let Some(live) = self.live.values().find(same) {
            return Ok(Some(live.recording.clone()));
        }
        // What ended may not be in the store as it is now.
        let Some(known) = self.db.started_with(room, key)? else { return Ok(None) };
        let known = self.load(&known.id)?;
        Ok(known
            .filter(|known| known.started_at.is_some() || !matches!(known.state.outcome(), Some(Outcome::Failed(_)))))
    }

    /// Whose object has this key, or will have it: the newest recording that was given it and that left, or may leave, a file.
    fn owner_of_key(&self, key: &str) -> Result<Option<Recording>> {
        let of_key = |live: &&Live| live.recording.key == key && live.recording.options.store.is_none();
        let live = self.live.values().filter(of_key).max_by_key(|live| live.recording.created_at);
        let owner = match live {
            Some(live) => Some(live.recording.clone()),
            None => self.db.with_key(key)?.map(|known| self.load(&known.id)).transpose()?.flatten(),
        };
        Ok(owner.filter(|owner| !owner.left_nothing() && !matches!(owner.state, State::Removing { .. })))
    }

    /// The one that holds the room, rather the room's only one of our REST API; else the one that is on its way to its
    /// end, so that stopping twice does no harm. Of several the newest.
    fn stop(&mut self, room: &str) -> Result<(Recording, Written)> {
        let of_room = self.live.values().filter(|live| live.recording.request.room == room);
        let rank = |live: &&Live| {
            let recording = &live.recording;
            (live.holds(room), admission::is_the_rooms(&recording.options.origin), recording.created_at)
        };
        let id = of_room.max_by_key(rank).map(|live| live.recording.id.clone()).ok_or_else(no_recording)?;
        let written = self.command(&id, Command::Stop).map_err(|_| no_recording())?;
        let recording = self.live.get(&id).map(|live| live.recording.clone()).ok_or_else(no_recording)?;
        Ok((recording, written))
    }

    fn finish(&mut self, id: &RecordingId) -> Result<(Recording, Written)> {
        let written = match self.command(id, Command::Stop) {
            Ok(written) => written,
            Err(Unable::Refused(_)) => Written::already(),
            Err(Unable::Store(error)) => return Err(error),
            Err(Unable::Unknown(id)) => return Err(no_such(&id)),
        };
        Ok((self.load(id)?.ok_or_else(|| no_such(id))?, written))
    }

    /// Another layout from now on.
    fn show(&mut self, id: &RecordingId, layout: Layout) -> Result<(Recording, Written)> {
        let live = self.live.get_mut(id).filter(|live| live.recording.state.holds_room() && !live.salvaging);
        let not_running = || Error::new(ErrorKind::FailedPrecondition, "the recording is not running");
        let Some(live) = live else {
            return Err(self.load(id)?.map_or_else(|| no_such(id), |_| not_running()));
        };
        let Some(output) = live.recording.request.output.with_layout(layout) else {
            return Err(Error::invalid("layout", "this mode records audio only"));
        };
        live.recording.request.output = output;
        if let Some(running) = &live.running {
            running.show(layout);
        }
        let recording = live.recording.clone();
        let written = self.write(PendingWrite::of(recording.clone()));
        Ok((recording, written))
    }

    fn revoke_shares(&mut self, id: &RecordingId) -> Result<Written> {
        let mut recording = self.load(id)?.ok_or_else(|| no_such(id))?;
        recording.share_generation += 1;
        if let Some(live) = self.live.get_mut(id) {
            live.recording = recording.clone();
        }
        Ok(self.write(PendingWrite::of(recording)))
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
