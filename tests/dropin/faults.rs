//! What goes wrong between server, Redis and sidecars.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use greffier::egress::rpc;
use greffier::error::ErrorKind;
use greffier::psrpc::frame::{ClaimRequest, ClaimResponse, RequestFrame, open, seal};
use greffier::psrpc::{Bus, CallOptions, PsrpcClient, Settings, Subscription, channel};
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::json;

use crate::share::busy;
use crate::support::backend::Backend;
use crate::support::minio::{BUCKET, KEY, SECRET};
use crate::support::sidecar::Sidecar;
use crate::{COMPLETE, ENDING, WHOLE_LIFE, World, assert_nowhere, id_of};

/// What the server sends for a recording of audio.
fn start_of(world: &World, egress_id: &str, room: &str, key: &str) -> Bytes {
    let s3 = proto::S3Upload {
        access_key: KEY.into(),
        secret: SECRET.into(),
        bucket: BUCKET.into(),
        endpoint: world.minio.url(),
        force_path_style: true,
        ..Default::default()
    };
    let file = proto::EncodedFileOutput {
        filepath: key.into(),
        output: Some(proto::encoded_file_output::Output::S3(s3)),
        ..Default::default()
    };
    let composite = proto::RoomCompositeEgressRequest {
        room_name: room.into(),
        audio_only: true,
        file_outputs: vec![file],
        ..Default::default()
    };
    let request = rpc::StartEgressRequest {
        egress_id: egress_id.into(),
        room_id: "RM_unknown".into(),
        request: Some(rpc::RpcRequest::RoomComposite(composite)),
    };
    request.encode_to_vec().into()
}

fn bus(world: &World) -> Bus {
    Bus::start(Settings::at(&world.redis.address()).unwrap())
}

#[tokio::test]
async fn a_start_that_is_repeated_and_a_redis_that_restarts_change_nothing() {
    let mut world = World::new(300);
    let sidecar = world.sidecar();
    let room = "again";
    world.server.create_room(room);
    let bus = bus(&world);
    let client = PsrpcClient::new(&bus, "EgressInternal");
    let id = "EG_testAgain001".to_owned();
    let raw = start_of(&world, &id, room, "recordings/again.ogg");
    let options = CallOptions::best(Duration::from_secs(10));
    let start = || client.call("StartEgress", "", raw.clone(), &options);
    // As the server does when it waits in vain: the same again, the second time while the first is on its way.
    let (first, second) = tokio::join!(start(), start());
    let (first, second) = (first.unwrap(), second.unwrap());
    let third = start().await.unwrap();
    for raw in [first, second, third] {
        let info = proto::EgressInfo::decode(raw).unwrap();
        assert_eq!((info.egress_id.as_str(), info.status), (id.as_str(), 0));
    }
    assert_eq!(busy(&world.redis).await, [BTreeSet::from([id.clone()])]);
    world.hooks.until(&id, "egress_updated ACTIVE");

    // It forgets everything, the server's list too.
    world.redis.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.redis.launch();
    let began = Instant::now();
    let stopped = loop {
        // The server and we find the way back at different times.
        let answer = world.stop(&id);
        match answer.result {
            Ok(info) => break info,
            Err(refusal) => assert!(began.elapsed() < Duration::from_secs(30), "{refusal:?}"),
        }
    };
    let back = began.elapsed();
    assert_eq!(stopped["status"].as_u64(), Some(ENDING));
    world.hooks.until(&id, "egress_ended COMPLETE");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);
    assert_eq!(world.minio.object("recordings/again.ogg").0, "audio/ogg");
    assert_nowhere(sidecar.folder(), &[SECRET, KEY]);
    println!("after Redis was back: the stop was answered after {:.2} s", back.as_secs_f64());
}

/// The server's side of a start, by hand: sees every bid, and decides for itself.
struct Caller {
    bus: Bus,
    bids: Subscription,
}

impl Caller {
    const ID: &str = "CLI_byHand";

    async fn new(world: &World) -> Self {
        let bus = bus(world);
        let bids = bus.subscribe(vec![channel::claim("EgressInternal", Self::ID)]);
        bids.subscribed().wait_for(|yes| *yes).await.unwrap();
        Self { bus, bids }
    }

    async fn ask(&self, request_id: &str, raw: Bytes) {
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(10);
        let request = RequestFrame {
            request_id: request_id.into(),
            client_id: Self::ID.into(),
            expiry: i64::try_from(expiry.as_nanos()).unwrap(),
            raw_request: raw,
            ..RequestFrame::default()
        };
        self.bus.publish(channel::request("EgressInternal", "StartEgress", ""), seal(&request)).await.unwrap();
    }

    async fn bid(&mut self) -> ClaimRequest {
        let next = tokio::time::timeout(Duration::from_secs(20), self.bids.next()).await;
        open(next.expect("a bid").unwrap().1).unwrap()
    }

