//! Control, store and outbox together: what was ordered is done across restarts, and what has expired is gone.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/stage.rs"]
#[allow(dead_code, reason = "only its recorder is used")]
mod stage;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greffier::capacity::Capacity;
use greffier::control::{Admission, AtClose, Control, ControlParts, Timeouts};
use greffier::db::Db;
use greffier::error::{Attempt, Error, ErrorKind, Undelivered};
use greffier::ids::RecordingId;
use greffier::outbox::{Outbox, Perform};
use greffier::recording::{
    EgressRequest, Event, Job, Limits, Options, Origin, Outcome, Output, Owner, Policy, Recording, Report, Request,
    Start, State, Target, Task,
};
use greffier::sealing::Sealer;
use greffier::secret::Secret;
use greffier::spool::{FreeSpace, Gauge, Spool};
use greffier::storage::{Storage, Stores};
use jiff::{SignedDuration, Timestamp};
use stage::{Cast, launcher};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What was tried, in order.
type Tried = Arc<Mutex<Vec<String>>>;

fn name(job: &Job) -> String {
    match &job.task {
        Task::Upload => "upload".to_owned(),
        Task::Publish => "publish".to_owned(),
        Task::Remove { object } => format!("remove {object}"),
        Task::Notify { event, to, .. } => format!("{} {}", to.name(), event.name()),
    }
}

fn is_storing(job: &Job) -> bool {
    matches!(job.task, Task::Upload | Task::Publish)
}

struct House {
    control: Control,
    db: Db,
    cast: Cast,
    tasks: [JoinHandle<()>; 2],
}

impl House {
    async fn open(folder: &Path, attempt: impl Fn(&Job) -> Attempt + Send + Sync + 'static, tried: &Tried) -> Self {
        Self::patient(folder, attempt, tried, Duration::from_secs(1)).await
    }

    /// One that takes so long to leave.
    async fn patient(
        folder: &Path,
        attempt: impl Fn(&Job) -> Attempt + Send + Sync + 'static,
        tried: &Tried,
        grace: Duration,
    ) -> Self {
        Self::on(Spool::open(folder).unwrap(), folder, attempt, tried, grace).await
    }

    /// One whose files grow there.
    async fn on(
        spool: Spool,
        folder: &Path,
        attempt: impl Fn(&Job) -> Attempt + Send + Sync + 'static,
        tried: &Tried,
        grace: Duration,
    ) -> Self {
        let db = reopened(folder).await;
        let (completions_sender, completions) = mpsc::unbounded_channel();
        let tried = tried.clone();
        let perform: Perform = Arc::new(move |job: Job| {
            tried.lock().unwrap().push(name(&job));
            let attempt = attempt(&job);
            Box::pin(async move { attempt })
        });
        let (outbox, post) = Outbox::start(db.clone(), perform, completions_sender).unwrap();
        let policy = Policy {
            expires_after: Some(SignedDuration::from_hours(24)),
            targets: vec![Target::Mail, Target::Webhook("http://127.0.0.1/".into()), Target::LiveKit],
            ..Policy::default()
        };
        let timeouts = Timeouts { drain: Duration::from_millis(400), grace, ..Timeouts::default() };
        let cast = Cast::default();
        let launcher = launcher(cast.clone());
        let storage = Storage::local(folder.join("recordings"));
        let admission = Admission {
            stores: Stores::new(storage, HashMap::new(), folder, Sealer::new(&Secret::new("secret"))),
            capacity: Capacity::start(100.0),
            bucket_only: false,
            api_key: String::new(),
            targets: Arc::default(),
        };
        let parts = ControlParts { db: db.clone(), spool, launcher, outbox, completions, policy, admission, timeouts };
        let (control, driver) = Control::open(parts).unwrap();
        Self { control, db, cast, tasks: [driver, post] }
    }

    /// Started as through LiveKit's API, in this room, into the file of this name.
    async fn requested(&self, room: &str, key: &str) -> greffier::error::Result<Recording> {
        self.requested_by(room, key, Origin::Twirp { request: EgressRequest::default(), webhook: None }).await
    }

