//! The lifecycle without media: how fast recordings start and stop, how long a list of many takes, what the store weighs.
//! Prints figures, judges nothing: `cargo bench --bench lifecycle`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it prints, and what fails ends it")]

#[path = "../../tests/support/stage.rs"]
#[allow(dead_code, reason = "only its recorder is used")]
mod stage;

use std::path::Path;
use std::time::{Duration, Instant};

use greffier::config::{Config, Overrides};
use greffier::control::{AtClose, Timeouts};
use greffier::db::{Change, Db};
use greffier::ids::RecordingId;
use greffier::recording::{Limits, Media, Options, Outcome, Output, Policy, Reason, Recording, Request, State};
use greffier::secret::Secret;
use greffier::sidecar::Sidecar;
use stage::{Cast, launcher};

const MANY: usize = 10_000;
const LISTS: usize = 500;
const STARTS: usize = 300;

fn main() {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(figures());
}

async fn figures() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let bytes = size(&folder.path().join("db"));
    println!("store      {} bytes a recording ({MANY} recordings, {bytes} bytes in all)", bytes / MANY as u64);
    let launcher = launcher(Cast::default());
    let overrides = Overrides {
        url: Some("ws://127.0.0.1:1".into()),
        api_key: Some("key".into()),
        api_secret: Some(Secret::new("a secret of thirty-two letters, or more")),
        listen: Some("127.0.0.1:0".into()),
        data_dir: Some(folder.path().to_owned()),
        ..Overrides::default()
    };
    let (config, _) = Config::parse("{room_notices: false, max_cpu_utilization: 100}", overrides).unwrap();
    let sidecar = Sidecar::start(&config, launcher, Timeouts::default()).await.unwrap();
    let (base, web) = (format!("http://{}/api/v1.0", sidecar.address()), reqwest::Client::new());
    let mut times = Vec::new();
    for page in 0..LISTS {
        let began = Instant::now();
        let url = format!("{base}/recordings/?page_size=20&page={}", 1 + page % (MANY / 20));
        let answer = web.get(url).send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("list       p50 {:?}, p99 {:?} ({LISTS} pages of 20 among {MANY})", at(0.5), at(0.99));
    let began = Instant::now();
    for n in 0..STARTS {
        let room = format!("{base}/rooms/room-{n}");
        let body = serde_json::json!({"mode": "transcript"});
        web.post(format!("{room}/start-recording/")).json(&body).send().await.unwrap().error_for_status().unwrap();
        web.post(format!("{room}/stop-recording/")).send().await.unwrap().error_for_status().unwrap();
    }
    let each = began.elapsed() / STARTS as u32;
    println!(
        "lifecycle  {each:?} for a start and a stop, one after the other ({STARTS} of them, each flushed to the disk)"
    );
    tokio::time::timeout(Duration::from_secs(60), sidecar.stop(AtClose::Stop)).await.unwrap().unwrap();
}

/// Recordings that have ended, as they are kept.
fn fill(folder: &Path) {
    let db = Db::open(folder).unwrap();
    let now = jiff::Timestamp::now();
    let recordings: Vec<_> = (0..MANY).map(|n| recording(n, now)).collect();
    for some in recordings.chunks(500) {
        let some: Vec<_> = some.iter().collect();
        db.commit(Change { recordings: &some, ..Change::default() }).unwrap();
    }
}

fn recording(n: usize, now: jiff::Timestamp) -> Recording {
    let request = Request { room: format!("room {n}"), output: Output::ogg(), limits: Limits::default() };
    let id = RecordingId::new(format!("EG_{n:012}"));
    let at = now - jiff::SignedDuration::from_secs(n as i64);
    let (mut recording, _) =
        Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), at);
    recording.state = State::Notified(Outcome::Complete(Reason::Stopped));
    (recording.started_at, recording.ended_at) = (Some(at), Some(at));
    recording.media = Some(Media { bytes: 1_000_000, duration_ns: 60_000_000_000 });
    recording
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
