//! LiveKit's own server SDK for Python against our door.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::close;
use crate::support::stage::Stage;
use crate::support::tool;

/// What the SDK got for each step of `client.py`.
fn steps(url: &str, secret: &str) -> Value {
    let python = tool("venv/bin/python").expect("LiveKit's SDK is missing: run `make tools`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/twirp/client.py");
    let output = Command::new(python)
        .arg(script)
        .args([url, "key", secret])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn livekits_python_sdk_notices_nothing() {
    let stage = Stage::new().await;
    let url = format!("http://{}", stage.sidecar.address());
    let (at, wrong) = (url.clone(), url);
    let got = tokio::task::spawn_blocking(move || steps(&at, "secret")).await.unwrap();
    assert_eq!(got["start"]["status"], "EGRESS_STARTING", "{got}");
    let id = &got["start"]["egress_id"];
    assert_eq!(got["list"]["items"][0]["egress_id"], *id, "{got}");
    assert_eq!(got["list"]["items"][0]["status"], "EGRESS_ACTIVE");
    assert_eq!(got["update_layout"]["egress_id"], *id);
    assert_eq!(got["stop"]["status"], "EGRESS_ENDING");
    assert_eq!(got["complete"]["items"][0]["file_results"][0]["size"], "10");
    assert_eq!(got["stop_again"]["status"], "EGRESS_ENDING");
    assert_eq!(got["unknown"], json!({"code": "not_found", "status": 404, "message": "egress does not exist"}));
    assert_eq!(got["nowhere"]["code"], "not_found");
    assert_eq!(got["web"]["code"], "unimplemented");
    let got = tokio::task::spawn_blocking(move || steps(&wrong, "forged")).await.unwrap();
    let denied = json!({"code": "unauthenticated", "status": 401, "message": "permissions denied"});
    assert_eq!(got["start"], denied, "{got}");
    close(stage).await;
}