    async fn grant(&self, bid: ClaimRequest) {
        let grant = ClaimResponse { request_id: bid.request_id, server_id: bid.server_id };
        self.bus.publish(channel::grant("EgressInternal", "StartEgress", ""), seal(&grant)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_done_here_is_bid_for_as_configured() {
    let world = World::new(300);
    let modes = ["decline", "reject", "low_bid"].map(|mode| format!("unsupported_requests: {mode}\n"));
    let _sidecars = modes.map(|mode| Sidecar::in_place_of_egress_with(&world.server, &world.redis, &mode));
    let mut caller = Caller::new(&world).await;
    let web = proto::WebEgressRequest { url: "https://example.org".into(), ..Default::default() };
    let request = Some(rpc::RpcRequest::Web(web));
    let web = rpc::StartEgressRequest { egress_id: "EG_testWeb00001".into(), room_id: String::new(), request };
    caller.ask("REQ_web", web.encode_to_vec().into()).await;
    // All three are willing to do this one; whoever is silent about the first has bid for the second.
    caller.ask("REQ_any", start_of(&world, "EG_testAny00001", "any", "any.ogg")).await;
    let (mut of_web, mut willing) = (Vec::new(), 0);
    while willing < 3 {
        let bid = caller.bid().await;
        match bid.request_id.as_str() {
            "REQ_web" => of_web.push(bid.affinity),
            _ => willing += 1,
        }
    }
    of_web.sort_by(f32::total_cmp);
    assert_eq!(of_web, [0.01, 1.0]);
}

#[tokio::test]
async fn an_answer_that_is_lost_or_late_is_given_again_by_whoever_has_the_recording() {
    let mut world = World::new(300);
    let _sidecars = [world.sidecar(), world.sidecar()];
    let room = "lost";
    world.server.create_room(room);
    let bus = bus(&world);
    let client = PsrpcClient::new(&bus, "EgressInternal");
    let options = CallOptions::best(Duration::from_secs(10));

    // Nobody hears the answer. The other sidecar is idle, and still the same egress is not recorded twice.
    let lost = start_of(&world, "EG_testLost0001", room, "recordings/lost.ogg");
    let mut caller = Caller::new(&world).await;
    caller.ask("REQ_vanishes", lost.clone()).await;
    let bid = caller.bid().await;
    assert_eq!(bid.affinity, 1.0, "an idle one takes it at once");
    caller.grant(bid).await;
    drop(caller);
    for _ in 0..3 {
        let info = client.call("StartEgress", "", lost.clone(), &options).await.unwrap();
        let info = proto::EgressInfo::decode(info).unwrap();
        assert_eq!((info.egress_id.as_str(), info.status), ("EG_testLost0001", 0));
    }
    // The answer comes when it is awaited no more.
    let late = start_of(&world, "EG_testLate0001", room, "recordings/late.ogg");
    let hurry = CallOptions::best(Duration::from_millis(40));
    let error = client.call("StartEgress", "", late.clone(), &hurry).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DeadlineExceeded | ErrorKind::Unavailable), "{error:?}");
    let info = client.call("StartEgress", "", late, &options).await.unwrap();
    assert_eq!(proto::EgressInfo::decode(info).unwrap().egress_id, "EG_testLate0001");

    let ids = ["EG_testLost0001", "EG_testLate0001"];
    for id in ids {
        world.hooks.until(id, "egress_updated ACTIVE");
    }
    let mut all: Vec<_> = busy(&world.redis).await.into_iter().flatten().collect();
    all.sort();
    assert_eq!(all, ["EG_testLate0001", "EG_testLost0001"], "each once");
    assert_eq!(world.active(room), 2);
    for id in ids {
        assert_eq!(world.stop(id).ok()["status"].as_u64(), Some(ENDING));
    }
    for id in ids {
        world.hooks.until(id, "egress_ended COMPLETE");
        assert_eq!(world.hooks.names(id), WHOLE_LIFE);
    }
}

#[tokio::test]
async fn a_server_that_restarts_hears_how_it_went_on() {
    let mut world = World::new(300);
    let sidecar = world.sidecar();
    let room = "restart";
    world.server.create_room(room);
    let id = id_of(&world.backend.call("start", world.transcript(room, "recordings/restart.ogg")).ok());
    world.hooks.until(&id, "egress_updated ACTIVE");
    world.server.restart();
    let began = Instant::now();
    // It goes on: whoever asks the new server to stop it is answered as ever.
    assert_eq!(world.listed(&id)["status"].as_u64(), Some(1), "the list is in Redis");
    sidecar.until_recorded(&id, 2.5);
    let stopped = loop {
        match world.stop(&id).result {
            Ok(info) => break info,
            Err(refusal) => assert!(began.elapsed() < Duration::from_secs(30), "{refusal:?}"),
        }
    };
    assert_eq!(stopped["status"].as_u64(), Some(ENDING));
    world.hooks.until(&id, "egress_ended COMPLETE");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);
    let last = world.listed(&id);
    assert_eq!(last["status"].as_u64(), Some(COMPLETE), "{last}");
    assert_eq!(world.minio.object("recordings/restart.ogg").0, "audio/ogg");
    let told = crate::number(&last["file_results"][0]["duration"]) as f64 / 1e9;
    println!("over the server's restart: {told:.2} s are recorded");
    assert!(told > 2.0, "{last}");
}

#[tokio::test]
async fn a_server_that_is_away_at_the_end_hears_of_it_when_it_is_back() {
    let mut world = World::new(300);
    let sidecar = world.sidecar();
    let room = "away";
    world.server.create_room(room);
    let id = id_of(&world.backend.call("start", world.transcript(room, "recordings/away.ogg")).ok());
    world.hooks.until(&id, "egress_updated ACTIVE");
    world.server.kill();
    // Somebody ends it at the sidecar's own API.
    let mut ours = Backend::at(sidecar.url(), &world.server.api_key, &world.server.api_secret);
    let it = json!({ "egress_id": id });
    assert_eq!(ours.call("stop", it.clone()).ok()["status"].as_u64(), Some(ENDING));
    let began = Instant::now();
    while ours.call("list", it.clone()).ok()["items"][0]["status"].as_u64() != Some(COMPLETE) {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.minio.object("recordings/away.ogg").0, "audio/ogg");
    world.server.restart();
    let back = Instant::now();
    world.hooks.until(&id, "egress_ended COMPLETE");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);
    let last = world.listed(&id);
    assert_eq!(last["status"].as_u64(), Some(COMPLETE), "{last}");
    println!("the server knew of the end {:.2} s after it was back", back.elapsed().as_secs_f64());
}
