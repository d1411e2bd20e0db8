//! Programs that are told over HTTP: webhooks with LiveKit's signature, storage hook, transcription; and the outbox.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use greffier::db::{Change, Db};
use greffier::error::{Attempt, Undelivered};
use greffier::notify::{Notifier, Settings, StorageHook, Transcription, Webhooks};
use greffier::outbox::Outbox;
use greffier::recording::{Event, Job, Outcome, Reason, Recording, State, Target, Task};
use greffier::secret::Secret;
use jiff::Timestamp;
use livekit_api::access_token::TokenVerifier;
use livekit_api::webhooks::WebhookReceiver;
use livekit_protocol::WebhookEvent;
use serde_json::{Value, json};

use crate::support::receiver::{HttpReceiver, Sent};
use crate::{KEY, NOWHERE, SECRET, notifier, recording};

fn hooks(url: &str) -> Settings {
    let webhooks = Webhooks { urls: vec![url.to_owned()], api_key: Some(KEY.to_owned()), api_secret: None };
    Settings { webhooks: Some(webhooks), ..Settings::default() }
}

fn with(settings: Settings) -> Notifier {
    notifier(settings, std::path::Path::new("unused"), NOWHERE)
}

/// As LiveKit's own library checks it.
fn checked(sent: &Sent, secret: &str) -> Option<WebhookEvent> {
    let receiver = WebhookReceiver::new(TokenVerifier::with_api_key(KEY, secret));
    receiver.receive(sent.text(), &sent.headers["authorization"]).ok()
}

