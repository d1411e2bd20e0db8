//! What is missing from a recording is told wherever it is told of, and survives a restart.

use greffier::control::AtClose;
use greffier::recording::{Health, HoleCause, Report};
use serde_json::json;

use crate::support::stage::{Stage, id};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_and_kept() {
    let stage = Stage::new().await;
    let (_, started) = stage.start("daily", "screen_recording").await;
    let audio = stage.item(id(&started)).await;
    assert_eq!((&audio["health"]["intact"], &audio["health"]["summary"]), (&json!(true), &json!(null)));

    let mut health = Health::default();
    health.hole(65_000_000_000, 68_000_000_000, HoleCause::Connection, "no media path to the server");
    health.audio_lost("Ann", 1_250_000_000);
    health.track_lost("TR_1", "Bob", "end-to-end encrypted");
    stage.happens("daily", Report::Health(Box::new(health)));
    stage.stop("daily").await;
    stage.until(id(&started), "saved").await;

    // As it is read back from the store by the next process.
    let stage = stage.restart().await;
    let item = stage.item(id(&started)).await;
    assert_eq!(item["egress_status"], "EGRESS_COMPLETE");
    assert_eq!(
        item["health"],
        json!({
            "intact": false,
            "summary": "3.0 s are missing at 0:01:05 (no media path to the server); audio missing: Ann 1.3 s; \
                        not recorded: a track of Bob (end-to-end encrypted)",
            "holes": [{"from": 65.0, "to": 68.0, "cause": "connection", "reason": "no media path to the server"}],
            "lost_audio": [{"participant": "Ann", "seconds": 1.25}],
            "tracks": [
                {"track": "TR_1", "participant": "Bob", "reason": "end-to-end encrypted", "recovered": false}
            ],
            "degraded_seconds": 0.0,
            "dropped_frames": 0,
            "interruptions": 0,
            "given_up": [],
        })
    );
    let (status, page) = stage.call("GET", &format!("/recording/{}", id(&started)), None).await;
    assert_eq!(status, 200);
    let page = page.to_string();
    assert!(page.contains("3.0 s are missing from this recording"), "{page}");
    assert!(page.contains("<li>1:05 – 1:08 ("), "{page}");
    assert!(page.contains("Some of Ann&#x27;s audio is missing."), "{page}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
