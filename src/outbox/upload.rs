//! Brings one recording's file to its final place: parts leave while it grows, what changed since once it is whole.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::marks::{Holding, Marks};
use super::parts;
use super::source::{SpoolState, crc32, read, spool_state};
use crate::db::Db;
use crate::error::{Attempt, Error, ErrorKind, Result, Undelivered};
use crate::ids::RecordingId;
use crate::recording::{Checkpoint, HoleCause, Part, Recording, State};
use crate::spool::Spool;
use crate::storage::Storage;

/// How often the spool is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// So many parts of the end are compared with what was sent: a recorder that was killed leaves a tail that is cut off.
const COMPARED: usize = 3;
/// A key that may not look takes an object for stored after so many uploads whose completion was not answered.
const TRUSTED: u32 = 2;

/// Sends what there is while the file grows, and returns once it is whole and all its parts are in the store, as far as it has
/// parts: the object does not appear yet. After a failure another try goes on where this one ended.
pub async fn upload(db: &Db, spool: &Spool, storage: &Storage, marks: Option<&Marks>, id: &RecordingId) -> Attempt {
    perform(Step::Send, db, spool, storage, marks, id).await
}

/// Waits until the file is whole, and returns once the object is complete and verified. A film is given up only when there is
/// nothing to store, and never will be: as long as it is there, whatever is wrong with its storage may be put right, and another
/// try goes on where this one ended.
pub async fn publish(db: &Db, spool: &Spool, storage: &Storage, marks: Option<&Marks>, id: &RecordingId) -> Attempt {
    perform(Step::Publish, db, spool, storage, marks, id).await
}

/// How far it is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Everything is in the store.
    Send,
    /// And it is an object.
    Publish,
}

async fn perform(
    step: Step,
    db: &Db,
    spool: &Spool,
    storage: &Storage,
    marks: Option<&Marks>,
    id: &RecordingId,
) -> Attempt {
    let recording = db.get(id)?.ok_or_else(|| gone(id, "the recording is gone"))?;
    if recording.state.is_final() {
        // Another sidecar has taken it over.
        return Ok(());
    }
    let upload = Upload { step, db, spool, storage, marks, id, recording };
    if storage.takes_parts() { upload.in_parts().await } else { upload.whole().await }
}

struct Upload<'a> {
    step: Step,
    db: &'a Db,
    spool: &'a Spool,
    storage: &'a Storage,
    /// Where others see that it is being seen to.
    marks: Option<&'a Marks>,
    id: &'a RecordingId,
    recording: Recording,
}

/// What the store says of the object.
enum Stored {
    Bytes(u64),
    Nothing,
    /// This key may not look, or not learn of what is absent.
    Unknown,
}

