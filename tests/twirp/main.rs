//! LiveKit's egress API over HTTP, as its clients use it, and the figures for those who watch machines. Real API, control and
//! store; the recorder is a fake.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod calls;
mod metrics;
mod sdk;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use greffier::control::AtClose;
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol as proto;
use prost::Message;
use serde_json::Value;
use support::stage::Stage;

/// `Bearer` and a token of LiveKit's.
fn bearer(secret: &str, grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key("key", secret).with_identity("backend").with_grants(grants);
    format!("Bearer {}", token.to_jwt().unwrap())
}

/// The one that may record.
fn recorder() -> String {
    bearer("secret", VideoGrants { room_record: true, ..Default::default() })
}

/// What was answered.
struct Answer {
    status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Twirp's code, of an error.
    fn code(&self) -> String {
        assert_eq!(self.kind, "application/json", "errors are JSON, whatever was sent");
        self.json()["code"].as_str().unwrap().to_owned()
    }

    fn message<M: Message + Default>(&self) -> M {
        assert_eq!((self.status, self.kind.as_str()), (200, "application/protobuf"), "{:?}", self.body);
        M::decode(self.body.as_slice()).unwrap()
    }
}

/// One request to the service.
async fn post(stage: &Stage, method: &str, kind: &str, bearer: Option<&str>, body: Vec<u8>) -> Answer {
    let url = format!("http://{}/twirp/livekit.Egress/{method}", stage.sidecar.address());
    let request = reqwest::Client::new().post(url).header("Content-Type", kind).body(body);
    let request = bearer.iter().fold(request, |request, bearer| request.header("Authorization", *bearer));
    answer(request).await
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let kind = response.headers().get("Content-Type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    Answer { status: response.status().as_u16(), kind, body: response.bytes().await.unwrap().to_vec() }
}

/// In protobuf, as LiveKit's SDKs for Python, Go and Rust do.
async fn call(stage: &Stage, method: &str, request: &impl Message) -> Answer {
    post(stage, method, "application/protobuf", Some(&recorder()), request.encode_to_vec()).await
}

/// In JSON, as the SDK for JavaScript and `curl` do.
async fn call_json(stage: &Stage, method: &str, request: &Value) -> Answer {
    post(stage, method, "application/json", Some(&recorder()), request.to_string().into()).await
}

/// A file of this room.
fn file_of(room: &str) -> proto::RoomCompositeEgressRequest {
    let file = proto::EncodedFileOutput { filepath: format!("recordings/{room}.mp4"), ..Default::default() };
    let (room_name, layout) = (room.into(), "speaker-light".into());
    proto::RoomCompositeEgressRequest { room_name, layout, file_outputs: vec![file], ..Default::default() }
}

/// Starts it; its egress id.
async fn started(stage: &Stage, room: &str) -> String {
    call(stage, "StartRoomCompositeEgress", &file_of(room)).await.message::<proto::EgressInfo>().egress_id
}

async fn listed(stage: &Stage, request: proto::ListEgressRequest) -> Vec<proto::EgressInfo> {
    call(stage, "ListEgress", &request).await.message::<proto::ListEgressResponse>().items
}

/// Starts one and ends it: a busy machine takes no second one beside it.
async fn made(stage: &Stage, room: &str) -> String {
    let id = started(stage, room).await;
    call(stage, "StopEgress", &proto::StopEgressRequest { egress_id: id.clone() }).await;
    until(stage, &id, proto::EgressStatus::EgressComplete).await;
    id
}

/// The egress, once it has this status.
async fn until(stage: &Stage, id: &str, status: proto::EgressStatus) -> proto::EgressInfo {
    let begun = Instant::now();
    loop {
        let info =
            listed(stage, proto::ListEgressRequest { egress_id: id.into(), ..Default::default() }).await.remove(0);
        if info.status() == status {
            return info;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never became {status:?}: {info:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ends the sidecar: nothing may be left that holds its store.
async fn close(stage: Stage) {
    stage.sidecar.stop(AtClose::Stop).await.unwrap();
}
