//! Stores as narrow as the narrowest provider: keys that may only write, few parts, equal parts, checksums, thin lines, lost
//! answers. A scripted stand-in answers as they do; `docs/storage.md` says which provider does which.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::Path;
use std::time::Duration;

use greffier::error::{ErrorKind, Undelivered};
use greffier::storage::{Checksum, S3, Settings, Storage, Stores, Target};

use support::growing::{Growing, PART};
use support::scripted_store::{Op, Policy, ScriptedStore};

const KEY: &str = "recordings/EG_growing.mp4";

fn open(settings: &Settings) -> Storage {
    Storage::open(settings, Path::new("/nowhere")).unwrap()
}

fn with_s3(settings: &Settings, change: impl FnOnce(&mut S3)) -> Settings {
    let Target::S3(s3) = &settings.target else { panic!("not S3") };
    let mut s3 = s3.clone();
    change(&mut s3);
    Settings { target: Target::S3(s3), ..settings.clone() }
}

/// A film of this many bytes, whole.
fn film(bytes: u64) -> (Growing, Vec<u8>) {
    let mut growing = Growing::new(KEY);
    growing.grow(bytes);
    let file = growing.seal();
    let content = std::fs::read(file).unwrap();
    (growing, content)
}

/// Tries until it is stored, at most so often.
async fn store(growing: &Growing, storage: &Storage, tries: usize) {
    let mut last = None;
    for _ in 0..tries {
        match growing.upload(storage).await {
            Ok(()) => return,
            Err(error) => last = Some(error),
        }
    }
    panic!("not stored in {tries} tries: {last:?}");
}

/// What keys of recorders may not do, from the narrowest on.
fn narrow_keys() -> Vec<Policy> {
    use Op::{Abort, Delete, Get, Head};
    let key =
        |forbidden: &[Op], hides_absence| Policy { forbidden: forbidden.to_vec(), hides_absence, ..Policy::default() };
    vec![
        key(&[Abort, Head, Get, Delete], true),
        key(&[Head, Get, Delete], true),
        key(&[Delete], true),
        key(&[Abort], false),
        key(&[Get], false),
    ]
}

#[tokio::test]
async fn a_key_that_may_only_write_is_enough() {
    for policy in narrow_keys() {
        for bytes in [0, 9_999, PART, PART + 1, 3 * PART + 7] {
            let store_ = ScriptedStore::start(policy.clone());
            let storage = open(&store_.settings());
            storage.check_key_writable(KEY, "video/mp4").await.unwrap();
            assert_eq!((store_.objects(), store_.open_uploads()), (0, 0), "{policy:?}: nothing is left of the check");
            storage.check().await.unwrap();
            let (growing, content) = film(bytes);
            store(&growing, &storage, 1).await;
            assert!(store_.object(KEY).unwrap() == content, "{policy:?} {bytes}");
            assert_eq!(store_.open_uploads(), 0, "{policy:?} {bytes}");
        }
    }
}

