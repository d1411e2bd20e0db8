//! Control, store and outbox together: what was ordered is done across restarts, and what has expired is gone.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/stage.rs"]
#[allow(dead_code, reason = "only its recorder is used")]
mod stage;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greffier::control::{AtClose, Control, Parts, Patience};
use greffier::db::Db;
use greffier::error::{Error, ErrorKind};
use greffier::ids::RecordingId;
use greffier::outbox::{Outbox, Perform, Verdict};
use greffier::recording::{Job, Limits, Options, Output, Owner, Policy, Recording, Request, State, Target, Task};
use greffier::spool::Spool;
use jiff::{SignedDuration, Timestamp};
use stage::{Cast, launcher};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What was tried, in order.
type Tried = Arc<Mutex<Vec<String>>>;

fn name(job: &Job) -> String {
    match &job.task {
        Task::Upload => "upload".to_owned(),
        Task::Remove { object } => format!("remove {object}"),
        Task::Tell { event, to, .. } => format!("{} {}", to.name(), event.name()),
    }
}

struct House {
    control: Control,
    db: Db,
    tasks: [JoinHandle<()>; 2],
}

impl House {
    async fn open(folder: &Path, verdict: impl Fn(&Job) -> Verdict + Send + Sync + 'static, tried: &Tried) -> Self {
        let (db, spool) = (reopened(folder).await, Spool::open(folder).unwrap());
        let (news_sender, news) = mpsc::unbounded_channel();
        let tried = tried.clone();
        let perform: Perform = Arc::new(move |job: Job| {
            tried.lock().unwrap().push(name(&job));
            let verdict = verdict(&job);
            Box::pin(async move { verdict })
        });
        let (outbox, post) = Outbox::start(db.clone(), perform, news_sender).unwrap();
        let policy = Policy {
            expires_after: Some(SignedDuration::from_hours(24)),
            targets: vec![Target::Mail, Target::Webhook("http://127.0.0.1/".into())],
            ..Policy::default()
        };
        let (launcher, patience) = (launcher(Cast::default()), Patience::default());
        let parts = Parts { db: db.clone(), spool, launcher, outbox, news, policy, patience };
        let (control, driver) = Control::start(parts).await.unwrap();
        Self { control, db, tasks: [driver, post] }
    }

    async fn record(&self) -> Recording {
        let layout = greffier::recording::layout_named("layout", "speaker-light").unwrap();
        let output = Output::mp4(greffier::recording::VideoSettings::preset(layout)).unwrap();
        let request = Request { room: "daily".into(), output, limits: Limits::default() };
        let owner = Owner { email: "ada@example.org".into(), name: None, locale: None, time_zone: None };
        let options = Options { owner: Some(owner), ..Options::default() };
        let recording = self.control.record("screen_recording".into(), request, options).await.unwrap();
        self.control.finish(&recording.id).await.unwrap()
    }

    async fn until(&self, id: &RecordingId, done: impl Fn(Option<&Recording>) -> bool) {
        let seen = async {
            loop {
                let recording = self.db.get(id).unwrap();
                if done(recording.as_ref()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.expect("it never came to that");
    }

    /// As a kill would leave it: nobody says goodbye.
    async fn abandon(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        drop((self.control, self.db));
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// The store, once whoever had it before has let go of it: a write that was under way ends first.
async fn reopened(folder: &Path) -> Db {
    let free = async {
        loop {
            match Db::open(folder) {
                Ok(db) => return db,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), free).await.expect("the store is free again")
}

fn busy() -> Verdict {
    Verdict::Again(Error::new(ErrorKind::Unavailable, "not now"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_is_done_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    // The store is there, nobody who is told is.
    let refuse = |job: &Job| if job.task == Task::Upload { Verdict::Done } else { busy() };
    let house = House::open(folder.path(), refuse, &tried).await;
    let id = house.record().await.id;
    house.until(&id, |recording| recording.is_some_and(|recording| recording.state.is_final())).await;
    assert!(matches!(house.db.get(&id).unwrap().unwrap().state, State::Ended(_)), "saved, but nobody was told");
    house.abandon().await;
    tried.lock().unwrap().clear();

    let house = House::open(folder.path(), |_| Verdict::Done, &tried).await;
    house.until(&id, |recording| recording.is_some_and(|recording| matches!(recording.state, State::Told(_)))).await;
    let told = async {
        while !house.db.jobs().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("everybody is told");
    let webhooks: Vec<_> = tried.lock().unwrap().iter().filter(|name| name.starts_with("webhook")).cloned().collect();
    let events: Vec<_> = webhooks.iter().map(|name| name.rsplit(' ').next().unwrap()).collect();
    assert_eq!(events, ["accepted", "started", "ending", "ended"], "in order, once each");
    assert_eq!(tried.lock().unwrap().iter().filter(|name| *name == "mail ended").count(), 1);
    assert!(!tried.lock().unwrap().contains(&"upload".to_owned()), "what is stored is not stored again");
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_gone_with_its_object() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    let house = House::open(folder.path(), |_| Verdict::Done, &tried).await;
    let recording = house.record().await;
    house.until(&recording.id, |recording| recording.is_some_and(|one| matches!(one.state, State::Told(_)))).await;
    let hours = |n: i64| recording.created_at + SignedDuration::from_hours(n);
    assert_eq!(recording.expires_at, Some(hours(24)));
    assert_eq!(house.control.expire(hours(23)).await.unwrap(), 0);
    assert!(house.db.get(&recording.id).unwrap().is_some());
    assert_eq!(house.control.expire(hours(25)).await.unwrap(), 1);
    house.until(&recording.id, |recording| recording.is_none()).await;
    assert!(tried.lock().unwrap().contains(&"remove true".to_owned()));
    assert_eq!(house.control.list(0, 10).unwrap().count, 0);
    assert_eq!(house.control.expire(Timestamp::MAX).await.unwrap(), 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forgotten_while_it_is_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    let house = House::open(folder.path(), |_| busy(), &tried).await;
    let id = house.record().await.id;
    house.until(&id, |recording| recording.is_some_and(|one| matches!(one.state, State::Saving { .. }))).await;
    let refused = house.control.delete(&id, true).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.message.as_str()),
        (ErrorKind::PermissionDenied, "the recording has not ended yet")
    );
    assert_eq!(house.control.expire(Timestamp::MAX).await.unwrap(), 1, "it is overdue");
    assert!(matches!(house.db.get(&id).unwrap().unwrap().state, State::Saving { .. }), "but its file comes first");
}
