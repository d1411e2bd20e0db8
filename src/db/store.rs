//! The trees, and how they are opened again once the disk takes writes again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, TryLockError};
use std::thread::sleep;
use std::time::Duration;

/// So much must fit on the disk before the store is opened again: it writes half a megabyte at a time.
const ROOM: usize = 2 << 20;
/// How often, and after how long, the store is tried while others read from it, or have just let go of it.
const TRIES: usize = 100;
const AGAIN: Duration = Duration::from_millis(10);

/// What is kept.
#[derive(Debug)]
pub(super) struct Trees {
    store: sled::Db,
    /// sled's own file.
    log: fs::File,
    /// id → row.
    pub recordings: sled::Tree,
    /// created_at, id → nothing: the order of lists.
    pub by_time: sled::Tree,
    /// room, created_at, id → nothing: the order of lists of one room. Who is about to be removed is not there any more.
    pub by_room: sled::Tree,
    /// expires_at, id → nothing.
    pub by_expiry: sled::Tree,
    /// Ids of the recordings whose state can still change by itself.
    pub unended: sled::Tree,
    /// room, idempotency key → id.
    pub by_idempotency: sled::Tree,
    /// key of an object → id.
    pub by_key: sled::Tree,
    /// recording, lane, rank → job.
    pub jobs: sled::Tree,
    /// id → how far its upload has come.
    pub checkpoints: sled::Tree,
    /// id → what was put at its final place.
    pub stored: sled::Tree,
    /// name → what is known of this store itself.
    pub about: sled::Tree,
    /// id → nothing: recordings with a mark beside their upload.
    pub marked: sled::Tree,
    /// kind, key → a row that this program cannot read.
    pub undecodable: sled::Tree,
}

/// The trees behind an API: sled keeps the first error of its disk until it is opened anew.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// None while it cannot be opened.
    trees: RwLock<Option<Trees>>,
    /// The disk did not take a write.
    failed: AtomicBool,
}

impl Trees {
    fn open(path: &Path) -> sled::Result<Self> {
        let store = sled::Config::new().path(path).cache_capacity(16 << 20).open()?;
        // sled 0.34 flushes by sync_file_range(2), which says nothing of the file's length nor of the disk's cache.
        let log = fs::File::open(path.join("db"))?;
        Ok(Self {
            log,
            recordings: store.open_tree("recordings")?,
            by_time: store.open_tree("recordings_by_time")?,
            by_room: store.open_tree("recordings_by_room")?,
            by_expiry: store.open_tree("recordings_by_expiry")?,
            unended: store.open_tree("recordings_unended")?,
            by_idempotency: store.open_tree("recordings_by_idempotency_key")?,
            by_key: store.open_tree("recordings_by_key")?,
            jobs: store.open_tree("jobs")?,
            checkpoints: store.open_tree("checkpoints")?,
            stored: store.open_tree("stored")?,
            about: store.open_tree("about")?,
            marked: store.open_tree("marked")?,
            undecodable: store.open_tree("undecodable")?,
            store,
        })
    }
}

impl Store {
    /// Opens or makes it.
    pub fn open(path: &Path) -> sled::Result<Self> {
        let trees = RwLock::new(Some(Trees::open(path)?));
        Ok(Self { path: path.to_owned(), trees, failed: AtomicBool::new(false) })
    }

    /// Reads.
    pub fn read<T>(&self, read: impl FnOnce(&Trees) -> sled::Result<T>) -> sled::Result<T> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        read(trees.as_ref().ok_or_else(closed)?)
    }

    /// Writes, and returns when it is on the disk. After a failure the store is first opened anew, as soon as the disk has
    /// room: what had not come to the disk by then is not in it.
    pub fn write<T>(&self, write: impl FnOnce(&Trees) -> sled::Result<T>) -> sled::Result<T> {
        if self.failed.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let flushed = |trees: &Trees| {
            let written = write(trees)?;
            // A transaction that returned is not on the disk yet: without this, an abort loses it.
            trees.store.flush()?;
            trees.log.sync_data()?;
            Ok(written)
        };
        let written = self.read(flushed);
        if written.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        written
    }

    /// As long as the disk hangs: until something is sent. That it hangs is said.
    #[cfg(test)]
    pub fn hang(&self, hangs: &std::sync::mpsc::Sender<()>, until: &std::sync::mpsc::Receiver<()>) {
        let _trees = self.trees.write();
        let _ = hangs.send(());
        let _ = until.recv();
    }

    fn reopen(&self) -> sled::Result<()> {
        self.probe()?;
        let mut tries = 0..TRIES;
        let mut trees = loop {
            match self.trees.try_write() {
                Ok(trees) => break trees,
                Err(TryLockError::Poisoned(e)) => break e.into_inner(),
                Err(TryLockError::WouldBlock) if tries.next().is_some() => sleep(AGAIN),
                Err(TryLockError::WouldBlock) => return Err(closed()),
            }
        };
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        // Its lock is free only once it is gone.
        *trees = None;
        let opened = loop {
            match Trees::open(&self.path) {
                Err(e) if e.to_string().contains("could not acquire lock") && tries.next().is_some() => sleep(AGAIN),
                opened => break opened?,
            }
        };
        *trees = Some(opened);
        self.failed.store(false, Ordering::Release);
        tracing::info!("database writes succeed again");
        Ok(())
    }

    /// A store that is opened on a full disk cannot even be read.
    fn probe(&self) -> sled::Result<()> {
        let probe = self.path.with_extension("probe");
        let written = fs::File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![1; ROOM])?;
            file.sync_all()
        });
        let _ = fs::remove_file(&probe);
        written.map_err(sled::Error::Io)
    }
}

/// Opens or makes it. One that sled cannot read is set aside as a whole, as `db.broken-…` beside it, and a new one is made: what has not
/// ended is put back from the copies.
pub(super) fn open_or_set_aside(path: &Path) -> sled::Result<Store> {
    // It gives errors where it can, and panics where it does not expect any.
    let opened = std::panic::catch_unwind(|| Store::open(path));
    let why = match opened {
        Ok(Err(e @ (sled::Error::Corruption { .. } | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_)))) => {
            e.to_string()
        }
        Ok(opened) => return opened,
        Err(_) => "sled panicked".to_owned(),
    };
    let seconds = jiff::Timestamp::now().as_second();
    let aside = path.with_extension(format!("broken-{seconds}"));
    fs::rename(path, &aside)?;
    tracing::error!(why, aside = %aside.display(), "the store cannot be read; it is set aside, and a new one is made");
    Store::open(path)
}

fn closed() -> sled::Error {
    sled::Error::Io(std::io::Error::other("it is being opened again after a failure of the disk"))
}