#[tokio::test]
async fn a_key_that_may_not_write_is_refused_at_the_start() {
    let store = ScriptedStore::start(Policy { forbidden: vec![Op::Put, Op::Create, Op::Part], ..Policy::default() });
    let error = open(&store.settings()).check_key_writable(KEY, "video/mp4").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
    assert!(error.message.contains("s3:PutObject"), "{error}");
    for (change, kind) in [
        (Policy { skewed: true, ..Policy::default() }, ErrorKind::FailedPrecondition),
        (Policy { region: Some("eu-west-3".into()), ..Policy::default() }, ErrorKind::FailedPrecondition),
    ] {
        store.set(|policy| *policy = change.clone());
        let error = open(&store.settings()).check_key_writable(KEY, "video/mp4").await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    // Named, the region is right.
    let right = with_s3(&store.settings(), |s3| s3.region = "eu-west-3".into());
    open(&right).check_key_writable(KEY, "video/mp4").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_no_film_and_no_endless_upload() {
    for policy in narrow_keys().into_iter().chain([Policy::default()]) {
        for lost_answers in [1, 1000] {
            let may_look = !policy.forbidden.contains(&Op::Head);
            let store_ = ScriptedStore::start(Policy { lost_answers, ..policy.clone() });
            let (growing, content) = film(2 * PART + 7);
            store(&growing, &open(&store_.settings()), 5).await;
            assert!(store_.object(KEY).unwrap() == content, "{policy:?}");
            let times = store_.bodies() / content.len() as u64;
            assert!(times <= if may_look { 1 } else { 2 }, "{policy:?}: sent {times} times");
        }
    }
}

#[tokio::test]
async fn a_store_of_few_parts_gets_larger_ones() {
    for (max_parts, bytes) in [(1, 7 * PART), (2, 7 * PART), (3, 9 * PART + 1), (5, 21 * PART)] {
        let store_ =
            ScriptedStore::start(Policy { max_parts: Some(max_parts), equal_parts: true, ..Policy::default() });
        let (growing, content) = film(bytes);
        store(&growing, &open(&store_.settings()), 1).await;
        assert!(store_.object(KEY).unwrap() == content, "{max_parts}");
        assert!(store_.bodies() < 4 * bytes, "{max_parts}: {} for {bytes}", store_.bodies());
        assert_eq!(store_.open_uploads(), 0);
    }
}

#[tokio::test]
async fn parts_are_equal_also_while_the_file_grows_and_the_store_takes_few() {
    let store = ScriptedStore::start(Policy { max_parts: Some(4), equal_parts: true, ..Policy::default() });
    let storage = open(&store.settings());
    let mut growing = Growing::new(KEY);
    let upload = tokio::spawn(growing.upload(&storage));
    for _ in 0..4 {
        growing.grow(3 * PART + 11);
        growing.until_parts(1).await;
    }
    let content = std::fs::read(growing.finish(99)).unwrap();
    upload.await.unwrap().unwrap();
    assert!(store.object(KEY).unwrap() == content);
}

#[tokio::test]
async fn what_can_never_be_taken_ends_clearly_and_an_option_mends_it() {
    let store_ = ScriptedStore::start(Policy { max_parts: Some(1), ..Policy::default() });
    let (growing, content) = film(130 << 20);
    let storage = open(&store_.settings());
    let error = growing.upload(&storage).await.unwrap_err();
    assert!(matches!(error, Undelivered::Retry(_)), "as long as the film is there: {error}");
    assert!(error.error().message.starts_with("storage.s3.part_size: "), "{error}");
    let sent = store_.bodies();
    for _ in 0..3 {
        assert_eq!(growing.upload(&storage).await.unwrap_err(), error);
    }
    assert_eq!(store_.bodies(), sent, "nothing is sent again for nothing");
    let larger = with_s3(&store_.settings(), |s3| s3.part_size = 256 << 20);
    store(&growing, &open(&larger), 1).await;
    assert!(store_.object(KEY).unwrap() == content);
    assert_eq!(store_.open_uploads(), 0);
}

#[tokio::test]
async fn checksums_are_sent_when_the_store_demands_them() {
    for bytes in [9_999, 3 * PART + 7] {
        let store_ = ScriptedStore::start(Policy { wants_checksum: true, ..Policy::default() });
        let storage = open(&store_.settings());
        storage.check_key_writable(KEY, "video/mp4").await.unwrap();
        let (growing, content) = film(bytes);
        store(&growing, &storage, 1).await;
        assert!(store_.object(KEY).unwrap() == content);
        // Demanded from the middle of an upload on.
        let store_ = ScriptedStore::start(Policy::default());
        let storage = open(&store_.settings());
        let mut growing = Growing::new(KEY);
        let upload = tokio::spawn(growing.upload(&storage));
        growing.grow(bytes);
        if bytes > 2 * PART {
            growing.until_parts(1).await;
        }
        store_.set(|policy| policy.wants_checksum = true);
        let content = std::fs::read(growing.finish(PART)).unwrap();
        upload.await.unwrap().unwrap();
        assert!(store_.object(KEY).unwrap() == content);
        // As configured.
        let store_ = ScriptedStore::start(Policy { wants_checksum: true, ..Policy::default() });
        let always = with_s3(&store_.settings(), |s3| s3.checksum = Checksum::Always);
        let (growing, _) = film(bytes);
        store(&growing, &open(&always), 1).await;
        assert!(store_.calls().iter().all(|(_, status)| *status != 400), "{:?}", store_.calls());
        let never = with_s3(&store_.settings(), |s3| s3.checksum = Checksum::Never);
        open(&never).put("x", "x".into(), "text/plain").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_thin_line_is_slow_and_nothing_else() {
    // A part takes more than twice as long as nothing may move.
    let store_ = ScriptedStore::start(Policy { speed: Some(1 << 20), ..Policy::default() });
    let storage = open(&Settings { timeout: Duration::from_secs(2), ..store_.settings() });
    let (growing, content) = film(2 * PART);
    store(&growing, &storage, 1).await;
    assert!(store_.object(KEY).unwrap() == content);
    assert!(store_.bodies() < 3 * PART, "nothing was sent twice");
}

#[tokio::test]
async fn many_films_share_a_line() {
    let store_ = ScriptedStore::start(Policy { speed: Some(16 << 20), ..Policy::default() });
    let storage = open(&store_.settings());
    let films: Vec<_> = (0..7)
        .map(|n| {
            let mut growing = Growing::new(&format!("{n}.mp4"));
            growing.grow(2 * PART);
            growing.seal();
            growing
        })
        .collect();
    let uploads: Vec<_> = films.iter().map(|film| tokio::spawn(film.upload(&storage))).collect();
    for upload in uploads {
        upload.await.unwrap().unwrap();
    }
    assert_eq!(store_.objects(), 7);
    assert!(store_.most_abreast() <= 4, "{}", store_.most_abreast());
}

#[tokio::test]
async fn trouble_costs_a_try() {
    let store_ = ScriptedStore::start(Policy { busy: 3, resets: 2, ..Policy::default() });
    let (growing, content) = film(3 * PART);
    store(&growing, &open(&store_.settings()), 6).await;
    assert!(store_.object(KEY).unwrap() == content);
}

#[tokio::test]
async fn a_store_of_a_request_gets_no_keys_of_ours_and_is_not_repeated() {
    let store =
        ScriptedStore::start(Policy { says: Some("the inner password is hunter2".into()), ..Policy::default() });
    let folder = tempfile::tempdir().unwrap();
    let usual = Storage::open(&Settings::default(), folder.path()).unwrap();
    let sealer =
        greffier::sealing::Sealer::new(&greffier::secret::Secret::new("a secret of thirty-two letters, or more"));
    let stores = Stores::new(usual, Default::default(), folder.path(), sealer);
    let endpoint = format!("http://127.0.0.1:{}", store.port);
    let section = |key: &str| {
        let s3 = serde_json::json!({"bucket": "b", "endpoint": endpoint, "access_key": key, "secret": key});
        serde_json::json!({ "s3": s3 })
    };
    let error = stores.seal(&section("")).unwrap_err();
    assert!(error.message.starts_with("storage.s3.access_key: "), "{error}");
    let sealed = stores.seal(&section("theirs")).unwrap();
    let storage = stores.of(Some(&sealed), None).unwrap();
    let error = storage.check_key_writable(KEY, "video/mp4").await.unwrap_err();
    assert!(!error.message.contains("hunter2") && error.message.contains("400"), "{error}");
    assert!(store.authorization().iter().all(|it| it.contains("Credential=theirs/")), "{:?}", store.authorization());
    // One that the configuration names is repeated: that helps whoever configures it.
    let error = open(&store.settings()).check_key_writable(KEY, "video/mp4").await.unwrap_err();
    assert!(error.message.contains("hunter2"), "{error}");
}
