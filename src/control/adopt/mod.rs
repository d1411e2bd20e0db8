//! Recordings of sidecars that were lost with their disk: what is in the bucket becomes a film, here.

mod fetch;
mod verdict;

pub use verdict::lost;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::control::Control;
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::outbox::{Holding, Known, MARKS, Mark, Marks, Todo, Watch, playable, todo};
use crate::recording::{Checkpoint, Part, Recording, State};
use crate::spool::Spool;
use crate::storage::{Shelf, Storage, StoredPart, Stores, Version};
use verdict::{Salvaged, taken_up};

/// How often marks are looked at, at least and at most.
const POLL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Finds them and finishes them.
#[derive(Clone, Debug)]
pub struct Adopter {
    /// Where recordings are kept.
    pub db: Db,
    /// Where files are made whole.
    pub spool: Spool,
    /// Where the parts are.
    pub stores: Stores,
    /// What says whose they are.
    pub marks: Marks,
}

/// A mark, where it was found.
#[derive(Clone, Debug)]
pub struct FoundMark {
    /// What it says.
    pub mark: Mark,
    place: Arc<dyn Shelf>,
    version: Version,
}

impl Adopter {
    /// Takes over what has not been heard of for `after`, for ever; zero: never.
    pub async fn watch(self, control: Control, after: Duration) {
        if after.is_zero() {
            return;
        }
        let mut ticks = tokio::time::interval((after / 5).clamp(POLL.0, POLL.1));
        let (mut watch, mut silent) = (Watch::default(), false);
        loop {
            ticks.tick().await;
            for place in self.stores.marked() {
                let marks = match place.list(MARKS).await {
                    Ok(marks) => marks,
                    Err(error) => {
                        if !std::mem::replace(&mut silent, true) {
                            let note = "recordings of sidecars that are lost are not looked for";
                            tracing::warn!(%error, "{note}");
                        }
                        continue;
                    }
                };
                silent = false;
                watch.keep(&marks);
                for (key, version) in marks {
                    if watch.is_stale(&key, version.as_deref(), Instant::now(), after) {
                        self.look_at(&place, &key, &control).await;
                    }
                }
            }
        }
    }

    /// Every mark there is.
    pub async fn find(stores: &Stores) -> Result<Vec<FoundMark>> {
        let mut found = Vec::new();
        for place in stores.marked() {
            for (key, _) in place.list(MARKS).await? {
                found.extend(read(&place, &key).await?);
            }
        }
        Ok(found)
    }

    /// What is to be done about it, once its owner has not been heard of for long enough.
    pub fn todo(&self, mark: &Mark) -> Result<Todo> {
        let known = match self.db.get(&RecordingId::new(&mark.recording))? {
            None => Known::No,
            Some(recording) if recording.state.is_final() => Known::Ended,
            Some(_) => Known::Unended,
        };
        Ok(todo(mark, self.marks.owner(), known))
    }

    async fn look_at(&self, place: &Arc<dyn Shelf>, key: &str, control: &Control) {
        let done = async {
            let Some(found) = read(place, key).await? else { return Ok(()) };
            let id = RecordingId::new(&found.mark.recording);
            match self.todo(&found.mark)? {
                Todo::Leave => {}
                Todo::Remove => self.marks.remove(&**place, &id, Some(found.mark)).await,
                Todo::TakeOver => {
                    let Some(recording) = self.take_over(&found).await? else { return Ok(()) };
                    let taken = control.take_up(recording).await;
                    self.marks.taken(&id, taken.is_ok()).await;
                    taken?;
                }
            }
            Result::Ok(())
        };
        if let Err(error) = done.await {
            tracing::warn!(mark = key, %error, "a recording of a sidecar that is lost is not finished");
        }
    }

