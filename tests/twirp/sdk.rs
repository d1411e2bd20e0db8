//! LiveKit's own server SDK for Python against our API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::close;
use crate::support::backend::Backend;
use crate::support::stage::Stage;

/// `EgressStatus`.
const STARTING: u64 = 0;
const ACTIVE: u64 = 1;
const ENDING: u64 = 2;
const COMPLETE: u64 = 3;

fn file_of(room: &str) -> Value {
    let file = json!({ "file_type": "MP4", "filepath": format!("{room}.mp4") });
    json!({ "room_name": room, "layout": "speaker-light", "file_outputs": [file] })
}

/// What the SDK does, one after the other.
fn a_whole_life(url: &str) {
    let mut backend = Backend::at(url, "key", "secret");
    let info = backend.call("start", file_of("sdk")).ok();
    assert_eq!(info["status"].as_u64(), Some(STARTING), "{info}");
    let it = json!({ "egress_id": info["egress_id"] });
    let listed = backend.call("list", it.clone()).ok();
    assert_eq!(listed["items"][0]["egress_id"], info["egress_id"], "{listed}");
    assert_eq!(listed["items"][0]["status"].as_u64(), Some(ACTIVE), "{listed}");
    let layout = json!({ "egress_id": info["egress_id"], "layout": "grid" });
    assert_eq!(backend.call("update_layout", layout).ok()["egress_id"], info["egress_id"]);
    assert_eq!(backend.call("stop", it.clone()).ok()["status"].as_u64(), Some(ENDING));
    let began = Instant::now();
    let complete = loop {
        let listed = backend.call("list", it.clone()).ok();
        if listed["items"][0]["status"].as_u64() == Some(COMPLETE) {
            break listed;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{listed}");
    };
    assert_eq!(complete["items"][0]["file_results"][0]["size"], "10");
    assert_eq!(backend.call("stop", it).ok()["status"].as_u64(), Some(ENDING), "stopped once more");

    let unknown = backend.call("stop", json!({ "egress_id": "EG_none" })).refusal();
    assert_eq!((unknown.code.as_str(), unknown.status), ("not_found", Some(404)));
    assert_eq!(unknown.message, "egress does not exist");
    assert_eq!(backend.call("start", file_of("nowhere")).refusal().code, "not_found");
    let web = backend.call("start_web", json!({ "url": "https://example.org" })).refusal();
    assert_eq!(web.code, "unimplemented");

    let denied = Backend::at(url, "key", "forged").call("start", file_of("sdk")).refusal();
    assert_eq!((denied.code.as_str(), denied.status), ("unauthenticated", Some(401)));
    assert_eq!(denied.message, "permissions denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn livekits_python_sdk_notices_nothing() {
    let stage = Stage::new().await;
    let url = format!("http://{}", stage.sidecar.address());
    tokio::task::spawn_blocking(move || a_whole_life(&url)).await.unwrap();
    close(stage).await;
}
