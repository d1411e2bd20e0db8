//! Files on their way to a real object store: parts while they grow, links that break, processes that end, input that makes
//! no sense.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use greffier::error::{ErrorKind, Undelivered};
use greffier::recorder::finish_interrupted;
use greffier::recording::Container;
use greffier::secret::Secret;
use greffier::storage::{Azure, Checksum, Gcp, S3, Settings, Storage, Target};
use std::sync::atomic::AtomicU64;

use support::growing::{Growing, PART};
use support::minio::{BUCKET, Minio};
use support::players;
use support::proxy::{Proxy, TlsFront};

const KEY: &str = "recordings/EG_growing.mp4";

fn open(settings: &Settings) -> Storage {
    Storage::open(settings, Path::new("/nowhere")).unwrap()
}

async fn read(storage: &Storage, key: &str) -> Vec<u8> {
    let content = storage.get_range(key, 0..u64::MAX).await.unwrap();
    content.stream.try_collect::<Vec<_>>().await.unwrap().concat()
}

fn with_s3(settings: &Settings, change: impl FnOnce(&mut S3)) -> Settings {
    let Target::S3(s3) = &settings.target else { panic!("not S3") };
    let mut s3 = s3.clone();
    change(&mut s3);
    Settings { target: Target::S3(s3), ..settings.clone() }
}

/// A proxy before the server, and a storage behind it that waits for 2 s.
fn behind_proxy(minio: &Minio) -> (Proxy, Storage) {
    let proxy = Proxy::start(minio.port);
    let settings = minio.settings(&format!("http://127.0.0.1:{}", proxy.port));
    (proxy, open(&Settings { timeout: Duration::from_secs(2), ..settings }))
}

