//! What control does while the disk hangs, and the names it gives.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::*;
use crate::recording::{Job, Limits, Options, Output};

/// Tells when it is to end.
struct Fake(Mutex<std::sync::mpsc::Sender<()>>);

impl Running for Fake {
    fn drain(&self) {
        let _ = self.0.lock().unwrap().send(());
    }

    fn show(&self, _: Layout) {}

    fn progress(&self) -> Progress {
        Progress::default()
    }
}

#[test]
fn ids_look_like_livekits() {
    let id = new_id();
    let tail = id.as_str().strip_prefix("EG_").unwrap();
    assert!(tail.len() == 12 && tail.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_ne!(id, new_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_means_its_moment_though_the_disk_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let (db, spool) = (Db::open(folder.path()).unwrap(), Spool::open(folder.path()).unwrap());
    let (ends, ended) = channel();
    let launcher: Launcher = Box::new(move |launch: Launch| {
        for report in [Report::Joined, Report::MediaFlowing] {
            let _ = launch.reports.send((launch.id.clone(), report));
        }
        // Its channel stays open: it lives.
        std::mem::forget(launch);
        Box::new(Fake(Mutex::new(ends.clone())))
    });
    let perform = Arc::new(|_: Job| -> std::pin::Pin<Box<dyn Future<Output = crate::error::Attempt> + Send>> {
        Box::pin(std::future::pending())
    });
    let (completions_sender, completions) = mpsc::unbounded_channel();
    let (outbox, _post) = Outbox::start(db.clone(), perform, completions_sender).unwrap();
    let (policy, timeouts) = (Policy::default(), Timeouts::default());
    let storage = crate::storage::Storage::local(folder.path().join("recordings"));
    let sealer = crate::sealing::Sealer::new(&crate::secret::Secret::new("secret"));
    let admission = Admission {
        stores: crate::storage::Stores::new(storage, HashMap::new(), folder.path(), sealer),
        capacity: crate::capacity::Capacity::start(100.0),
        bucket_only: false,
        api_key: String::new(),
        targets: Arc::default(),
    };
    let parts = ControlParts { db: db.clone(), spool, launcher, outbox, completions, policy, admission, timeouts };
    let (control, _driver) = Control::open(parts).unwrap();
    let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
    let recording = control.start(Start::new("transcript", request, Options::default())).await.unwrap();

    let ((hangs, hung), (let_go, until)) = (channel(), channel());
    let disk = {
        let db = db.clone();
        std::thread::spawn(move || db.hang(&hangs, &until))
    };
    hung.recv().unwrap();
    // Whatever is written meanwhile waits: a row's health, and the stop itself.
    let stopped = control.finish(&recording.id).await.unwrap();
    assert!(!stopped.state.holds_room(), "{stopped:?}");
    ended.try_recv().expect("the recorder was told before it was answered");
    let_go.send(()).unwrap();
    disk.join().unwrap();
    let kept = async {
        while control.get(&recording.id).unwrap().state.holds_room() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), kept).await.expect("it is written once the disk goes on");
}
