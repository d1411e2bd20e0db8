//! `/metrics`, `prometheus_port`, `health_port`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use greffier::config::Config;
use greffier::control::Timeouts;
use greffier::sidecar::Sidecar;
use livekit_api::access_token::VideoGrants;
use livekit_protocol as proto;
use serde_json::Value;

use crate::support::stage::{Cast, Stage, config, launcher};
use crate::{Answer, answer, bearer, call, close, file_of, recorder, started};

/// Ports that were free a moment ago.
fn ports() -> (u16, u16) {
    let take = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let (one, other) = (take(), take());
    (one.local_addr().unwrap().port(), other.local_addr().unwrap().port())
}

/// Samples by name and labels; every family must say its type before, and the text must be complete.
fn parsed(answer: &Answer) -> BTreeMap<String, f64> {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.starts_with("# HELP") && *line != "# EOF") {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (family, kind) = declared.split_once(' ').unwrap();
            assert_eq!(types.insert(family.to_owned(), kind.to_owned()), None, "{family} is declared twice");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let family = name.split('{').next().unwrap();
        match types.get(family.strip_suffix("_total").unwrap_or(family)).map(String::as_str) {
            Some("counter") => assert!(family.ends_with("_total"), "{line}"),
            kind => assert_eq!(kind, Some("gauge"), "{line}"),
        }
        assert_eq!(samples.insert(name.to_owned(), value.parse().unwrap()), None, "{line} is there twice");
    }
    samples
}

