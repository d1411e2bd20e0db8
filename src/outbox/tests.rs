//! The outbox while its store hangs: what was performed counts, what is left goes on, and order within a lane is kept.

use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::db::Change;
use crate::recording::{Limits, Options, Output, Policy, Recording, Request, Task};

fn notify(id: &str, event: Event) -> Job {
    let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
    let (id, now) = (RecordingId::new(id), Timestamp::now());
    let (about, _) = Recording::begin(id.clone(), "m".into(), request, Options::default(), &Policy::default(), now);
    Job::new(id, Task::Notify { event, to: Target::Mail, about: Box::new(about) }, now)
}

fn name(job: &Job) -> String {
    let Task::Notify { event, .. } = &job.task else { panic!("{job:?}") };
    format!("{} {}", job.recording, event.name())
}

/// What comes, if it comes at all.
async fn soon<T>(what: &str, comes: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), comes).await.unwrap_or_else(|_| panic!("never: {what}"))
}

#[tokio::test]
async fn a_store_that_hangs_stops_no_other_job() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    let (done, mut performed) = mpsc::unbounded_channel();
    let perform: Perform = Arc::new(move |job| {
        let done = done.clone();
        Box::pin(async move {
            let _ = done.send(name(&job));
            Ok(())
        })
    });
    let (completions_sender, mut completions) = mpsc::unbounded_channel();
    let (outbox, task) = Outbox::start(db.clone(), perform, completions_sender).unwrap();
    let (first, next, other) =
        (notify("EG_a", Event::Started), notify("EG_a", Event::Ended), notify("EG_b", Event::Started));
    db.commit(Change { jobs: &[&first, &next, &other], ..Change::default() }).unwrap();

    let (hangs, hung) = channel();
    let (let_go, until) = channel();
    let disk = std::thread::spawn({
        let db = db.clone();
        move || db.hang(&hangs, &until)
    });
    hung.recv().unwrap();
    outbox.wake(vec![first.clone()]);
    assert_eq!(soon("the first", performed.recv()).await.unwrap(), "EG_a started");
    // Who waits for it need not wait for the disk.
    soon("delivered", outbox.delivered(&first.recording, Event::Started, &Target::Mail)).await;
    outbox.wake(vec![next, other]);
    assert_eq!(soon("another recording's", performed.recv()).await.unwrap(), "EG_b started");
    // The next of the same lane waits: a crash now does the first once more, and must not do it after the second.
    assert!(performed.try_recv().is_err() && completions.try_recv().is_err());
    let_go.send(()).unwrap();
    disk.join().unwrap();
    assert_eq!(soon("the next", performed.recv()).await.unwrap(), "EG_a ended");
    soon("told", outbox.reported()).await;
    drop(outbox);
    soon("the end", task).await.unwrap();
    let Ok(Completion { recording, report: Report::Notified, done }) = completions.try_recv() else { panic!() };
    assert_eq!(recording.to_string(), "EG_a", "everybody who was to be notified of its end is");
    assert!(completions.try_recv().is_err(), "EG_b has not ended");
    let last = done.unwrap();
    assert_eq!(db.jobs().unwrap(), std::slice::from_ref(&last), "it is taken out with the change that it brings about");
    db.commit(Change { done: &[&last], ..Change::default() }).unwrap();
    assert_eq!(db.jobs().unwrap(), []);
}