#[tokio::test]
async fn an_object_comes_back_as_it_was() {
    let minio = Minio::start();
    let storage = open(&Settings { prefix: "eu/1".into(), ..minio.settings(&minio.url()) });
    let bytes = Bytes::from((0..=255).cycle().take(300_000).collect::<Vec<u8>>());
    let key = "ä ö/EG_%41+x.mp4";
    assert_eq!(storage.head(key).await, Ok(None));
    storage.put(key, bytes.clone(), "video/mp4").await.unwrap();
    assert_eq!(storage.head(key).await.unwrap().unwrap().bytes, 300_000);
    assert!(minio.folder().join("data").join(BUCKET).join("eu/1").join(key).exists(), "the key is what was asked for");
    for (requested, given) in [(0..u64::MAX, 0..300_000), (7..8, 7..8), (299_990..400_000, 299_990..300_000)] {
        let content = storage.get_range(key, requested).await.unwrap();
        assert_eq!((content.range, content.bytes, &*content.content_type), (given.clone(), 300_000, "video/mp4"));
        let read = content.stream.try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(read == bytes[given.start as usize..given.end as usize]);
    }
    assert_eq!(storage.get_range(key, 300_000..300_001).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    // Leave for others: a URL, and nginx' headers, with which ranges still work.
    let url = storage.sign_get(key, Duration::from_secs(60)).await.unwrap();
    let mut answer = ureq::get(url.as_str()).call().unwrap();
    assert_eq!(answer.headers()["content-type"], "video/mp4");
    assert!(answer.body_mut().read_to_vec().unwrap() == bytes);
    let place = storage.object_url(key).await.unwrap();
    assert_eq!(ureq::get(place.as_str()).call().unwrap_err().to_string(), "http status: 403");
    let headers = storage.authorize_get(key).await.unwrap();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Authorization", "X-Amz-Date", "X-Amz-Content-SHA256"]);
    assert!(headers[0].1.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date,"), "{headers:?}");
    let call = headers.into_iter().fold(ureq::get(place.as_str()), |call, (name, value)| call.header(name, value));
    let mut answer = call.header("Range", "bytes=100-199").call().unwrap();
    assert_eq!(answer.status(), 206);
    assert!(answer.body_mut().read_to_vec().unwrap() == bytes[100..200]);
    storage.delete(key).await.unwrap();
    storage.delete(key).await.unwrap();
    assert_eq!(storage.get_range(key, 0..1).await.unwrap_err().kind, ErrorKind::NotFound);
    // A file of several parts in one go.
    let mut growing = Growing::new(KEY);
    growing.grow(2 * PART + 1);
    let file = growing.seal();
    storage.put_file(&file, KEY, "video/mp4").await.unwrap();
    assert!(read(&storage, KEY).await == std::fs::read(file).unwrap());
}

#[tokio::test]
async fn a_wrong_setting_is_named_before_it_costs_a_recording() {
    let minio = Minio::start();
    let good = minio.settings(&minio.url());
    open(&good).check().await.unwrap();
    assert!(!minio.listing().contains("<Key>"), "nothing is left of the check");
    let tls = TlsFront::start(minio.port);
    let api = minio.settings(&tls.url.replace("wss:", "https:"));
    open(&Settings { ca_file: Some(tls.ca_file.clone()), ..api.clone() }).check().await.unwrap();
    let s3 = |change: fn(&mut S3)| with_s3(&good, change);
    let table = [
        (s3(|s3| s3.secret = Some(Secret::new("wrong"))), "storage.s3.secret: ", ErrorKind::Unauthenticated),
        (s3(|s3| s3.access_key = Some("nobody".into())), "storage.s3.access_key: ", ErrorKind::Unauthenticated),
        (s3(|s3| s3.bucket = "nothing".into()), "storage.s3.bucket: ", ErrorKind::FailedPrecondition),
        (s3(|s3| s3.endpoint = Some("http://127.0.0.1:1".into())), "storage.s3.endpoint: ", ErrorKind::Unavailable),
        (s3(|s3| s3.endpoint = Some("http://none.invalid".into())), "storage.s3.endpoint: ", ErrorKind::Unavailable),
        (api, "storage.s3.endpoint: ", ErrorKind::Unavailable),
    ];
    for (settings, start, kind) in table {
        let error = open(&settings).check().await.unwrap_err();
        println!("{error}");
        assert!(error.message.starts_with(start), "{error}");
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.message.contains('\n') && error.message.len() < 500, "{error}");
    }
    let nonsense = Settings { ca_file: Some("Cargo.toml".into()), ..good.clone() };
    let error = Storage::open(&nonsense, Path::new("/nowhere")).unwrap_err().message;
    assert!(error.starts_with("storage.ca_file: "), "{error}");
    // A half-open way is noticed.
    let (proxy, storage) = behind_proxy(&minio);
    proxy.stop_passing(true);
    let error = storage.check().await.unwrap_err();
    assert!(error.message.contains("did not answer in time"), "{error}");
}

#[tokio::test]
async fn a_key_leads_nowhere_else() {
    let (minio, folder) = (Minio::start(), tempfile::tempdir().unwrap());
    let local = Storage::open(&Settings::default(), &folder.path().join("data")).unwrap();
    let long = "a".repeat(1024);
    for storage in [open(&minio.settings(&minio.url())), local] {
        for key in ["../up.mp4", "a/../../up.mp4", "/up.mp4", "a\0.mp4", "%2e%2e/up.mp4", "..%2Fup.mp4", "", &long] {
            let refused = |error: greffier::error::Error| {
                assert_eq!(error.kind, ErrorKind::InvalidArgument);
                assert!(error.message.starts_with("key: "), "{error}");
            };
            refused(storage.put(key, Bytes::new(), "video/mp4").await.unwrap_err());
            refused(storage.put_file(Path::new("Cargo.toml"), key, "video/mp4").await.unwrap_err());
            refused(storage.head(key).await.unwrap_err());
            refused(storage.delete(key).await.unwrap_err());
            refused(storage.get_range(key, 0..1).await.unwrap_err());
            refused(storage.sign_get(key, Duration::from_secs(1)).await.unwrap_err());
            refused(storage.begin(key, "video/mp4").await.unwrap_err());
            assert_eq!(storage.local_path(key), None);
        }
    }
    assert!(!folder.path().join("up.mp4").exists());
    assert!(Path::new("Cargo.toml").exists());
}

#[tokio::test]
async fn parts_leave_while_the_file_grows_and_the_first_one_again_at_the_end() {
    let minio = Minio::start();
    let storage = open(&minio.settings(&minio.url()));
    let mut growing = Growing::new(KEY);
    let upload = tokio::spawn(growing.upload(&storage));
    for parts in 1..=3 {
        growing.grow(PART + 1);
        growing.until_parts(parts).await;
    }
    growing.grow(PART);
    growing.until_parts(4).await;
    assert_eq!(storage.head(KEY).await, Ok(None), "the name appears once, complete");
    assert_eq!(minio.open_uploads(KEY).len(), 1);
    let file = growing.finish(PART / 2);
    upload.await.unwrap().unwrap();
    let content = storage.get_range(KEY, 0..1).await.unwrap();
    assert_eq!(content.content_type, "video/mp4");
    assert!(read(&storage, KEY).await == std::fs::read(file).unwrap(), "with the head as it is at the end");
    assert_eq!(minio.open_uploads(KEY), Vec::<String>::new());
    // A process that ended before it could say so: nothing is written again.
    let before = minio.listing();
    growing.upload(&storage).await.unwrap();
    assert_eq!(minio.listing(), before);
}

/// What a lost node takes with it is seconds, however slowly the file grows. The one part of a small file is enough for the object:
/// the upload need not be taken back.
#[tokio::test]
async fn the_unfinished_end_of_a_file_is_sent_while_it_grows() {
    let minio = Minio::start();
    let settings = Settings { max_unsent: Duration::from_millis(50), ..minio.settings(&minio.url()) };
    for (key, more) in [(KEY, PART), ("a/small.ogg", 7)] {
        let storage = open(&settings);
        let mut growing = Growing::new(key);
        let upload = tokio::spawn(growing.upload(&storage));
        let mut all = 0;
        for bytes in [1000, 1000, more] {
            growing.grow(bytes);
            all += bytes;
            growing.until_bytes(all).await;
        }
        assert_eq!(storage.head(key).await, Ok(None), "the name appears once, complete");
        let file = if more == PART { growing.finish(9) } else { growing.seal() };
        upload.await.unwrap().unwrap();
        assert!(read(&storage, key).await == std::fs::read(file).unwrap(), "{key}");
        assert_eq!(minio.open_uploads(key), Vec::<String>::new());
    }
    let patient = open(&Settings { max_unsent: Duration::ZERO, ..settings });
    let mut growing = Growing::new("a/patient.mp4");
    let upload = tokio::spawn(growing.upload(&patient));
    growing.grow(PART + 1000);
    growing.until_bytes(PART).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(growing.parts(), 1, "only full parts");
    growing.seal();
    upload.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_checksums_a_file_comes_back_whole_in_one_piece_and_in_parts() {
    let minio = Minio::start();
    let settings = with_s3(&minio.settings(&minio.url()), |s3| s3.checksum = Checksum::Always);
    let storage = open(&settings);
    for (key, length) in [("a/summed.mp4", 9_999), (KEY, 2 * PART + 17)] {
        let mut growing = Growing::new(key);
        let upload = tokio::spawn(growing.upload(&storage));
        growing.grow(length);
        let file = growing.finish(1000);
        upload.await.unwrap().unwrap();
        assert!(read(&storage, key).await == std::fs::read(file).unwrap(), "{key}");
        let sums = minio.checksum(key);
        assert!(sums.is_some(), "{key}: the store was given no checksum");
        let before = minio.listing();
        growing.upload(&storage).await.unwrap();
        assert_eq!(minio.listing(), before, "{key}: it is not written again");
    }
    assert_eq!(minio.open_uploads(KEY), Vec::<String>::new());
}

#[tokio::test]
async fn a_small_file_is_one_request() {
    let minio = Minio::start();
    let storage = open(&minio.settings(&minio.url()));
    for (key, length, content_type) in
        [("a/s.ogg", PART, "audio/ogg"), ("a/e.ogg", 0, "audio/ogg"), (KEY, 9_999, "video/mp4")]
    {
        let mut growing = Growing::new(key);
        let upload = tokio::spawn(growing.upload(&storage));
        growing.grow(length);
        let file = growing.seal();
        upload.await.unwrap().unwrap();
        assert_eq!(storage.head(key).await.unwrap().unwrap().bytes, length);
        if length > 0 {
            assert!(read(&storage, key).await == std::fs::read(file).unwrap());
            assert_eq!(storage.get_range(key, 0..1).await.unwrap().content_type, content_type);
        }
        let before = minio.listing();
        growing.upload(&storage).await.unwrap();
        assert_eq!(minio.listing(), before, "the same once more is not written again");
    }
}

#[tokio::test]
async fn another_process_goes_on_and_sends_again_what_changed() {
    let minio = Minio::start();
    let (proxy, storage) = behind_proxy(&minio);
    let mut growing = Growing::new(KEY);
    let upload = tokio::spawn(growing.upload(&storage));
    growing.grow(7 * PART);
    growing.until_parts(6).await;
    // The process ends; what it left is cut within part 5, and another tail is written.
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    growing.cut(5 * PART + 1000);
    let before = proxy.passed();
    let file = growing.finish(PART + 7);
    growing.upload(&storage).await.unwrap();
    assert!(read(&storage, KEY).await == std::fs::read(file).unwrap());
    let sent = proxy.passed() - before;
    assert!(sent < 4 * PART, "parts 5, 6 and the first are sent, not all: {sent}");
    assert_eq!(minio.open_uploads(KEY), Vec::<String>::new());
    // Cut so short that no part is left.
    let mut growing = Growing::new("short.mp4");
    let upload = tokio::spawn(growing.upload(&storage));
    growing.grow(3 * PART);
    growing.until_parts(2).await;
    upload.abort();
    growing.cut(1234);
    let file = growing.seal();
    growing.upload(&storage).await.unwrap();
    assert!(read(&storage, "short.mp4").await == std::fs::read(file).unwrap());
    assert_eq!(minio.open_uploads("short.mp4"), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_that_the_store_lost_begins_anew() {
    let minio = Minio::start();
    let storage = open(&minio.settings(&minio.url()));
    let mut growing = Growing::new(KEY);
    let upload = tokio::spawn(growing.upload(&storage));
    growing.grow(3 * PART);
    growing.until_parts(2).await;
    let lost = minio.open_uploads(KEY);
    storage.abort(KEY, &growing.db.checkpoint(&growing.recording.id).unwrap().unwrap().upload).await.unwrap();
    assert_eq!((lost.len(), minio.open_uploads(KEY).len()), (1, 0));
    growing.grow(PART);
    let file = growing.finish(100);
    upload.await.unwrap().unwrap();
    assert!(read(&storage, KEY).await == std::fs::read(file).unwrap());
}

#[tokio::test]
async fn parts_of_a_recording_without_a_file_are_thrown_away() {
    let minio = Minio::start();
    let storage = open(&minio.settings(&minio.url()));
    let mut growing = Growing::new(KEY);
    let upload = tokio::spawn(growing.upload(&storage));
    growing.grow(3 * PART);
    growing.until_parts(2).await;
    assert_eq!(minio.open_uploads(KEY).len(), 1);
    growing.spool.free(&growing.recording.id).unwrap();
    let lost = upload.await.unwrap();
    assert!(matches!(&lost, Err(Undelivered::Never(error)) if error.kind == ErrorKind::DataLoss), "{lost:?}");
    assert_eq!(minio.open_uploads(KEY), Vec::<String>::new());
    assert_eq!(storage.head(KEY).await, Ok(None));
}

#[tokio::test]
async fn what_happens_on_the_way_costs_a_try_and_no_byte() {
    let minio = Minio::start();
    let (proxy, storage) = behind_proxy(&minio);
    let mut growing = Growing::new(KEY);
    growing.grow(4 * PART);
    let file = growing.finish(1000);
    let failed = async |what: &str| {
        let error = growing.upload(&storage).await.unwrap_err();
        println!("{what}: {error}");
        assert!(matches!(&error, Undelivered::Retry(error) if error.kind == ErrorKind::Unavailable), "{what}: {error}");
        growing.parts()
    };
    proxy.cut_after(PART + PART / 2);
    assert_eq!(failed("cut within the second part").await, 1);
    proxy.spoil_next();
    assert_eq!(failed("a byte changed on the way").await, 1, "the store refuses it");
    proxy.stop_passing(true);
    assert_eq!(failed("half open").await, 1);
    proxy.cut(|| proxy.stop_passing(false));
    proxy.cut_after(2 * PART + PART / 2);
    assert_eq!(failed("cut within the first part, which is the last").await, 4);
    growing.upload(&storage).await.unwrap();
    assert!(read(&storage, KEY).await == std::fs::read(file).unwrap());
    assert_eq!(minio.open_uploads(KEY), Vec::<String>::new());
    // A long way is no fault.
    let mut growing = Growing::new("far.ogg");
    growing.grow(1000);
    growing.seal();
    proxy.delay(Duration::from_millis(150));
    growing.upload(&storage).await.unwrap();
}

#[tokio::test]
async fn settings_that_are_wrong_can_be_mended() {
    let minio = Minio::start();
    let good = minio.settings(&minio.url());
    let mut growing = Growing::new(KEY);
    growing.grow(3 * PART);
    let file = growing.finish(1000);
    for wrong in
        [with_s3(&good, |s3| s3.secret = Some(Secret::new("x"))), with_s3(&good, |s3| s3.bucket = "none".into())]
    {
        let Err(Undelivered::Retry(error)) = growing.upload(&open(&wrong)).await else { panic!("given up, or stored") };
        assert!(matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::FailedPrecondition), "{error}");
    }
    growing.upload(&open(&good)).await.unwrap();
    assert!(read(&open(&good), KEY).await == std::fs::read(file).unwrap());
}

#[tokio::test]
async fn a_local_folder_gets_the_file_itself() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(&Settings::default(), folder.path()).unwrap();
    storage.check().await.unwrap();
    let mut growing = Growing::new(KEY);
    let upload = tokio::spawn(growing.upload(&storage));
    growing.grow(2 * PART);
    assert_eq!(storage.head(KEY).await, Ok(None));
    let file = growing.finish(1000);
    upload.await.unwrap().unwrap();
    assert_eq!(std::fs::metadata(folder.path().join(KEY)).unwrap().len(), 2 * PART + 1000);
    assert!(!file.exists(), "moved");
    assert_eq!(storage.local_path(KEY), Some(folder.path().join(KEY)));
    assert_eq!(storage.sign_get(KEY, Duration::from_secs(1)).await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    assert_eq!(storage.authorize_get(KEY).await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    // Once more, with the row that control has written by then.
    let mut saved = growing.recording.clone();
    saved.media = Some(greffier::recording::Media { bytes: 2 * PART + 1000, duration_ns: 1 });
    growing.db.commit(greffier::db::Change { recordings: &[&saved], ..Default::default() }).unwrap();
    growing.upload(&storage).await.unwrap();
    storage.delete(KEY).await.unwrap();
    assert!(matches!(growing.upload(&storage).await, Err(Undelivered::Never(_))), "there is nothing to store");
}

/// No emulator of these two is at hand: only that they are opened, and what is refused.
#[tokio::test]
async fn google_and_azure_are_opened() {
    let key = r#"{"gcs_base_url":"http://127.0.0.1:1","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}"#;
    let gcp = |key: &str| {
        let credentials_json = Some(Secret::new(key));
        Settings::of(Target::Gcp(Gcp { credentials_json, bucket: "films".into(), proxy: None }))
    };
    let azure = |key: &str| {
        let account_key = Some(Secret::new(key));
        Settings::of(Target::Azure(Azure { account_name: "a".into(), account_key, container_name: "films".into() }))
    };
    let storage = open(&gcp(key));
    assert_eq!(storage.bucket(), Some("films"));
    assert_eq!(storage.authorize_get(KEY).await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    let storage = open(&azure("c2VjcmV0"));
    let url = storage.object_url(KEY).await.unwrap();
    assert_eq!(url.as_str(), format!("https://a.blob.core.windows.net/films/{KEY}"));
    assert_eq!(storage.authorize_get(KEY).await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    let refused = |settings: &Settings| Storage::open(settings, Path::new("/nowhere")).unwrap_err().message;
    assert!(refused(&gcp("{}")).starts_with("storage.gcp.credentials_json: "));
    let message = refused(&azure("no base64, but a secret"));
    assert!(message.starts_with("storage.azure.account_key: ") && !message.contains("but a"), "{message}");
}

/// The process ends with the end of the file sent already; the next one cuts off what was not whole, and goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_between_two_takes_is_sent_again() {
    let minio = Minio::start();
    let storage = open(&minio.settings(&minio.url()));
    let place = "recordings/takes.mp4";
    let mut growing = Growing::new(place);
    growing.grow(2 * PART + 1000);
    let first = tokio::spawn(growing.upload(&storage));
    growing.until_parts(2).await;
    first.abort();
    growing.cut(2 * PART - 5000);
    growing.interrupt();
    growing.grow(8 * PART);
    let second = tokio::spawn(growing.upload(&storage));
    growing.until_parts(8).await;
    let file = growing.finish(1000);
    second.await.unwrap().unwrap();
    assert!(read(&storage, place).await == std::fs::read(&file).unwrap());
}

/// As a recording: it grows, its parts leave, and it is made an ordinary file, the first part last. What players make of it
/// otherwise is printed by `cargo bench --bench storage`.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_film_plays_and_is_sought_in() {
    let minio = Minio::start();
    let storage = open(&minio.settings(&minio.url()));
    let (folder, place) = (tempfile::tempdir().unwrap(), "recordings/ordinary.mp4");
    let made = folder.path().join("fragmented.mp4");
    players::fragmented(&made, &folder.path().join("early.mp4"));
    let fragmented = std::fs::read(&made).unwrap();
    assert!(fragmented.len() as u64 > 2 * PART, "{}", fragmented.len());
    let growing = Growing::new(place);
    let upload = tokio::spawn(growing.upload(&storage));
    fragmented.chunks(100_000).for_each(|chunk| growing.append(chunk));
    growing.until_parts(1).await;
    finish_interrupted(Container::Mp4, &growing.part, &AtomicU64::new(0)).unwrap();
    let file = growing.seal();
    upload.await.unwrap().unwrap();
    assert!(read(&storage, place).await == std::fs::read(&file).unwrap());
    let url = storage.sign_get(place, Duration::from_secs(600)).await.unwrap().to_string();
    let (ffmpeg, gstreamer) = (players::ffmpeg(&url, 15.0), players::gstreamer(&file, 15));
    assert!(ffmpeg.0.starts_with("20.") && ffmpeg.1, "{ffmpeg:?}");
    assert!(gstreamer.0.starts_with("20.") && gstreamer.1, "{gstreamer:?}");
    let chromium = players::chromium(&url, 15.0);
    assert!(chromium.starts_with("duration 20.") && chromium.ends_with(" seeked 15 playing"), "{chromium}");
}
