//! A machine is lost with its disk: what of its recordings is in the bucket becomes a film all the same, by another sidecar.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use greffier::control::{Adopter, Launcher, Progress, Timeouts};
use greffier::db::Db;
use greffier::outbox::{MARKS, Marks};
use greffier::recording::State;
use greffier::sealing::Sealer;
use greffier::secret::Secret;
use greffier::sidecar::Sidecar;
use greffier::spool::{FreeSpace, Gauge, Spool};
use greffier::storage::{Storage, Stores};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::minio::{BUCKET, KEY, Minio, SECRET};
use crate::support::players;
use crate::support::proxy::Proxy;
use crate::support::receiver::HttpReceiver;
use crate::support::stage::{Cast, Stage, config, id, waiting_launcher};

/// Seconds of the film that had been written.
const WRITTEN: f64 = 17.0;
/// The recording began so long before its machine was lost, at least, seconds.
const BEGAN: i64 = 60;

/// The beginning of a fragmented film, cut within a fragment.
fn film() -> &'static Path {
    static FILM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let made = FILM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (whole, cut) = (folder.path().join("whole.mp4"), folder.path().join("cut.mp4"));
        players::fragmented(&whole, &folder.path().join("early.mp4"));
        let bytes = std::fs::read(whole).unwrap();
        std::fs::write(&cut, &bytes[..bytes.len() * 9 / 10]).unwrap();
        (folder, cut)
    });
    &made.1
}

fn progress() -> Progress {
    Progress { started_at: Some(Timestamp::now() - SignedDuration::from_secs(BEGAN)), ..Progress::default() }
}

struct World {
    minio: Minio,
    hooks: HttpReceiver,
    storage: Storage,
}

/// A sidecar in a runtime of its own, which can die.
struct Machine {
    runtime: Runtime,
    stage: Stage,
}

impl World {
    fn new() -> Self {
        let (minio, hooks) = (Minio::start(), HttpReceiver::start(|_| (200, Vec::new())));
        let storage = Storage::open(&minio.settings(&minio.url()), Path::new("/nowhere")).unwrap();
        Self { minio, hooks, storage }
    }

    fn yaml(&self, endpoint: &str) -> String {
        format!(
            "storage: {{ timeout: 2, max_unsent: 1, s3: {{ endpoint: {endpoint:?}, access_key: {KEY}, secret: {SECRET:?}, \
             bucket: {BUCKET}, force_path_style: true }} }}\nrecording: {{ adopt_after: 5s }}\n\
             webhooks: {{ urls: [{:?}] }}\n",
            self.hooks.url
        )
    }

    fn machine(&self) -> Machine {
        self.machine_by(&self.minio.url())
    }

    /// What a machine recorded that was lost once everything was sent: its id and key.
    fn lost(&self) -> (String, String) {
        let machine = self.machine();
        let (id, key) = machine.record("daily");
        self.until_sent(&key);
        machine.lose();
        (id, key)
    }

    fn machine_by(&self, endpoint: &str) -> Machine {
        let runtime = Runtime::new().unwrap();
        let (cast, folder, yaml) = (Cast::default(), tempfile::tempdir().unwrap(), self.yaml(endpoint));
        let launcher = || -> Launcher { waiting_launcher(cast.clone(), film, progress) };
        let config = config(folder.path(), None, &yaml);
        let sidecar = runtime.block_on(Sidecar::start(&config, launcher(), Timeouts::default())).unwrap();
        let stage = Stage::of(sidecar, cast, folder, yaml);
        Machine { runtime, stage }
    }

    /// Once all that was written is in the bucket, and its mark says so.
    fn until_sent(&self, key: &str) {
        let length = std::fs::metadata(film()).unwrap().len();
        until("everything is sent", || {
            let uploads = self.minio.open_uploads(key);
            let sizes = uploads.first().map(|upload| self.minio.part_sizes(key, upload));
            sizes.is_some_and(|sizes| sizes.iter().sum::<u64>() == length)
        });
        let (now, mark) = (Timestamp::now().to_string(), self.marks().pop().expect("a mark"));
        until("the mark says so", || {
            let (_, bytes) = self.minio.object(&mark);
            let mark: Value = serde_json::from_slice(&bytes).unwrap();
            mark["heard_at"].as_str().unwrap() > now.as_str()
        });
    }

