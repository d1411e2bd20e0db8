//! What storing costs, on a real MinIO: how long the end of a recording takes to be stored, and what players fetch of a film
//! that is an ordinary file and of one that is not, which is why the first part waits. Prints figures, judges nothing:
//! `cargo bench --bench storage`, or `-- --hour` for an hour's upload besides.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it prints, and what fails ends it")]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use greffier::recorder::finish_interrupted;
use greffier::recording::Container;
use greffier::storage::{Settings, Storage};
use support::growing::{Growing, PART};
use support::minio::Minio;
use support::players;
use support::proxy::Proxy;

fn main() {
    let minio = Minio::start();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        ends(&minio).await;
        films(&minio).await;
    });
}

fn open(settings: &Settings) -> Storage {
    Storage::open(settings, Path::new("/nowhere")).unwrap()
}

/// From the stop to the whole object.
async fn ends(minio: &Minio) {
    let storage = open(&minio.settings(&minio.url()));
    // 3 Mbit/s, and the index that a file of this length has.
    let minute = 3_000_000 / 8 * 60;
    let lengths = [("1 minute", minute, 25_000), ("60 minutes", 60 * minute, 1_400_000)];
    let hour = std::env::args().any(|argument| argument == "--hour");
    for (name, bytes, index) in lengths.into_iter().take(if hour { 2 } else { 1 }) {
        let key = format!("recordings/{}.mp4", name.replace(' ', "-"));
        let mut growing = Growing::new(&key);
        let began = Instant::now();
        let upload = tokio::spawn(growing.upload(&storage));
        let mut size = 0;
        while size < bytes {
            growing.grow(PART.min(bytes - size));
            size += PART.min(bytes - size);
            // All whole parts but the first leave before the file grows on: the link is faster than the recording.
            growing.until_parts(usize::try_from(size / PART).unwrap().saturating_sub(1)).await;
        }
        let grown = began.elapsed();
        growing.finish(index);
        let stopped = Instant::now();
        upload.await.unwrap().unwrap();
        println!("{name}: {size} bytes grown and sent in {grown:.1?}; stop → complete {:.3?}", stopped.elapsed());
    }
}

/// What three players fetch of 20 s: length, and a jump to 15 s.
async fn films(minio: &Minio) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    players::fragmented(&path("fragmented.mp4"), &path("early.mp4"));
    let [fragmented, early] = ["fragmented.mp4", "early.mp4"].map(|name| std::fs::read(path(name)).unwrap());
    std::fs::copy(path("fragmented.mp4"), path("ordinary.mp4")).unwrap();
    finish_interrupted(Container::Mp4, &path("ordinary.mp4"), &AtomicU64::new(0)).unwrap();
    let ordinary = std::fs::read(path("ordinary.mp4")).unwrap();
    // The first part sent as it was at first, the rest as it is at the end.
    let head = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"moof").unwrap();
    assert_eq!(head(&early), head(&fragmented));
    let mixed = [&early[..head(&early)], &ordinary[head(&early)..]].concat();
    let all = [("ordinary.mp4", ordinary), ("fragmented.mp4", fragmented), ("early.mp4", early), ("mixed.mp4", mixed)];
    let proxy = Proxy::start(minio.port);
    let storage = open(&minio.settings(&format!("http://127.0.0.1:{}", proxy.port)));
    for (name, bytes) in all {
        let key = format!("recordings/{name}");
        std::fs::write(path(name), &bytes).unwrap();
        storage.put(&key, bytes.into(), "video/mp4").await.unwrap();
        let url = storage.sign_get(&key, Duration::from_secs(600)).await.unwrap().to_string();
        let before = proxy.returned();
        let (ffmpeg, gstreamer) = (players::ffmpeg(&url, 15.0), players::gstreamer(&path(name), 15));
        let between = proxy.returned();
        let chromium = players::chromium(&url, 15.0);
        let read = [between - before, proxy.returned() - between].map(|bytes| bytes / 1000);
        println!(
            "{name}: ffmpeg {ffmpeg:?} {} kB; GStreamer {gstreamer:?}; Chromium: {chromium} {} kB",
            read[0], read[1]
        );
    }
}
