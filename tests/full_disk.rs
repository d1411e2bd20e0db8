//! A disk that takes no writes for a while: nothing is lost, and what is told is true again without a restart.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::process::Command;

use greffier::control::AtClose;
use serde_json::json;
use support::stage::{Stage, id};
use tokio::signal::unix::{SignalKind, signal};

/// The end of a finished Ogg file, a second long: its last page says that it is the last.
const FINISHED: &[u8] = b"OggS\0\x04\x80\xbb\0\0\0\0\0\0 and so on";
/// What the kernel sends to whoever writes beyond the limit (signal(7)).
const SIGXFSZ: i32 = 25;

/// No file of this process may grow beyond so many bytes; the store is larger than that at once.
fn limit(bytes: &str) {
    let pid = std::process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
    assert!(done.expect("prlimit, of util-linux").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_delays_and_loses_nothing() {
    let _not_killed = signal(SignalKind::from_raw(SIGXFSZ)).unwrap();
    let stage = Stage::new().await;
    let (_, daily) = stage.start("daily", "transcript").await;
    let path = stage.cast.lock().unwrap()["daily"].path.clone();
    fs::write(&path, FINISHED).unwrap();
    limit("1024");
    assert_eq!(stage.stop("daily").await.0, 200, "it ends, whatever the store does");
    assert_eq!(fs::read(&path).unwrap(), FINISHED, "and nothing is renamed before the store knows");
    let (status, refused) = stage.start("weekly", "transcript").await;
    assert!(status >= 500, "nothing begins meanwhile: {refused}");
    limit("unlimited");
    let saved = stage.until(id(&daily), "saved").await;
    assert_eq!((&saved["error"], &saved["details"]), (&json!(null), &json!("stopped on request")));
    assert_eq!(fs::read(saved["path"].as_str().unwrap()).unwrap(), FINISHED);

    // The same, and it is left in that state.
    let (status, weekly) = stage.start("weekly", "transcript").await;
    assert_eq!(status, 201, "{weekly}");
    fs::write(&stage.cast.lock().unwrap()["weekly"].path, FINISHED).unwrap();
    limit("1024");
    assert_eq!(stage.stop("weekly").await.0, 200);
    let Stage { sidecar, folder, .. } = stage;
    let left = sidecar.stop(AtClose::Stop).await.unwrap_err();
    assert!(left.message.contains("the store did not take every change"), "{left}");
    limit("unlimited");
    let stage = Stage::with(folder, None).await;
    let saved = stage.until(id(&weekly), "saved").await;
    assert_eq!(saved["error"], json!(null), "it was finished");
    assert_eq!(fs::read(saved["path"].as_str().unwrap()).unwrap(), FINISHED);
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
