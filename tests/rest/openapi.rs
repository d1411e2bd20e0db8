//! The API's description is true: every route of it answers, and whatever schemathesis makes of it is answered as described.

use std::process::Command;

use greffier::control::AtClose;
use serde_json::{Value, json};

use crate::support::stage::{Stage, id};
use crate::support::tool;

/// Requests that schemathesis makes up for each operation.
const EXAMPLES: &str = "25";
const TOKEN: &str = "0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_there() {
    let stage = Stage::new().await;
    let (_, started) = stage.start("daily", "screen_recording").await;
    let (status, document) = stage.call("GET", "/api/v1.0/openapi.json", None).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{room}", "daily").replace("{id}", id(&started));
        let documented: Vec<_> = operations.as_object().unwrap().keys().filter(|key| *key != "parameters").collect();
        for method in ["get", "post", "put", "patch", "delete"] {
            let (status, headers, answer) = stage.send(&method.to_uppercase(), &path, &[], None).await;
            if documented.iter().any(|known| *known == method) {
                let operation = &operations[method];
                assert!(operation["responses"][status.to_string()].is_object(), "{method} {path}: {status} {answer}");
                assert_ne!(status, 405, "{method} {path}");
                let off = path.contains("storage-hook");
                assert!(status != 404 || off || answer["detail"] != "Not found.", "{method} {path}: {answer}");
            } else {
                assert_eq!(status, 405, "{method} {path}: {answer}");
                let allowed = headers["allow"].to_str().unwrap().to_lowercase();
                assert!(documented.iter().all(|known| allowed.contains(known.as_str())), "{path}: {allowed}");
            }
        }
    }
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    // One token opens everything but LiveKit's webhooks, which are signed.
    let yaml = format!("recording: {{storage_event_enabled: true, storage_event_token: {TOKEN}}}\n");
    let stage = Stage::configured(tempfile::tempdir().unwrap(), Some(TOKEN), &yaml).await;
    let url = format!("http://{}/api/v1.0/openapi.json", stage.sidecar.address());
    let schemathesis = tool("venv/bin/schemathesis").expect("schemathesis is missing: run `make tools`");
    let run = move || {
        Command::new(schemathesis)
            .args(["run", &url, "--max-examples", EXAMPLES, "--seed", "1", "--generation-deterministic"])
            .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
            // What the schema allows may still be refused (an unknown mode), rooms need no id of ours, and who comes too often
            // without a token hears 429 instead of 401.
            .args([
                "--exclude-checks",
                "positive_data_acceptance,ignored_auth,ensure_resource_availability,missing_required_header",
            ])
            .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
            .current_dir(std::env::temp_dir())
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let (_, list): (u16, Value) = stage.call("GET", "/api/v1.0/recordings/", None).await;
    assert!(list["count"].as_u64().unwrap() > 0, "it has recorded something: {said}");
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