fn life(id: &str) -> [(Event, Recording); 4] {
    let ended = recording(id);
    let stopped = Outcome::Complete(Reason::Stopped);
    let ending = Recording { state: State::Ending { then: stopped }, media: None, ..ended.clone() };
    let started = Recording { state: State::Active, ended_at: None, ..ending.clone() };
    let accepted = Recording { state: State::Starting, started_at: None, ..started.clone() };
    [(Event::Accepted, accepted), (Event::Started, started), (Event::Ending, ending), (Event::Ended, ended)]
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_livekits_to_the_letter_and_signed() {
    let receiver = HttpReceiver::start(|_| (200, vec![]));
    let url = format!("{}/hook", receiver.url);
    let notifier = with(hooks(&url));
    let target = Target::Webhook(url);
    let mut told = Vec::new();
    for (event, about) in life("EG_a") {
        notifier.notify(event, &target, &about).await.unwrap();
        notifier.notify(event, &target, &about).await.unwrap();
        let (first, again) = (receiver.next(), receiver.next());
        assert_eq!(first.body, again.body, "a repeated event is the same event");
        assert_eq!(first.headers["content-type"], "application/webhook+json");
        assert!(checked(&first, "another secret, which nobody has told").is_none());
        let one = checked(&first, SECRET).expect("the signature is LiveKit's");
        assert!(one.id.starts_with("EV_") && one.id.len() == 15, "{}", one.id);
        let body: Value = serde_json::from_slice(&first.body).unwrap();
        let info = &body["egressInfo"];
        told.push((one.event, info["status"].clone(), info["fileResults"][0]["endedAt"].clone(), one.id));
    }
    let ids: BTreeSet<_> = told.iter().map(|(.., id)| id).collect();
    assert_eq!(ids.len(), 4);
    let told: Vec<_> = told.iter().map(|(event, status, end, _)| (event.as_str(), status, end)).collect();
    let end = json!("1795370525000000000");
    let wanted = [
        ("egress_started", &Value::Null, &Value::Null),
        ("egress_updated", &json!("EGRESS_ACTIVE"), &Value::Null),
        ("egress_updated", &json!("EGRESS_ENDING"), &end),
        ("egress_ended", &json!("EGRESS_COMPLETE"), &end),
    ];
    assert_eq!(told, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_tried_again() {
    let receiver = HttpReceiver::start(|sent| (sent.path[1..].parse().unwrap(), b"why".to_vec()));
    for (status, never) in
        [(301, false), (400, true), (401, false), (404, false), (422, true), (429, false), (500, false), (503, false)]
    {
        let url = format!("{}/{status}", receiver.url);
        let error =
            with(hooks(&url)).notify(Event::Ended, &Target::Webhook(url), &recording("EG_a")).await.unwrap_err();
        assert_eq!(matches!(error, Undelivered::Never(_)), never, "{status}: {error}");
    }
    assert_eq!(receiver.so_far().len(), 8, "one try each, and no redirection is followed");
    let nobody = "http://127.0.0.1:9/secret-path".to_owned();
    let error =
        with(hooks(&nobody)).notify(Event::Ended, &Target::Webhook(nobody), &recording("EG_a")).await.unwrap_err();
    assert!(matches!(&error, Undelivered::Retry(error) if !error.message.contains("secret-path")), "{error}");
    let forgotten = Target::Webhook("http://of.an.earlier.configuration/".into());
    let error = with(Settings::default()).notify(Event::Ended, &forgotten, &recording("EG_a")).await.unwrap_err();
    assert!(matches!(error, Undelivered::Never(_)), "{error}");
}

/// 250 recordings × 4 events; every third delivery is refused at first.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_survive_a_failing_receiver_in_order() {
    let tried = Mutex::new(BTreeSet::new());
    let taken = Arc::new(Mutex::new(Vec::<WebhookEvent>::new()));
    let kept = taken.clone();
    let receiver = HttpReceiver::start(move |sent| {
        let event = checked(sent, SECRET).expect("signed");
        let number: u32 = event.id.bytes().map(u32::from).sum();
        if tried.lock().unwrap().insert(event.id.clone()) && number.is_multiple_of(3) {
            return (503, vec![]);
        }
        kept.lock().unwrap().push(event);
        (200, vec![])
    });
    let folder = tempfile::TempDir::new().unwrap();
    let db = Db::open(folder.path()).unwrap();
    let target = Target::Webhook(receiver.url.clone());
    let jobs: Vec<Job> = (0..250)
        .flat_map(|n| life(&format!("EG_{n:03}")))
        .map(|(event, about)| {
            let task = Task::Notify { event, to: target.clone(), about: Box::new(about.clone()) };
            Job::new(about.id, task, Timestamp::now())
        })
        .collect();
    db.commit(Change { jobs: &jobs.iter().collect::<Vec<_>>(), ..Change::default() }).unwrap();
    let notifier = with(hooks(&receiver.url));
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    let perform = move |job: Job| -> std::pin::Pin<Box<dyn Future<Output = Attempt> + Send>> {
        let (notifier, done) = (notifier.clone(), done.clone());
        Box::pin(async move {
            let Task::Notify { event, to, about } = &job.task else { panic!("only telling") };
            notifier.notify(*event, to, about).await?;
            done.send(()).unwrap();
            Ok(())
        })
    };
    let (completions, _) = tokio::sync::mpsc::unbounded_channel();
    let (outbox, task) = Outbox::start(db.clone(), Arc::new(perform), completions).unwrap();
    for _ in 0..jobs.len() {
        finished.recv().await.unwrap();
    }
    drop(outbox);
    task.await.unwrap();
    let taken = taken.lock().unwrap();
    assert_eq!(taken.len(), 1000, "each exactly once: nothing was lost, and nothing failed after it was taken");
    let mut by_recording = BTreeMap::<_, Vec<_>>::new();
    for event in taken.iter() {
        let info = event.egress_info.as_ref().unwrap();
        by_recording.entry(info.egress_id.clone()).or_default().push(info.status);
    }
    assert_eq!(by_recording.len(), 250);
    for (id, statuses) in by_recording {
        assert_eq!(statuses, [0, 1, 2, 3], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_hook_of_a_backend() {
    let saved = br#"{"detail":"Recording with ID 1 cannot be saved because it is either, in an error state or has already been saved."}"#;
    let receiver = HttpReceiver::start(move |sent| match sent.path.as_str() {
        "/saved" => (403, saved.to_vec()),
        "/bucket" => (403, br#"{"detail":"Invalid bucket specified."}"#.to_vec()),
        _ => (200, br#"{"message":"Event processed."}"#.to_vec()),
    });
    for (path, accepted) in [("/", true), ("/saved", true), ("/bucket", false)] {
        let url = format!("{}{path}", receiver.url);
        let hook = StorageHook { url: url.clone(), token: Some(Secret::new("token")), bucket: "b".into() };
        let notifier = with(Settings { storage_hook: Some(hook), ..Settings::default() });
        let told = notifier.notify(Event::Ended, &Target::StorageHook(url), &recording("EG_a")).await;
        assert!(if accepted { told.is_ok() } else { matches!(told, Err(Undelivered::Retry(_))) }, "{told:?}");
        let sent = receiver.next();
        assert_eq!(sent.headers["authorization"], "Bearer token");
        assert_eq!(sent.headers["content-type"], "application/json");
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body["Records"][0]["s3"]["object"]["key"], "recordings%2FEG_a.mp4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_ordered_with_a_signed_link() {
    let receiver = HttpReceiver::start(|_| (200, br#"{"job_id":"j1"}"#.to_vec()));
    let service = Transcription { api_token: Some(Secret::new("token")), ..Transcription::new(&receiver.url) };
    let notifier = with(Settings { transcription: Some(service), ..Settings::default() });
    notifier.notify(Event::Ended, &Target::Transcription, &recording("EG_a")).await.unwrap();
    let sent = receiver.next();
    assert_eq!(sent.headers["authorization"], "Bearer token");
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["cloud_storage_url"], "https://s3.example.org/recordings/EG_a.mp4?signature=1");
    assert_eq!(body["push_to_docs_config"]["title"], "Meeting \"daily\" on 2026-11-22 at 17:00");
    let mut nobodys = recording("EG_a");
    nobodys.options.owner = None;
    let error = notifier.notify(Event::Ended, &Target::Transcription, &nobodys).await.unwrap_err();
    assert!(matches!(error, Undelivered::Never(_)), "{error}");
}
