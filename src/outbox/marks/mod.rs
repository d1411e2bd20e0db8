//! Marks beside uploads: as long as this process lives it says so, so that another one may finish a recording when it does not.

mod mark;

pub use mark::{FOLDER, Known, Mark, Todo, Watch, todo};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::Completion;
use crate::db::{self, Db};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{Checkpoint, Recording, Report, State};
use crate::sealing::Sealer;
use crate::storage::{Expected, Shelf, Stores};
use mark::{Found, Then, is_confirmed, sign_of_life, still_ours};

/// So often a mark that changes under our hands is looked at again.
const TRIES: usize = 4;

/// Keeps the marks of this sidecar. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Marks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    stores: Stores,
    sealer: Sealer,
    owner: String,
    after: Duration,
    completions: mpsc::UnboundedSender<Completion>,
    held: Mutex<HashMap<RecordingId, Slot>>,
    said: Mutex<Vec<ErrorKind>>,
}

type Slot = Arc<tokio::sync::Mutex<Held>>;

/// What is known of one mark.
#[derive(Debug, Default)]
struct Held {
    /// What it looks like in the store, when that was heard.
    version: Option<String>,
    /// When it was last written.
    confirmed: Option<Instant>,
    /// The one that was taken over: it stays as it is, but for its signs of life.
    taken: Option<Mark>,
    phase: Phase,
}

/// Whose concern it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Ours, as the store's row is.
    #[default]
    Ours,
    /// Ours, and not in the store yet.
    Taking,
    /// Nobody's: what it was of has come to its end.
    Over,
    /// Somebody else's.
    Left(String),
}

/// Whether a recording is still ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// It is, as far as can be known.
    Ours,
    /// This one has taken it over.
    Taken(String),
}