    /// The same, by this way.
    async fn requested_by(&self, room: &str, key: &str, origin: Origin) -> greffier::error::Result<Recording> {
        let options = Options { origin, key: Some(key.into()), ..Options::default() };
        let request = Request { room: room.into(), output: Output::ogg(), limits: Limits::default() };
        self.control.start(Start::new("", request, options)).await
    }

    async fn record(&self) -> Recording {
        let layout = greffier::recording::layout_named("layout", "speaker-light").unwrap();
        let output = Output::mp4(greffier::recording::VideoSettings::preset(layout)).unwrap();
        let request = Request { room: "daily".into(), output, limits: Limits::default() };
        let owner = Owner { email: "ada@example.org".into(), name: None, locale: None, time_zone: None };
        let options = Options { owner: Some(owner), ..Options::default() };
        let recording = self.control.start(Start::new("screen_recording", request, options)).await.unwrap();
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

    /// Until nothing is left to be done.
    async fn until_idle(&self) {
        let idle = async {
            while !self.db.jobs().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), idle).await.expect("everybody is told");
    }

    /// As a kill would leave it: nobody says goodbye.
    async fn abandon(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        drop((self.control, self.db, self.cast));
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

fn busy() -> Attempt {
    Err(Error::new(ErrorKind::Unavailable, "not now").into())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_is_done_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    // The store is there, nobody who is notified is.
    let refuse = |job: &Job| if is_storing(job) { Ok(()) } else { busy() };
    let house = House::open(folder.path(), refuse, &tried).await;
    let id = house.record().await.id;
    house.until(&id, |recording| recording.is_some_and(|recording| recording.state.is_final())).await;
    assert!(matches!(house.db.get(&id).unwrap().unwrap().state, State::Ended(_)), "saved, but nobody was told");
    house.abandon().await;
    tried.lock().unwrap().clear();

    let house = House::open(folder.path(), |_| Ok(()), &tried).await;
    house
        .until(&id, |recording| recording.is_some_and(|recording| matches!(recording.state, State::Notified(_))))
        .await;
    house.until_idle().await;
    let webhooks: Vec<_> = tried.lock().unwrap().iter().filter(|name| name.starts_with("webhook")).cloned().collect();
    let events: Vec<_> = webhooks.iter().map(|name| name.rsplit(' ').next().unwrap()).collect();
    assert_eq!(events, ["accepted", "started", "ending", "ended"], "in order, once each");
    assert_eq!(tried.lock().unwrap().iter().filter(|name| *name == "mail ended").count(), 1);
    for done in ["upload", "publish"] {
        assert!(!tried.lock().unwrap().contains(&done.to_owned()), "what is stored is not stored again");
    }
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_gone_with_its_object() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    let house = House::open(folder.path(), |_| Ok(()), &tried).await;
    let recording = house.record().await;
    house.until(&recording.id, |recording| recording.is_some_and(|one| matches!(one.state, State::Notified(_)))).await;
    let hours = |n: i64| recording.created_at + SignedDuration::from_hours(n);
    assert_eq!(recording.expires_at, Some(hours(24)));
    assert_eq!(house.control.expire(hours(23)).await.unwrap(), 0);
    assert!(house.db.get(&recording.id).unwrap().is_some());
    // Control learns a moment later than the store that the end is written.
    let expired = async {
        while house.control.expire(hours(25)).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), expired).await.expect("it expires");
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
    assert_eq!(house.control.expire(Timestamp::MAX).await.unwrap(), 0, "it is overdue, but it has not ended");
    assert!(matches!(house.db.get(&id).unwrap().unwrap().state, State::Saving { .. }), "but its file comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_room_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path(), |_| Ok(()), &Tried::default()).await;
    let first = house.requested("a", "daily.ogg").await.unwrap();
    house.control.finish(&first.id).await.unwrap();
    house.until(&first.id, |recording| recording.is_some_and(|one| one.state.is_final())).await;
    let refused = house.requested("b", "daily.ogg").await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::AlreadyExists);
    assert!(refused.message.contains("another room's recording"), "{refused}");
    let second = house.requested("a", "daily.ogg").await.expect("of the same room it is");
    house.control.finish(&second.id).await.unwrap();
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_for_the_one_that_holds_the_room() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is stored: what was stopped stays on its way.
    let house = House::open(folder.path(), |_| busy(), &Tried::default()).await;
    let older = house.requested("a", "1.ogg").await.unwrap();
    let newer = house.requested("a", "2.ogg").await.unwrap();
    house.control.finish(&newer.id).await.unwrap();
    house.until(&newer.id, |one| one.is_some_and(|one| matches!(one.state, State::Saving { .. }))).await;
    assert_eq!(house.control.stop("a").await.unwrap().id, older.id);
    house.until(&older.id, |one| one.is_some_and(|one| matches!(one.state, State::Saving { .. }))).await;
    assert_eq!(house.control.stop("a").await.unwrap().id, newer.id, "stopping again does no harm");
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_is_tried_again_and_one_that_began_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path(), |_| Ok(()), &Tried::default()).await;
    let start = |room: &str| {
        let request = Request { room: room.into(), output: Output::ogg(), limits: Limits::default() };
        let options = Options { idempotency_key: Some("once".into()), ..Options::default() };
        house.control.start(Start::new("transcript", request, options))
    };
    for _ in 0..2 {
        assert_eq!(start("nowhere").await.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(house.control.list(0, 10).unwrap().count, 2);
    let begun = start("daily").await.unwrap();
    assert_eq!(start("daily").await.unwrap().id, begun.id);
    stage::tell(&house.cast.lock().unwrap()["daily"], stage::broke("the disk"));
    house.until(&begun.id, |one| one.is_some_and(|one| matches!(one.state.outcome(), Some(Outcome::Failed(_))))).await;
    assert_eq!(start("daily").await.unwrap().id, begun.id, "it began, and its end is known");
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_leaves_before_people_are_told_and_nobody_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    // The first try of each message fails.
    let once = {
        let tried = tried.clone();
        move |job: &Job| {
            let before = tried.lock().unwrap().iter().filter(|of| **of == name(job)).count();
            if is_storing(job) || before > 1 { Ok(()) } else { busy() }
        }
    };
    let house = House::patient(folder.path(), once, &tried, Duration::from_secs(60)).await;
    let id = house.record().await.id;
    house.control.close(AtClose::Drain).await.unwrap();
    assert!(matches!(house.db.get(&id).unwrap().unwrap().state, State::Notified(_)), "the letter went out");
    assert!(house.db.jobs().unwrap().is_empty(), "and everything else");
    house.abandon().await;

    // Nothing can be stored: the next start goes on with it.
    let house = House::open(folder.path(), |_| busy(), &tried).await;
    let id = house.record().await.id;
    let begun = std::time::Instant::now();
    house.control.close(AtClose::Drain).await.unwrap();
    assert!((1..5).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(matches!(house.db.get(&id).unwrap().unwrap().state, State::Saving { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_appears_once_livekits_server_knows_of_the_end_and_the_stop_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let tried = Tried::default();
    // The first try of each notice fails.
    let second = {
        let tried = tried.clone();
        move |job: &Job| {
            let before = tried.lock().unwrap().iter().filter(|of| **of == name(job)).count();
            if is_storing(job) || before > 1 { Ok(()) } else { busy() }
        }
    };
    let house = House::open(folder.path(), second, &tried).await;
    let id = house.requested_by("daily", "daily.ogg", Origin::Server(EgressRequest::default())).await.unwrap().id;
    let times = |of: &str| tried.lock().unwrap().iter().filter(|name| *name == of).count();
    let notified = house.control.notified(&id, Event::Started, &Target::LiveKit);
    tokio::time::timeout(Duration::from_secs(30), notified).await.expect("it is delivered");
    assert_eq!(times("livekit started"), 2, "and only then it is known");
    let stopped = house.control.finish(&id).await.unwrap();
    house.until(&id, |one| one.is_some_and(|one| one.state.is_final())).await;
    let settled = Timestamp::now().duration_since(stopped.ended_at.unwrap());
    assert!(settled >= SignedDuration::from_millis(1900), "{settled:?}");
    house.until_idle().await;
    let tried = tried.lock().unwrap();
    let end = ["livekit ending", "livekit ending", "publish", "livekit ended", "livekit ended"];
    assert_eq!(tried.iter().filter(|name| end.contains(&name.as_str())).collect::<Vec<_>>(), end, "{tried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_disk_is_full_recordings_end_whole_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(10 << 30));
    let gauge = {
        let free = free.clone();
        Gauge::new(move || Ok(FreeSpace { free: free.load(Ordering::Relaxed), total: 100 << 30 }))
    };
    let spool = Spool::open(folder.path()).unwrap().measured_by(gauge);
    let house = House::on(spool, folder.path(), |_| Ok(()), &Tried::default(), Duration::from_secs(1)).await;
    let [first, second] = [house.requested("a", "1.ogg").await.unwrap(), house.requested("b", "2.ogg").await.unwrap()];
    free.store(200 << 20, Ordering::Relaxed);
    let ended = |one: Option<&Recording>| one.is_some_and(|one| one.state.is_final());
    let either = async {
        loop {
            let both = [&first.id, &second.id].map(|id| house.db.get(id).unwrap().unwrap());
            if let Some(one) = both.iter().find(|one| one.state.is_final()) {
                return (one.clone(), both);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (one, both) = tokio::time::timeout(Duration::from_secs(30), either).await.expect("one of them ends");
    assert!(both.iter().any(|one| !one.state.is_final()), "its file leaves the disk, and the other goes on");
    let Some(Outcome::CutShort(failure)) = one.state.outcome() else { panic!("{:?}", one.state) };
    assert!(failure.words.contains("only 200 MiB were free"), "{failure}");
    assert!(one.media.is_some_and(|media| media.bytes > 0), "it is whole");
    let refused = house.requested("c", "3.ogg").await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ResourceExhausted);
    // It is taken faster than files leave.
    free.store(100 << 20, Ordering::Relaxed);
    for id in [&first.id, &second.id] {
        house.until(id, ended).await;
    }
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_shows_in_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let never = |job: &Job| match &job.task {
        // Whatever its kind is.
        Task::Notify { to: Target::Mail, .. } => {
            Err(Undelivered::Never(Error::new(ErrorKind::Unavailable, "550 no such user")))
        }
        Task::Notify { .. } | Task::Upload | Task::Publish | Task::Remove { .. } => Ok(()),
    };
    let house = House::open(folder.path(), never, &Tried::default()).await;
    let id = house.record().await.id;
    house.until(&id, |one| one.is_some_and(|one| one.health.given_up == ["mail: 550 no such user"])).await;
    house.control.close(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_gets_on_is_waited_for_and_its_last_word_counts() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path(), |_| Ok(()), &Tried::default()).await;
    let recording = house.requested("hangs", "1.ogg").await.unwrap();
    house.control.finish(&recording.id).await.unwrap();
    let launch = house.cast.lock().unwrap()["hangs"].clone();
    // Its file grows now and then, for longer than it may stand still.
    for n in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::fs::write(&launch.path, vec![1; 20 + n]).unwrap();
    }
    assert!(launch.path.exists(), "nobody renamed it");
    stage::tell(&launch, Report::Drained { bytes: 27, duration_ns: 5 });
    house.until(&recording.id, |one| one.is_some_and(|one| one.state.is_final())).await;
    let ended = house.db.get(&recording.id).unwrap().unwrap();
    assert!(matches!(ended.state.outcome(), Some(Outcome::Complete(_))), "{ended:?}");
    house.control.close(AtClose::Stop).await.unwrap();
}
