//! A recording whose file grows in a spool as a recorder's would, without one.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use greffier::db::{Change, Db};
use greffier::error::Attempt;
use greffier::ids::RecordingId;
use greffier::outbox;
use greffier::recording::{HoleCause, Limits, Options, Output, Policy, Recording, Request, VideoSettings};
use greffier::scene::Layout;
use greffier::spool::Spool;
use greffier::storage::Storage;
use jiff::Timestamp;
use tempfile::TempDir;

/// One part of an upload.
pub const PART: u64 = 5 << 20;

/// A store, a spool, and one recording.
pub struct Growing {
    /// Its row.
    pub recording: Recording,
    /// The store.
    pub db: Db,
    /// Where it grows.
    pub spool: Spool,
    /// The data directory.
    pub folder: TempDir,
    /// The growing file.
    pub part: PathBuf,
    seed: u64,
}

impl Growing {
    /// With an empty file that is to be stored under this key, which ends as its container does.
    pub fn new(key: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (db, spool) = (Db::open(folder.path()).expect("a store"), Spool::open(folder.path()).expect("a spool"));
        let mp4 = Output::mp4(VideoSettings::preset(Layout::from_name(""))).expect("a valid output");
        let output = if key.ends_with(".mp4") { mp4 } else { Output::ogg() };
        let request = Request { room: "r".into(), output, limits: Limits::default() };
        let options = Options { key: Some(key.to_owned()), ..Options::default() };
        let id = RecordingId::new("EG_growing");
        let (recording, _) = Recording::begin(id, "m".into(), request, options, &Policy::default(), Timestamp::now());
        db.commit(Change { recordings: &[&recording], ..Change::default() }).expect("committed");
        let part = spool.create(&recording.id, recording.extension()).expect("its directory");
        File::create(&part).expect("the file");
        Self { recording, db, spool, folder, part, seed: 1 }
    }

    /// The file is longer by so many bytes, which never repeat.
    pub fn grow(&mut self, bytes: u64) {
        let mut file = OpenOptions::new().append(true).open(&self.part).expect("the growing file");
        let mut left = bytes;
        while left > 0 {
            let chunk: Vec<u8> = (0..left.min(1 << 20).div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
            let length = left.min(1 << 20);
            file.write_all(&chunk[..length as usize]).expect("room on the disk");
            left -= length;
        }
    }

    /// The file is longer by these bytes.
    pub fn append(&self, bytes: &[u8]) {
        let file = OpenOptions::new().append(true).open(&self.part);
        file.and_then(|mut file| file.write_all(bytes)).expect("room on the disk");
    }

    /// The file is cut to this length, as a salvage does.
    pub fn cut(&self, length: u64) {
        File::options().write(true).open(&self.part).and_then(|file| file.set_len(length)).expect("it is cut");
    }

    /// Another process goes on with it: so its row says.
    pub fn interrupt(&mut self) {
        self.recording.health.hole(1_000_000_000, 2_000_000_000, HoleCause::Interrupted, "greffier was not running");
        let change = Change { recordings: &[&self.recording], ..Change::default() };
        self.db.commit(change).expect("the row is written");
    }

    /// What ends an MP4: an index at the end, other bytes in the head. Then it is whole.
    pub fn finish(&mut self, index: u64) -> PathBuf {
        self.grow(index);
        let file = File::options().write(true).open(&self.part).expect("the file");
        file.write_all_at(b"\0\0\0\x01mdat\0\0\0\0other", 32).expect("its head");
        self.seal()
    }

    /// It is whole.
    pub fn seal(&self) -> PathBuf {
        self.spool.seal(&self.recording.id, self.recording.extension()).expect("sealed")
    }

    /// Tries once to bring it to the store and to publish it there.
    pub fn upload(&self, storage: &Storage) -> impl Future<Output = Attempt> + Send + 'static {
        let (db, spool, storage) = (self.db.clone(), self.spool.clone(), storage.clone());
        let id = self.recording.id.clone();
        async move {
            outbox::upload(&db, &spool, &storage, None, &id).await?;
            outbox::publish(&db, &spool, &storage, None, &id).await
        }
    }

    /// Returns once the store has so many parts.
    pub async fn until_parts(&self, parts: usize) {
        let wait = async {
            while self.parts() < parts {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), wait).await;
        waited.unwrap_or_else(|_| panic!("{} of {parts} parts were sent", self.parts()));
    }

    /// Returns once the store has so many bytes.
    pub async fn until_bytes(&self, bytes: u64) {
        let sent = || {
            let sent = self.db.checkpoint(&self.recording.id).expect("readable");
            sent.map_or(0, |sent| sent.parts.iter().map(|part| part.bytes).sum())
        };
        let wait = async {
            while sent() < bytes {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), wait).await;
        waited.unwrap_or_else(|_| panic!("{} of {bytes} bytes were sent", sent()));
    }

    /// How many parts the store has.
    pub fn parts(&self) -> usize {
        self.db.checkpoint(&self.recording.id).expect("readable").map_or(0, |sent| sent.parts.len())
    }

    /// xorshift64.
    fn next(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}
