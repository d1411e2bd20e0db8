//! Objects as files in a folder. A file appears under its name once, complete and on the disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::modes::Readers;
use super::{Content, Head, content_type_of};
use crate::error::{Error, ErrorKind, Result};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    readers: Readers,
}

impl Folder {
    pub fn new(root: PathBuf, readers: Readers) -> Self {
        Self { root, readers }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Refuses a key that no file of this folder can ever have, as things stand: a folder has its name, or a file that of one of
    /// its folders.
    pub fn check_backend(&self, key: &str) -> Result<()> {
        let backend = self.path(key);
        let above =
            backend.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root) && *folder != self.root);
        let taken = above.filter(|folder| folder.is_file()).last();
        match taken {
            Some(file) => Err(Error::invalid("key", format!("{} is a file; use another folder", file.display()))),
            None if backend.is_dir() => {
                Err(Error::invalid("key", format!("{} is a folder; use another name", backend.display())))
            }
            None => Ok(()),
        }
    }

    /// Moves the file here; copies it when it is on another file system.
    pub async fn take(&self, file: &Path, key: &str) -> Result<()> {
        let file = file.to_owned();
        self.write(key, move |backend| match fs::rename(&file, backend) {
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => appear(backend, |new| {
                io::copy(&mut File::open(&file)?, new)?;
                Ok(())
            }),
            done => done,
        })
        .await
    }

    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.write(key, move |backend| appear(backend, |new| new.write_all(&bytes))).await
    }

    pub async fn head(&self, key: &str) -> Result<Option<Head>> {
        match tokio::fs::metadata(self.path(key)).await {
            Ok(meta) if meta.is_file() => Ok(Some(Head { bytes: meta.len(), etag: etag(&meta) })),
            Ok(_) => Ok(None),
            Err(e) if is_absence(&e) => Ok(None),
            Err(e) => Err(self.failed("look at", key, &e)),
        }
    }

    pub async fn get(&self, key: &str, range: Range<u64>) -> Result<Content> {
        let opened = async {
            let mut file = tokio::fs::File::open(self.path(key)).await?;
            let bytes = file.metadata().await?.len();
            file.seek(io::SeekFrom::Start(range.start)).await?;
            io::Result::Ok((file, bytes))
        };
        let (file, bytes) = opened.await.map_err(|e| self.failed("read", key, &e))?;
        let range = range.start..range.end.min(bytes);
        if range.is_empty() {
            return Err(Error::invalid("range", format!("begins at or behind the end, which is {bytes}")));
        }
        let (folder, name) = (self.clone(), key.to_owned());
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let stream = stream::try_unfold((file, left), move |(mut file, left)| {
            let (folder, name) = (folder.clone(), name.clone());
            async move {
                let mut chunk = vec![0; CHUNK.min(left)];
                let read = file.read(&mut chunk).await.map_err(|e| folder.failed("read", &name, &e))?;
                chunk.truncate(read);
                Ok((read > 0).then(|| (Bytes::from(chunk), (file, left - read))))
            }
        });
        Ok(Content { stream: stream.boxed(), range, bytes, content_type: content_type_of(key).to_owned() })
    }

    pub async fn delete(&self, key: &str) -> Result<()> {
        match tokio::fs::remove_file(self.path(key)).await {
            Err(e) if !is_absence(&e) => Err(self.failed("delete", key, &e)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Runs `make` once the folder of this key exists, and returns when the new name is on the disk.
    async fn write(&self, key: &str, make: impl FnOnce(&Path) -> io::Result<()> + Send + 'static) -> Result<()> {
        let (backend, readers) = (self.path(key), self.readers);
        let work = move || {
            let folder = backend.parent().unwrap_or(Path::new("/"));
            readers.make_folder(folder)?;
            make(&backend)?;
            readers.let_read(&backend)?;
            File::open(folder)?.sync_all()
        };
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|e| Error::new(ErrorKind::Internal, format!("storage: {e}")))?;
        done.map_err(|e| self.failed("write", key, &e))
    }

    fn failed(&self, what: &str, key: &str, e: &io::Error) -> Error {
        if is_absence(e) && what == "read" {
            return Error::new(ErrorKind::NotFound, format!("storage: there is no object {key}"));
        }
        if matches!(
            e.kind(),
            io::ErrorKind::InvalidFilename
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::AlreadyExists
        ) {
            // Room on the disk and rights do not help: the name itself cannot be.
            let why = format!(
                "key: cannot {what} {key} in {}: {e}; use another key, or remove what is there",
                self.root.display()
            );
            return Error::new(ErrorKind::FailedPrecondition, why);
        }
        let (root, fix) = (self.root.display(), "give this user a folder it may write to, with room on its disk");
        Error::new(ErrorKind::Unavailable, format!("storage.local.path: cannot {what} {key} in {root}: {e}; {fix}"))
    }
}

fn is_absence(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// A file that has its name when it is complete: it is filled beside, under a hidden one.
fn appear(backend: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(backend.file_name().unwrap_or_default());
    hidden.push(".greffier");
    let beside = backend.with_file_name(hidden);
    let filled = File::create(&beside).and_then(|mut new| {
        fill(&mut new)?;
        new.sync_all()?;
        fs::rename(&beside, backend)
    });
    if filled.is_err() {
        let _ = fs::remove_file(&beside);
    }
    filled
}

/// Another file in the same place has another one: its time, its size and its inode.
fn etag(meta: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    Some(format!("{:x}-{:x}-{:x}-{:x}", meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_comes_from_another_file_system_too() {
        // /dev/shm is a file system of its own on every Linux.
        let (there, here) = (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir().unwrap());
        let folder = Folder::new(here.path().join("files"), Readers::Operators);
        for (name, origin) in [("far.mp4", there.path()), ("near.mp4", here.path())] {
            let file = origin.join(name);
            fs::write(&file, name).unwrap();
            folder.take(&file, &format!("a/b/{name}")).await.unwrap();
            assert_eq!(fs::read(here.path().join("files/a/b").join(name)).unwrap(), name.as_bytes());
        }
        assert_eq!(fs::read_dir(here.path().join("files/a/b")).unwrap().count(), 2, "nothing is left beside");
    }

    #[tokio::test]
    async fn what_can_never_be_a_file_is_named() {
        let here = tempfile::tempdir().unwrap();
        let folder = Folder::new(here.path().to_owned(), Readers::Operators);
        folder.put("a/b.mp4", Bytes::from_static(b"x")).await.unwrap();
        let long = "c".repeat(256);
        for key in ["a/b.mp4/c.mp4", "a", long.as_str()] {
            let error = folder.put(key, Bytes::new()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::FailedPrecondition, "{error}");
            assert!(error.message.starts_with("key: "), "{error}");
        }
        for key in ["a/b.mp4/c.mp4", "a"] {
            assert_eq!(folder.check_backend(key).unwrap_err().kind, ErrorKind::InvalidArgument, "{key}");
        }
        folder.check_backend("a/c.mp4").unwrap();
        folder.check_backend("new/d.mp4").unwrap();
    }

    #[tokio::test]
    async fn ranges_are_what_was_asked_for() {
        let here = tempfile::tempdir().unwrap();
        let folder = Folder::new(here.path().to_owned(), Readers::Operators);
        let bytes: Bytes = (0..600_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        folder.put("x.ogg", bytes.clone()).await.unwrap();
        for (requested, given) in [(0..u64::MAX, 0..600_000), (1..2, 1..2), (300_000..599_999, 300_000..599_999)] {
            let content = folder.get("x.ogg", requested).await.unwrap();
            assert_eq!(
                (content.range, content.bytes, content.content_type.as_str()),
                (given.clone(), 600_000, "audio/ogg")
            );
            let read: Vec<Bytes> = content.stream.try_collect().await.unwrap();
            assert!(read.concat() == bytes[given.start as usize..given.end as usize]);
        }
        assert_eq!(folder.get("x.ogg", 600_000..u64::MAX).await.unwrap_err().kind, ErrorKind::InvalidArgument);
        assert_eq!(folder.get("y.ogg", 0..1).await.unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(folder.head("y.ogg").await, Ok(None));
        folder.delete("x.ogg").await.unwrap();
        folder.delete("x.ogg").await.unwrap();
    }
}