    fn marks(&self) -> Vec<String> {
        let listed = Runtime::new().unwrap().block_on(self.storage.list(MARKS)).unwrap();
        listed.into_iter().map(|(key, _)| key).collect()
    }

    /// The object plays to where it was cut off, and nothing else is left in the bucket.
    fn assert_recovered(&self, key: &str) {
        until("the mark is gone", || self.marks().is_empty());
        assert_eq!(self.minio.open_uploads(key), Vec::<String>::new());
        let url = Runtime::new().unwrap().block_on(self.storage.sign_get(key, Duration::from_secs(60))).unwrap();
        let (length, picture) = players::ffmpeg(url.as_str(), 15.0);
        let length: f64 = length.parse().unwrap();
        assert!(length > WRITTEN - 1.0 && length < WRITTEN + 2.0 && picture, "{length} s, a picture: {picture}");
    }

    /// Each webhook so far that says that a recording has ended.
    fn ends(&self) -> Vec<Value> {
        let all = self.hooks.so_far().into_iter().map(|sent| serde_json::from_slice(&sent.body).unwrap());
        all.filter(|hook: &Value| hook["event"] == "egress_ended").collect()
    }
}

impl Machine {
    fn record(&self, room: &str) -> (String, String) {
        let (status, answer) = self.runtime.block_on(self.stage.start(room, "screen_recording"));
        assert!(status < 300, "{answer}");
        let id = id(&answer).to_owned();
        let key = format!("recordings/{id}.mp4");
        (id, key)
    }

    fn item(&self, id: &str) -> Option<Value> {
        let path = format!("/api/v1.0/recordings/{id}/");
        let (status, item) = self.runtime.block_on(self.stage.call("GET", &path, None));
        (status == 200).then_some(item)
    }