impl Upload<'_> {
    /// Into a folder: moved when it is whole.
    async fn whole(&self) -> Attempt {
        loop {
            match self.spool_state().await? {
                SpoolState::Whole(file, _) => {
                    return match self.step {
                        Step::Send => Ok(()),
                        Step::Publish => {
                            Ok(self.storage.put_file(&file, self.key(), self.recording.content_type()).await?)
                        }
                    };
                }
                SpoolState::Growing(..) => tokio::time::sleep(POLL_INTERVAL).await,
                SpoolState::Nothing => return self.nothing(&Checkpoint::default()).await,
            }
        }
    }

    /// Into a bucket. An upload that the store has lost is begun anew, once in a try; one that needs more parts than the store
    /// takes, with larger ones.
    async fn in_parts(&self) -> Attempt {
        let mut sent = self.db.checkpoint(self.id)?.unwrap_or_default();
        let least = self.storage.part_size();
        if sent.part == 0 {
            let wanted = parts::length_for(parts::expected(&self.recording.request), least);
            sent.part = if sent.upload.is_empty() { wanted } else { parts::PART };
        }
        if let Some(setting) = sent.stuck {
            if setting == least {
                return Err(self.too_large(&sent).into());
            }
            self.throw_away(&sent).await;
            let part = sent.part.max(least);
            self.keep(&mut sent, Checkpoint { part, ..Checkpoint::default() }).await?;
        }
        let mut begun = false;
        loop {
            let (lost, part) = match self.attempt(&mut sent).await {
                Err(Undelivered::Retry(e)) if e.kind == ErrorKind::NotFound && !begun => {
                    begun = true;
                    (e, sent.part)
                }
                Err(Undelivered::Retry(e)) if e.kind == ErrorKind::ResourceExhausted => {
                    let (size, whole) = match self.spool_state().await? {
                        SpoolState::Whole(_, size) => (size, true),
                        SpoolState::Growing(_, size) => (size, false),
                        SpoolState::Nothing => (0, true),
                    };
                    let most = parts::LARGEST.max(least);
                    let Some(part) = parts::larger(&sent.parts, sent.part, size, whole, most) else {
                        let stuck = Checkpoint { stuck: Some(least), ..sent.clone() };
                        self.keep(&mut sent, stuck).await?;
                        tracing::error!(recording = %self.id, error = %e, "the storage accepts none of our part sizes");
                        return Err(self.too_large(&sent).into());
                    };
                    (e, part)
                }
                done => return done,
            };
            tracing::warn!(recording = %self.id, error = %lost, part, "the upload begins anew");
            self.throw_away(&sent).await;
            let unanswered = sent.unanswered;
            self.keep(&mut sent, Checkpoint { part, unanswered, ..Checkpoint::default() }).await?;
        }
    }

    fn too_large(&self, sent: &Checkpoint) -> Error {
        let taken = sent.parts.len().max(1);
        let why = format!(
            "storage.s3.part_size: the store takes no more than {taken} parts of {} MiB for {}; allow larger ones, in MiB, or \
             use another store",
            sent.part >> 20,
            self.key()
        );
        Error::new(ErrorKind::FailedPrecondition, why)
    }

    /// What was sent is of no use any more. A key that may not say so leaves it to the bucket's lifecycle rule.
    async fn throw_away(&self, sent: &Checkpoint) {
        if !sent.upload.is_empty()
            && let Err(error) = self.storage.abort(self.key(), &sent.upload).await
        {
            tracing::warn!(recording = %self.id, %error, "parts are left in the store");
        }
    }

    async fn attempt(&self, sent: &mut Checkpoint) -> Attempt {
        let (every, mut sent_at) = (self.storage.max_unsent(), Instant::now());
        loop {
            match self.spool_state().await? {
                SpoolState::Growing(file, size) => {
                    let due = every.is_some_and(|every| sent_at.elapsed() >= every);
                    let done = match parts::next(&sent.parts, sent.part, size, due) {
                        Some((index, range)) => self.send(&file, index, range, sent).await?,
                        None => false,
                    };
                    if done {
                        sent_at = Instant::now();
                    } else {
                        tokio::time::sleep(POLL_INTERVAL).await;
                    }
                }
                SpoolState::Whole(file, size) => {
                    // Once an upload has begun, its one part is enough: not every key may take an upload back.
                    match (self.step, size == 0 || size <= sent.part && sent.upload.is_empty()) {
                        (Step::Send, true) => {}
                        (Step::Send, false) => self.send_rest(&file, size, sent).await?,
                        (Step::Publish, true) => self.finish_small(&file, size, sent).await?,
                        (Step::Publish, false) => self.finish(&file, size, sent).await?,
                    }
                    return Ok(());
                }
                SpoolState::Nothing => return self.nothing(sent).await,
            }
        }
    }

    /// The file is whole: sends what is missing, the first part last.
    async fn send_rest(&self, file: &Path, size: u64, sent: &mut Checkpoint) -> Result<()> {
        self.forget_changed(file, size, sent).await?;
        for index in parts::missing(&sent.parts, sent.part, size) {
            if !self.send(file, index, parts::range_in(index, sent.part, size), sent).await? {
                return Err(self.changed(file));
            }
        }
        Ok(())
    }

    /// Puts the parts together.
    async fn finish(&self, file: &Path, size: u64, sent: &mut Checkpoint) -> Result<()> {
        self.send_rest(file, size, sent).await?;
        let mut ids = sent.parts.clone();
        ids.sort_by_key(|part| part.index);
        let ids: Vec<_> = ids.into_iter().map(|part| part.id).collect();
        self.hold().await?;
        let before = sent.unanswered;
        // Kept before it is asked: a process may end before it hears the answer.
        self.keep(sent, Checkpoint { unanswered: before + 1, ..sent.clone() }).await?;
        match self.storage.complete(self.key(), &sent.upload, &ids).await {
            Ok(()) => self.verify(size, sent).await,
            Err(e) if e.kind == ErrorKind::NotFound => match self.stored().await? {
                // A try before this one completed it, and its answer was lost.
                Stored::Bytes(bytes) if bytes == size => Ok(()),
                // The store knows the upload no more, twice now, after it had all parts and was asked to make the object.
                Stored::Unknown if before >= TRUSTED => {
                    tracing::warn!(recording = %self.id, key = self.key(), "stored, as far as this key may know");
                    Ok(())
                }
                Stored::Bytes(_) | Stored::Nothing | Stored::Unknown => Err(e),
            },
            Err(e) if matches!(e.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded) => Err(e),
            // It was answered: the object was not made.
            Err(e) => {
                self.keep(sent, Checkpoint { unanswered: before, ..sent.clone() }).await?;
                Err(e)
            }
        }
    }

    /// Too small for parts: one request.
    async fn finish_small(&self, file: &Path, size: u64, sent: &mut Checkpoint) -> Result<()> {
        if !sent.upload.is_empty() {
            self.throw_away(sent).await;
            self.keep(sent, Checkpoint { part: sent.part, ..Checkpoint::default() }).await?;
        }
        let Some(bytes) = read(file, 0..size).await? else { return Err(self.changed(file)) };
        // The name appears once: a try before this one may have come so far. Who may not look writes the same bytes again.
        if matches!(self.stored().await?, Stored::Bytes(there) if there == size) && self.is_stored(&bytes).await? {
            return Ok(());
        }
        self.hold().await?;
        self.storage.put(self.key(), bytes, self.recording.content_type()).await?;
        self.verify(size, sent).await
    }

    /// The object is as large as the file. Its parts were compared by the store as they came, and it was made of just those.
    async fn verify(&self, size: u64, sent: &mut Checkpoint) -> Result<()> {
        let stored = match self.stored().await? {
            Stored::Bytes(bytes) if bytes == size => {
                tracing::info!(recording = %self.id, key = self.key(), bytes = size, "stored");
                return Ok(());
            }
            Stored::Unknown => {
                let note = "stored; this key may not read, so the store's word is all that is known";
                tracing::info!(recording = %self.id, key = self.key(), bytes = size, note);
                return Ok(());
            }
            Stored::Bytes(bytes) => format!("{bytes} bytes"),
            Stored::Nothing => "nothing".to_owned(),
        };
        self.keep(sent, Checkpoint { part: sent.part, ..Checkpoint::default() }).await?;
        Err(Error::new(ErrorKind::Unavailable, format!("storage: {stored} under {} instead of {size}", self.key())))
    }

    /// There is no file: done before a crash, or never to be.
    async fn nothing(&self, sent: &Checkpoint) -> Attempt {
        let recording = self.db.get(self.id)?;
        if self.step == Step::Send && recording.as_ref().is_some_and(|of| matches!(of.state, State::Saving { .. })) {
            // It is to be published, and that says what became of it.
            return Ok(());
        }
        if let Some(media) = recording.and_then(|recording| recording.media)
            && matches!(self.stored().await?, Stored::Bytes(bytes) if bytes == media.bytes)
        {
            return Ok(());
        }
        if !sent.upload.is_empty() {
            match self.storage.abort(self.key(), &sent.upload).await {
                Err(e) if e.kind == ErrorKind::Unavailable => return Err(e.into()),
                Err(e) => tracing::warn!(recording = %self.id, error = %e, "parts are left in the store"),
                Ok(()) => {}
            }
        }
        match self.step {
            Step::Send => Ok(()),
            Step::Publish => Err(gone(self.id, "its file is neither in the spool nor stored")),
        }
    }

    /// Sends this part; false when the file does not have it any more.
    async fn send(&self, file: &Path, index: u32, range: Range<u64>, sent: &mut Checkpoint) -> Result<bool> {
        if parts::too_many(index) {
            return Err(Error::new(ErrorKind::ResourceExhausted, format!("storage: {index} parts are too many")));
        }
        let Some(bytes) = read(file, range).await? else { return Ok(false) };
        self.hold().await?;
        if sent.upload.is_empty() {
            let upload = self.storage.begin(self.key(), self.recording.content_type()).await?;
            // Kept before anything is sent: what nobody remembers is never thrown away.
            self.keep(sent, Checkpoint { upload: name_of(upload), parts: Vec::new(), ..sent.clone() }).await?;
        }
        let (length, crc32) = (bytes.len() as u64, crc32(&bytes));
        let id = self.storage.put_part(self.key(), &sent.upload, index, bytes).await?;
        tracing::debug!(recording = %self.id, index, bytes = length, "a part is stored");
        let mut next = sent.clone();
        next.parts.retain(|part| part.index != index);
        next.parts.push(Part { index, bytes: length, crc32, id });
        self.keep(sent, next).await?;
        if let Some(marks) = self.marks {
            marks.note(self.id).await;
        }
        Ok(true)
    }

    /// Nothing is written to what another sidecar has taken over.
    async fn hold(&self) -> Result<()> {
        match self.marks {
            None => Ok(()),
            Some(marks) => match marks.hold(&self.recording).await? {
                Holding::Ours => Ok(()),
                Holding::Taken(by) => {
                    let why = format!("{}: {by} has taken it over; its file stays in the spool", self.id);
                    Err(Error::new(ErrorKind::FailedPrecondition, why))
                }
            },
        }
    }

    /// Forgets the parts that were sent with other bytes than the file has now.
    async fn forget_changed(&self, file: &Path, size: u64, sent: &mut Checkpoint) -> Result<()> {
        let mut next = sent.clone();
        parts::keep_fitting(&mut next.parts, sent.part, size);
        // What was not whole at the end of a take was cut off, and may have been sent.
        let cut = self.recording.health.holes.iter().any(|hole| hole.cause == HoleCause::Interrupted);
        let mut alike = 0;
        for part in parts::suspects(&next.parts) {
            let Some(bytes) = read(file, parts::range_in(part.index, sent.part, size)).await? else {
                return Err(self.changed(file));
            };
            if crc32(&bytes) != part.crc32 {
                next.parts.retain(|other| other.index != part.index);
                alike = 0;
            } else if part.index > 0 {
                alike += 1;
            }
            if alike == COMPARED && !cut {
                break;
            }
        }
        if next != *sent {
            tracing::info!(recording = %self.id, again = sent.parts.len() - next.parts.len(), "parts changed since");
            self.keep(sent, next).await?;
        }
        Ok(())
    }

    /// A disk that hangs holds up this recording alone.
    async fn spool_state(&self) -> Result<SpoolState> {
        let (spool, id, extension) = (self.spool.clone(), self.id.clone(), self.recording.extension());
        let looked = tokio::task::spawn_blocking(move || spool_state(&spool, &id, extension)).await;
        looked.map_err(|e| Error::new(ErrorKind::Internal, format!("{}: {e}", self.id)))?
    }

    async fn stored(&self) -> Result<Stored> {
        match self.storage.head(self.key()).await {
            Ok(Some(head)) => Ok(Stored::Bytes(head.bytes)),
            Ok(None) => Ok(Stored::Nothing),
            // A wrong key is refused by the write, too, and then says so.
            Err(e) if e.kind == ErrorKind::PermissionDenied => Ok(Stored::Unknown),
            Err(e) => Err(e),
        }
    }

    /// Are just these bytes there? Whoever may not read does not know, and writes them again.
    async fn is_stored(&self, bytes: &Bytes) -> Result<bool> {
        use futures_util::TryStreamExt as _;
        if bytes.is_empty() {
            return Ok(true);
        }
        let read = async {
            let content = self.storage.get_range(self.key(), 0..u64::MAX).await?;
            content.stream.try_collect::<Vec<_>>().await
        };
        match read.await {
            Ok(there) => Ok(there.concat() == *bytes),
            Err(e) if e.kind == ErrorKind::PermissionDenied => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn keep(&self, sent: &mut Checkpoint, next: Checkpoint) -> Result<()> {
        let (db, id) = (self.db.clone(), self.id.clone());
        let kept = tokio::task::spawn_blocking(move || db.keep_checkpoint(&id, &next).map(|()| next)).await;
        *sent = kept.map_err(|e| Error::new(ErrorKind::Internal, format!("{}: {e}", self.id)))??;
        Ok(())
    }

    fn key(&self) -> &str {
        &self.recording.key
    }

    fn changed(&self, file: &Path) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{}: {} changed while it was stored", self.id, file.display()))
    }
}

fn gone(id: &RecordingId, why: &str) -> Undelivered {
    Undelivered::Never(Error::new(ErrorKind::DataLoss, format!("{id}: {why}")))
}

/// Azure's uploads have no names; an empty one here means that none was begun.
fn name_of(upload: String) -> String {
    if upload.is_empty() { "-".to_owned() } else { upload }
}