    /// Claims it and makes of it what can be made; the recording as it goes on here, to be kept, after which
    /// [`Marks::taken`] must be called. `None` when somebody else was there before.
    pub async fn take_over(&self, found: &FoundMark) -> Result<Option<Recording>> {
        let FoundMark { mark, place, version } = found;
        let (recording, checkpoint) = self.marks.open(mark)?;
        let id = recording.id.clone();
        if !self.marks.claim(&**place, &id, mark, version.as_deref()).await? {
            return Ok(None);
        }
        tracing::warn!(recording = %id, owner = mark.owner, heard_at = mark.heard_at, "its sidecar is lost; it is finished here");
        let beat = async {
            loop {
                tokio::time::sleep(POLL.1.min(Duration::from_secs(10))).await;
                match self.marks.still_taking(&**place, &recording).await {
                    Ok(Holding::Taken(by)) => return by,
                    Ok(Holding::Ours) | Err(_) => {}
                }
            }
        };
        let made = tokio::select! {
            made = self.salvage(&**place, &recording, &checkpoint) => made,
            by = beat => Err(Error::new(ErrorKind::AlreadyExists, format!("{id}: {by} has taken it over"))),
        };
        match made {
            Ok(salvaged) => Ok(Some(taken_up(recording, salvaged, mark.heard_at()))),
            Err(error) => {
                self.marks.taken(&id, false).await;
                Err(error)
            }
        }
    }

    /// Makes an object of the parts, and of that a film in the spool, if there is room.
    async fn salvage(&self, place: &dyn Shelf, recording: &Recording, sent: &Checkpoint) -> Result<Salvaged> {
        let storage = self.stores.of(recording.options.sealed_store(), recording.storing_mode())?;
        if let Holding::Taken(by) = self.marks.still_taking(place, recording).await? {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("{}: {by} has taken it over", recording.id)));
        }
        let Some(bytes) = complete(&storage, recording, sent).await? else { return Ok(Salvaged::Nothing) };
        let whole = match recording.state {
            State::Saving { media, .. } => Some(media).filter(|media| media.bytes == bytes),
            State::Starting | State::Active | State::Ending { .. } => None,
            State::Ended(_) | State::Notified(_) | State::Removing { .. } => None,
        };
        match fetch::fetch(&self.spool, &storage, recording, bytes).await {
            Ok(left) if left.media.duration_ns == 0 => Ok(Salvaged::There(bytes)),
            Ok(left) => {
                let (spool, id, extension) = (self.spool.clone(), recording.id.clone(), recording.extension());
                let sealed = tokio::task::spawn_blocking(move || spool.seal(&id, extension)).await;
                let failed = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Internal, format!("data_dir: {e}"));
                sealed.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
                // All of it was there, but perhaps the head as it is at the end.
                Ok(if whole.is_some() { Salvaged::Whole(left.media) } else { Salvaged::Here(left.media) })
            }
            Err(error) => {
                tracing::warn!(recording = %recording.id, %error, "it stays as it is in the store: a fragmented file");
                Ok(whole.map_or(Salvaged::There(bytes), Salvaged::Whole))
            }
        }
    }
}

fn part(StoredPart { index, bytes, id }: StoredPart) -> Part {
    Part { index, bytes, crc32: 0, id }
}

async fn read(place: &Arc<dyn Shelf>, key: &str) -> Result<Option<FoundMark>> {
    let Some((bytes, version)) = place.read_small(key).await? else { return Ok(None) };
    Ok(Mark::decode(&bytes).map(|mark| FoundMark { mark, place: place.clone(), version }))
}

/// The object, made of the parts that are known of; its size. `None` when there is nothing.
async fn complete(storage: &Storage, recording: &Recording, sent: &Checkpoint) -> Result<Option<u64>> {
    // A mark may be older than the last part that was sent; the store knows, if this key may ask.
    let known = match storage.parts_of(&recording.key, &sent.upload).await {
        Ok(parts) => parts.into_iter().map(part).collect(),
        Err(_) => sent.parts.clone(),
    };
    let mut parts = playable(&known, sent.part);
    // If it may not: the last one may be another one by now.
    for _ in 0..2 {
        if sent.upload.is_empty() || parts.is_empty() {
            break;
        }
        let ids: Vec<_> = parts.iter().map(|part| part.id.clone()).collect();
        match storage.complete(&recording.key, &sent.upload, &ids).await {
            Ok(()) => return Ok(Some(parts.iter().map(|part| part.bytes).sum())),
            Err(e) if e.kind == ErrorKind::NotFound => match storage.head(&recording.key).await? {
                // Whoever took it over before us came so far.
                Some(head) => return Ok(Some(head.bytes)),
                None => drop(parts.pop()),
            },
            Err(e) => return Err(e),
        }
    }
    if !sent.upload.is_empty()
        && let Err(error) = storage.abort(&recording.key, &sent.upload).await
    {
        tracing::warn!(recording = %recording.id, %error, "parts are left in the store");
    }
    Ok(None)
}