    /// It dies, and its disk with it.
    fn lose(self) {
        self.runtime.shutdown_background();
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_recording_of_a_lost_machine_is_finished_by_one_other_sidecar() {
    let world = World::new();
    let lost = world.machine();
    let (id, key) = lost.record("daily");
    world.until_sent(&key);
    let text = String::from_utf8(world.minio.object(&world.marks()[0]).1).unwrap();
    assert!(text.contains(&id) && !text.contains(SECRET) && !text.contains("daily"), "{text}");
    lost.lose();
    let others = [world.machine(), world.machine()];
    until("one of them has it", || others.iter().any(|one| one.item(&id).is_some_and(|it| it["status"] == "saved")));
    world.assert_recovered(&key);
    let items: Vec<_> = others.iter().filter_map(|one| one.item(&id)).collect();
    let [item] = items.as_slice() else { panic!("each recording is one sidecar's: {items:?}") };
    let hole = &item["health"]["holes"][0];
    assert_eq!(hole["cause"], "interrupted", "{item}");
    let (from, to) = (hole["from"].as_f64().unwrap(), hole["to"].as_f64().unwrap());
    assert!((from - WRITTEN).abs() < 2.0 && to >= BEGAN as f64, "{item}");
    let ends = world.ends();
    assert!(ends.len() == 1 && ends[0].to_string().contains(&id), "{ends:?}");
}

/// A machine that was cut off from the store, and from the store alone, comes back: it does not fight for what another one has
/// finished meanwhile.
#[test]
fn whoever_comes_back_leaves_what_was_taken_over() {
    let world = World::new();
    let proxy = Proxy::start(world.minio.port);
    let away = world.machine_by(&format!("http://127.0.0.1:{}", proxy.port));
    let (id, key) = away.record("daily");
    world.until_sent(&key);
    proxy.stop_passing(true);
    let other = world.machine();
    until("it is taken over", || other.item(&id).is_some_and(|it| it["status"] == "saved"));
    world.assert_recovered(&key);
    let stored = world.minio.object(&key).1;
    proxy.cut(|| proxy.stop_passing(false));
    until("it hears of it", || {
        away.item(&id).is_some_and(|it| {
            it.to_string().contains("taken over by sidecar-") || it.to_string().contains("taken over by a sidecar")
        })
    });
    assert_eq!(world.ends().len(), 1, "whoever has it says so, and nobody else");
    assert!(world.minio.object(&key).1 == stored);
    let kept = away.stage.folder.path().join("spool").join(&id).join("recording.mp4.part");
    assert_eq!(std::fs::metadata(kept).unwrap().len(), std::fs::metadata(film()).unwrap().len(), "no byte is lost");
}

#[test]
fn a_person_recovers_it_with_the_command_line() {
    let world = World::new();
    let (id, key) = world.lost();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("greffier.yaml");
    let own = "livekit: { url: 'ws://127.0.0.1:1', api_key: key, api_secret: secret }\nlisten: 127.0.0.1:0\n";
    std::fs::write(&file, own.to_owned() + &world.yaml(&world.minio.url())).unwrap();
    let recover = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greffier"));
        let data = folder.path().join("data");
        command.args(["recover", "--from-bucket", "--config"]).arg(&file).arg("--data-dir").arg(data).args(more);
        let done = command.output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        (done.status.code(), text)
    };
    let (code, text) = recover(&["--dry-run", "--silent-for", "1h"]);
    assert!(code == Some(0) && text.contains(&format!("alive  {id}  {key}")), "{text}");
    let (code, text) = recover(&["--silent-for", "1h"]);
    assert!(code == Some(0) && text.contains("nothing is to be recovered"), "{text}");
    let (code, text) = recover(&["--id", &id]);
    assert!(code == Some(0) && text.contains(&key) && text.contains("was lost"), "{code:?} {text}");
    world.assert_recovered(&key);
    assert_eq!(world.ends().len(), 1);
    let (code, text) = recover(&["--id", &id]);
    assert!(code == Some(1) && text.contains("no mark of"), "{code:?} {text}");
}

/// Where there is no room to make it an ordinary film, it stays as it is: a fragmented one, which plays.
#[test]
fn without_room_on_the_disk_the_film_is_a_fragmented_one() {
    let world = World::new();
    let (id, key) = world.lost();
    let folder = tempfile::tempdir().unwrap();
    let full = Gauge::new(|| Ok(FreeSpace { free: 0, total: 1 << 40 }));
    let (db, spool) = (Db::open(folder.path()).unwrap(), Spool::open(folder.path()).unwrap().measured_by(full));
    let sealer = Sealer::new(&Secret::new("secret"));
    let stores = Stores::new(world.storage.clone(), Default::default(), folder.path(), sealer.clone());
    let (completions, _heard) = tokio::sync::mpsc::unbounded_channel();
    let marks = Marks::new(db.clone(), stores.clone(), sealer, Duration::from_secs(600), completions).unwrap();
    let adopter = Adopter { db, spool, stores: stores.clone(), marks };
    Runtime::new().unwrap().block_on(async {
        let found = Adopter::find(&stores).await.unwrap();
        let recording = adopter.take_over(&found[0]).await.unwrap().expect("nobody else is there");
        assert_eq!(recording.id.as_str(), id);
        assert!(matches!(recording.state, State::Saving { .. }), "{:?}", recording.state);
        assert!(adopter.take_over(&found[0]).await.unwrap().is_none(), "it is claimed once");
        let content = world.storage.get_range(&key, 0..u64::MAX).await.unwrap();
        let bytes = content.stream.try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(bytes == std::fs::read(film()).unwrap(), "all that was written");
        let url = world.storage.sign_get(&key, Duration::from_secs(600)).await.unwrap();
        tokio::task::spawn_blocking(move || {
            let (length, picture) = players::ffmpeg(url.as_str(), 10.0);
            assert!(length.parse::<f64>().unwrap() > WRITTEN - 1.0 && picture, "{length} {picture}");
            let chromium = players::chromium(url.as_str(), 10.0);
            assert!(chromium.ends_with(" seeked 10 playing"), "{chromium}");
        })
        .await
        .unwrap();
    });
}