impl Marks {
    /// Those of the recordings in this store. An owner is taken for lost `after` this long without a sign of life.
    pub fn new(
        db: Db,
        stores: Stores,
        sealer: Sealer,
        after: Duration,
        completions: mpsc::UnboundedSender<Completion>,
    ) -> Result<Self> {
        let owner = db.sidecar_id(|| format!("sidecar-{:016x}", rand::random::<u64>()))?;
        let (held, said) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { db, stores, sealer, owner, after, completions, held, said })))
    }

    /// What this sidecar is called in marks.
    pub fn owner(&self) -> &str {
        &self.0.owner
    }

    /// Gives signs of life, for ever, and takes away the marks of what has ended.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(sign_of_life(self.0.after)).await;
            let Ok(unended) = self.0.db.unended() else { continue };
            let begun = unended.iter().filter(|one| one.state != State::Starting || one.started_at.is_some());
            futures_util::future::join_all(begun.map(|recording| self.note(&recording.id))).await;
            self.sweep().await;
        }
    }

    /// Takes away the marks of what has ended, also of those that an earlier process had no time for.
    pub async fn sweep(&self) {
        let ended = |id: &RecordingId| self.0.db.get(id).is_ok_and(|it| it.is_none_or(|it| it.state.is_final()));
        for id in self.0.db.marked().unwrap_or_default().into_iter().filter(ended) {
            self.release(&id).await;
        }
    }

    /// To be called before bytes are sent: is the recording still ours? `Unavailable` when that cannot be known now and matters.
    pub async fn hold(&self, recording: &Recording) -> Result<Holding> {
        let Some(place) = self.place(recording) else { return Ok(Holding::Ours) };
        let slot = self.slot(&recording.id);
        let mut held = slot.lock().await;
        if held.phase == Phase::Ours && is_confirmed(held.confirmed.map(|at| at.elapsed()), self.0.after) {
            return Ok(Holding::Ours);
        }
        match self.write(&mut held, recording, &*place).await {
            Err(e) if is_away(&e) && self.0.db.is_marked(&recording.id)? => Err(e),
            Err(error) => {
                self.say(&error, "recordings are not marked: nobody finishes them if this machine is lost");
                Ok(Holding::Ours)
            }
            done => done,
        }
    }

    /// Something has changed, or time has passed: the mark says so. What cannot be written now is written next time.
    pub async fn note(&self, id: &RecordingId) {
        let Ok(Some(recording)) = self.0.db.get(id) else { return };
        let Some(place) = self.place(&recording) else { return };
        let slot = self.slot(id);
        let mut held = slot.lock().await;
        if let Err(error) = self.write(&mut held, &recording, &*place).await
            && !is_away(&error)
        {
            self.say(&error, "recordings are not marked: nobody finishes them if this machine is lost");
        }
    }

    /// The recording has come to its end: its mark goes.
    pub async fn release(&self, id: &RecordingId) {
        let slot = self.slot(id);
        let mut held = slot.lock().await;
        let over = match held.phase {
            Phase::Taking => return,
            Phase::Over | Phase::Left(_) => true,
            Phase::Ours => std::mem::replace(&mut held.phase, Phase::Over) == Phase::Over,
        };
        let recording = self.0.db.get(id).ok().flatten();
        if recording.as_ref().is_none_or(|recording| recording.state.is_final()) {
            self.lock().remove(id);
        }
        if over {
            return;
        }
        let _ = self.0.db.keep_marked(id, false);
        let first = || self.0.stores.marked().into_iter().next();
        if let Some(place) = recording.as_ref().map_or_else(first, |of| self.place(of)) {
            self.remove(&*place, id, held.taken.take()).await;
        }
    }

    /// Takes a mark away; a key that may not delete says in it that it is over.
    pub async fn remove(&self, place: &dyn Shelf, id: &RecordingId, mark: Option<Mark>) {
        let key = mark::key(id.as_str());
        match place.delete(&key).await {
            Err(error) if error.kind == ErrorKind::PermissionDenied => {
                let mark = mark.unwrap_or_else(|| Mark::new(id.as_str(), "", "", self.owner(), b""));
                let _ = place.put_if(&key, mark.finished().encode().into(), &Expected::Anything).await;
                self.say(&error, "marks stay beside the objects; those of recordings that are stored say so");
            }
            Err(error) => tracing::warn!(recording = %id, %error, "its mark is not taken away yet"),
            Ok(()) => {}
        }
    }

    /// Takes over what this mark is of, if it still is as it was seen; false when somebody else was there before.
    pub async fn claim(&self, place: &dyn Shelf, id: &RecordingId, mark: &Mark, version: Option<&str>) -> Result<bool> {
        let mark = mark.clone().taken_by(self.owner()).heard(Timestamp::now());
        let expected = version.map_or(Expected::Anything, |version| Expected::Version(version.to_owned()));
        match place.put_if(&mark::key(id.as_str()), mark.encode().into(), &expected).await {
            Ok(version) => {
                let held = Held { version, confirmed: Some(Instant::now()), taken: Some(mark), phase: Phase::Taking };
                self.lock().insert(id.clone(), Arc::new(tokio::sync::Mutex::new(held)));
                Ok(true)
            }
            Err(e) if e.kind == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Says that what was taken over is still being seen to; is it still ours?
    pub async fn still_taking(&self, place: &dyn Shelf, recording: &Recording) -> Result<Holding> {
        let slot = self.slot(&recording.id);
        let mut held = slot.lock().await;
        self.write(&mut held, recording, place).await
    }

    /// What was taken over is in the store now, or it is left to whoever finds it next.
    pub async fn taken(&self, id: &RecordingId, stored: bool) {
        let slot = self.slot(id);
        let mut held = slot.lock().await;
        if stored {
            held.phase = Phase::Ours;
            let _ = self.0.db.keep_marked(id, true);
        } else {
            self.lock().remove(id);
        }
    }

    /// What is sealed in a mark; the error says that it is another deployment's.
    pub fn open(&self, mark: &Mark) -> Result<(Recording, Checkpoint)> {
        let broken = || Error::new(ErrorKind::DataLoss, format!("the mark of {} cannot be read", mark.recording));
        let bytes = self.0.sealer.open(&mark.sealed().ok_or_else(broken)?)?;
        db::unpack(&bytes)
    }

    /// Writes the mark, unless it turns out to be somebody else's.
    async fn write(&self, held: &mut Held, recording: &Recording, place: &dyn Shelf) -> Result<Holding> {
        match &held.phase {
            Phase::Over => return Ok(Holding::Ours),
            Phase::Left(by) => return Ok(Holding::Taken(by.clone())),
            Phase::Ours | Phase::Taking => {}
        }
        let (id, begun) = (&recording.id, Instant::now());
        let key = mark::key(id.as_str());
        let marked = held.version.is_some() || self.0.db.is_marked(id)?;
        let mut expected = held.version.clone().map_or(Expected::Nothing, Expected::Version);
        for _ in 0..TRIES {
            let mark = match &held.taken {
                Some(mark) => mark.clone().heard(Timestamp::now()),
                None => self.mark(recording)?,
            };
            match place.put_if(&key, mark.encode().into(), &expected).await {
                Ok(version) => {
                    (held.version, held.confirmed) = (version, Some(begun));
                    if !marked && held.phase == Phase::Ours {
                        self.0.db.keep_marked(id, true)?;
                    }
                    return Ok(Holding::Ours);
                }
                Err(e) if e.kind == ErrorKind::Unimplemented && expected != Expected::Anything => {
                    self.say(&e, "another sidecar that takes a recording over is not noticed");
                    expected = Expected::Anything;
                    continue;
                }
                Err(e) if e.kind == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
            let read = place.read_small(&key).await;
            let (found, version) = match &read {
                Ok(Some((bytes, version))) => (Mark::decode(bytes), version.clone()),
                Ok(None) | Err(_) => (None, None),
            };
            let seen = match (&read, &found) {
                (Ok(Some(_)), Some(mark)) => Found::Mark(mark),
                (Ok(Some(_)), None) => Found::Unreadable,
                (Ok(None), _) => Found::Nothing { object: self.is_stored(recording).await },
                (Err(e), _) if e.kind == ErrorKind::PermissionDenied => Found::Denied,
                (Err(e), _) => return Err(e.clone()),
            };
            if let Then::Yield(by) = still_ours(&seen, self.owner(), marked) {
                self.leave(held, recording, &by);
                return Ok(Holding::Taken(by));
            }
            expected = match (&seen, version) {
                (Found::Nothing { .. }, _) => Expected::Nothing,
                (Found::Mark(_) | Found::Unreadable, Some(version)) => Expected::Version(version),
                (Found::Mark(_) | Found::Unreadable | Found::Denied, _) => Expected::Anything,
            };
            if held.taken.is_none() {
                held.taken = found.filter(|mark| mark.taken_over);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("storage: {key} changes all the time")))
    }

    /// Somebody else has it: nothing of it is written or reported here any more, and its file stays.
    fn leave(&self, held: &mut Held, recording: &Recording, by: &str) {
        let was = std::mem::replace(&mut held.phase, Phase::Left(by.to_owned()));
        let id = &recording.id;
        if was == Phase::Taking {
            return;
        }
        // It is not ours to take away any more.
        let _ = self.0.db.keep_marked(id, false);
        tracing::error!(recording = %id, by, "another sidecar has taken it over; its file stays in data_dir and is set aside at the next start");
        let report = Report::TakenOver(by.to_owned());
        let _ = self.0.completions.send(Completion { recording: id.clone(), report, done: None });
    }

    fn mark(&self, recording: &Recording) -> Result<Mark> {
        // Its state may be another one by now.
        let recording = &self.0.db.get(&recording.id)?.unwrap_or_else(|| recording.clone());
        let checkpoint = self.0.db.checkpoint(&recording.id)?.unwrap_or_default();
        let sealed = self.0.sealer.seal(&db::pack(recording, &checkpoint)?)?;
        let mark = Mark::new(recording.id.as_str(), &recording.key, recording.content_type(), self.owner(), &sealed);
        Ok(mark.of_upload(&checkpoint.upload, checkpoint.part).heard(Timestamp::now()))
    }

    async fn is_stored(&self, recording: &Recording) -> bool {
        match self.0.stores.of(recording.options.sealed_store(), recording.storing_mode()) {
            Ok(storage) => storage.is_there(&recording.key).await,
            Err(_) => false,
        }
    }

    /// Where its mark is: where every sidecar looks; nowhere when its file does not go to a bucket.
    fn place(&self, recording: &Recording) -> Option<Arc<dyn Shelf>> {
        let storage = self.0.stores.of(recording.options.sealed_store(), recording.storing_mode()).ok()?;
        storage.takes_parts().then(|| self.0.stores.marks_of(recording.storing_mode())).flatten()
    }

    fn slot(&self, id: &RecordingId) -> Slot {
        self.lock().entry(id.clone()).or_default().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RecordingId, Slot>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once for each kind of trouble: it is the same for all recordings.
    fn say(&self, error: &Error, what: &str) {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains(&error.kind) {
            said.push(error.kind);
            tracing::warn!(%error, "{what}");
        }
    }
}

/// May pass by itself.
fn is_away(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded)
}