async fn get(url: &str, bearer: Option<&str>) -> Answer {
    let request = reqwest::Client::new().get(url);
    answer(bearer.iter().fold(request, |request, bearer| request.header("Authorization", *bearer))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_follow_what_happens() {
    let (health, prometheus) = ports();
    let yaml = format!("health_port: {health}\nprometheus_port: {prometheus}\n");
    let stage = Stage::configured(tempfile::tempdir().unwrap(), None, &yaml).await;
    let scrape = async || parsed(&get(&format!("http://127.0.0.1:{prometheus}/metrics"), None).await);
    let before = scrape().await;
    assert_eq!(before["livekit_egress_available"], 1.0);
    assert_eq!(before["livekit_egress_can_accept_request"], 1.0);
    assert_eq!(before["livekit_egress_requests{type=\"room_composite\"}"], 0.0);
    assert!((0.0..=1.0).contains(&before["livekit_node_cpu_load{node_type=\"EGRESS\"}"]));

    let id = started(&stage, "daily").await;
    let during = scrape().await;
    assert_eq!(during["livekit_egress_available"], 0.0);
    assert_eq!(during["livekit_egress_requests{type=\"room_composite\"}"], 1.0);
    assert_eq!(during["greffier_recordings{state=\"active\"}"], 1.0);
    assert_eq!(during["greffier_media_seconds_total"], 1.5, "what the recorder says of its progress");
    assert_eq!(during["livekit_egress_is_terminating"], 0.0);

    let answer = get(&format!("http://127.0.0.1:{health}/whatever"), None).await;
    let status = answer.json();
    assert!(answer.status == 200 && status["CpuLoad"].is_f64(), "{status}");
    assert_eq!(status[&id]["RoomComposite"]["room_name"], "daily", "{status}");

    call(&stage, "StopEgress", &proto::StopEgressRequest { egress_id: id.clone() }).await;
    stage.until(&id, "saved").await;
    for _ in 0..2 {
        let after = scrape().await;
        assert_eq!(after["livekit_egress_handler_results_total{type=\"room_composite\",result=\"completed\"}"], 1.0);
        assert_eq!(after["livekit_egress_requests{type=\"room_composite\"}"], 0.0);
        assert_eq!(after["greffier_media_seconds_total"], 2.5);
        assert_eq!((after["greffier_recordings_known"], after["greffier_outbox_jobs{lane=\"object\"}"]), (1.0, 0.0));
        assert_eq!(after["livekit_egress_available"], 1.0);
    }
    let status = get(&format!("http://127.0.0.1:{health}/"), None).await.json();
    assert_eq!(status.as_object().unwrap().len(), 1, "only what runs: {status}");
    close(stage).await;
    assert!(reqwest::get(format!("http://127.0.0.1:{health}/")).await.is_err(), "the ports are closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_does_not_keep_up_says_so_and_takes_no_more() {
    let stage = Stage::new().await;
    let url = format!("http://{}/metrics", stage.sidecar.address());
    let full = |figures: &BTreeMap<String, f64>| figures["livekit_egress_can_accept_request"] < 1.0;
    let id = started(&stage, "heavy").await;
    // The one who looks after it does so now and then.
    let figures = loop {
        let figures = parsed(&get(&url, None).await);
        if full(&figures) {
            break figures;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    for (level, count) in [("half_rate", 1.0), ("fast_preset", 0.0), ("no_filmstrip", 0.0), ("quarter_rate", 0.0)] {
        assert_eq!(figures[&format!("greffier_recordings_degraded{{level=\"{level}\"}}")], count, "{level}");
    }
    assert_eq!(stage.item(&id).await["progress"]["quality"], "half_rate");
    let refused = call(&stage, "StartRoomCompositeEgress", &file_of("daily")).await;
    assert_eq!(refused.json()["code"], "unavailable");
    call(&stage, "StopEgress", &proto::StopEgressRequest { egress_id: id.clone() }).await;
    stage.until(&id, "saved").await;
    assert!(!full(&parsed(&get(&url, None).await)), "nothing runs any more");
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for key in ["health_port", "prometheus_port"] {
        let folder = tempfile::tempdir().unwrap();
        let config: Config = config(folder.path(), None, &format!("{key}: {port}"));
        let error = Sidecar::start(&config, launcher(Cast::default()), Timeouts::default()).await.unwrap_err();
        assert!(error.message.starts_with(&format!("{key}: cannot listen on port {port}: ")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_main_door_they_are_for_those_who_may_see_recordings() {
    const TOKEN: &str = "0123456789abcdef";
    let stage = Stage::with(tempfile::tempdir().unwrap(), Some(TOKEN)).await;
    let url = format!("http://{}/metrics", stage.sidecar.address());
    assert_eq!(get(&url, None).await.status, 401);
    let own = VideoGrants { room_record: true, room: "daily".into(), ..Default::default() };
    assert_eq!(get(&url, Some(&bearer("secret", own))).await.status, 403, "they tell of all rooms");
    for good in [format!("Bearer {TOKEN}"), recorder()] {
        assert_eq!(parsed(&get(&url, Some(&good)).await)["livekit_egress_available"], 1.0);
    }
    close(stage).await;
    let open = Stage::new().await;
    let answer = get(&format!("http://{}/metrics", open.sidecar.address()), None).await;
    assert_eq!(parsed(&answer)["greffier_recordings_known"], 0.0, "without tokens: programs on this machine");
    let foreign = reqwest::Client::new().get(format!("http://{}/metrics", open.sidecar.address()));
    let refused: Value = crate::answer(foreign.header("Origin", "https://evil.example")).await.json();
    assert!(refused["error"].as_str().unwrap().starts_with("Origin"), "{refused}");
    close(open).await;
}

#[test]
fn health_is_told_while_everything_else_is_busy() {
    let (health, _) = ports();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), None, &format!("health_port: {health}\n"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let start = async { Sidecar::start(&config, launcher(Cast::default()), Timeouts::default()).await.unwrap() };
    let sidecar = runtime.block_on(start);
    let (busy, is_busy) = std::sync::mpsc::channel();
    let (free, is_free) = std::sync::mpsc::channel::<()>();
    // The only worker does nothing else.
    runtime.spawn(async move {
        busy.send(()).unwrap();
        is_free.recv().unwrap();
    });
    is_busy.recv().unwrap();
    for _ in 0..3 {
        let answer = ureq::get(format!("http://127.0.0.1:{health}/"))
            .config()
            .timeout_global(Some(std::time::Duration::from_secs(5)))
            .build()
            .call()
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
    free.send(()).unwrap();
    runtime.block_on(sidecar.stop(greffier::control::AtClose::Stop)).unwrap();
}
