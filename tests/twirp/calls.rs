//! Every method, every refusal.

use greffier::recording::Report;
use livekit_api::access_token::{TokenVerifier, VideoGrants};
use livekit_api::webhooks::WebhookReceiver;
use livekit_protocol as proto;
use prost::Message as _;
use proto::{EgressInfo, EgressStatus};
use serde_json::{Value, json};

use crate::support::receiver::HttpReceiver;
use crate::support::stage::Stage;
use crate::{Answer, bearer, call, call_json, close, file_of, listed, made, post, recorder, started, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_from_start_to_end_in_protobuf() {
    let stage = Stage::new().await;
    let info: EgressInfo = call(&stage, "StartRoomCompositeEgress", &file_of("daily")).await.message();
    assert!(info.egress_id.starts_with("EG_") && info.egress_id.len() == 15, "{}", info.egress_id);
    assert_eq!((info.status(), info.room_name.as_str()), (EgressStatus::EgressStarting, "daily"));
    let id = info.egress_id;

    let one = proto::ListEgressRequest { egress_id: id.clone(), ..Default::default() };
    let info = listed(&stage, one.clone()).await.remove(0);
    assert_eq!((info.status(), info.ended_at), (EgressStatus::EgressActive, 0));
    let Some(proto::egress_info::Request::RoomComposite(requested)) = &info.request else { panic!("{info:?}") };
    assert_eq!(requested.layout, "speaker-light", "what was asked for is told back");

    let layout = proto::UpdateLayoutRequest { egress_id: id.clone(), layout: "grid".into() };
    assert_eq!(call(&stage, "UpdateLayout", &layout).await.message::<EgressInfo>().egress_id, id);
    until_layout(&stage, &one, "grid-dark").await;

    let stop = proto::StopEgressRequest { egress_id: id.clone() };
    let info: EgressInfo = call(&stage, "StopEgress", &stop).await.message();
    assert_eq!(info.status(), EgressStatus::EgressEnding);
    let info = until(&stage, &id, EgressStatus::EgressComplete).await;
    assert_eq!((info.error_code, info.details.as_str()), (0, "End reason: StopEgress API"));
    let [file] = info.file_results.as_slice() else { panic!("{info:?}") };
    assert_eq!((file.filename.as_str(), file.size, file.duration), ("recordings/daily.mp4", 10, 2_500_000_000));
    assert!(file.location.ends_with("recordings/daily.mp4") && info.ended_at >= info.started_at);

    let info: EgressInfo = call(&stage, "StopEgress", &stop).await.message();
    assert_eq!(info.status(), EgressStatus::EgressEnding, "clients take any other word for a failure");
    assert_eq!(listed(&stage, one).await[0].status(), EgressStatus::EgressComplete);
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_json() {
    let stage = Stage::new().await;
    // As `curl` users write it, and as the SDK for JavaScript does.
    let output = json!([{"file_type": "MP4", "filepath": "a/b.mp4"}]);
    let ours = json!({"room_name": "daily", "layout": "grid", "file_outputs": output});
    let output = json!([{"fileType": "MP4", "filepath": "a/c.mp4"}]);
    let theirs = json!({"roomName": "weekly", "layout": "grid", "customBaseUrl": null, "fileOutputs": output});
    for request in [ours, theirs] {
        let answer = call_json(&stage, "StartRoomCompositeEgress", &request).await;
        assert_eq!((answer.status, answer.kind.as_str()), (200, "application/json"));
        let info = answer.json();
        assert_eq!((&info["status"], &info["ended_at"]), (&json!("EGRESS_STARTING"), &json!("0")), "{info}");
        assert_eq!(info["room_composite"]["layout"], "grid");
        let stop = json!({"egress_id": info["egress_id"]});
        let info = call_json(&stage, "StopEgress", &stop).await.json();
        assert_eq!(info["status"], "EGRESS_ENDING", "{info}");
        until(&stage, info["egress_id"].as_str().unwrap(), EgressStatus::EgressComplete).await;
    }
    let list = call_json(&stage, "ListEgress", &json!({"room_name": "weekly"})).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!((&list["items"][0]["room_name"], &list["next_page_token"]), (&json!("weekly"), &Value::Null));
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_alone_and_audio_in_mp4_are_told_back_as_asked() {
    let stage = Stage::new().await;
    for (only, other, codec) in [("video_only", "audio_only", "DEFAULT_AC"), ("audio_only", "video_only", "AAC")] {
        // A file of another room's would be refused.
        let request = json!({"room_name": "daily", only: true, "file_outputs": [{"filepath": "a/b.mp4"}],
            "advanced": {"audio_codec": codec, "audio_frequency": 44_100, "video_codec": "H264_HIGH"}});
        let info = call_json(&stage, "StartRoomCompositeEgress", &request).await.json();
        assert_eq!(info["room_composite"][only], true, "{info}");
        assert_ne!(info["room_composite"][other], true, "{info}");
        assert_eq!(info["file_results"][0]["filename"], "a/b.mp4", "{info}");
        let stop = json!({"egress_id": info["egress_id"]});
        call_json(&stage, "StopEgress", &stop).await.json();
        until(&stage, info["egress_id"].as_str().unwrap(), EgressStatus::EgressComplete).await;
    }
    let wrong =
        json!({"room_name": "r", "file_outputs": [{"filepath": "a.mp4"}], "advanced": {"audio_frequency": 44_000}});
    let refused = call_json(&stage, "StartRoomCompositeEgress", &wrong).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["msg"], "request has missing or invalid field: audio_frequency");
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_version_of_the_api() {
    let stage = Stage::new().await;
    let request = json!({"room_name": "daily", "template": {"layout": "speaker", "audio_only": true},
        "outputs": [{"file": {"filepath": "a/b.ogg"}}]});
    let info = call_json(&stage, "StartEgress", &request).await.json();
    assert_eq!(info["egress"]["template"]["audio_only"], true, "{info}");
    assert_eq!(info["file_results"][0]["filename"], "a/b.ogg");
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered() {
    let stage = Stage::new().await;
    let (first, second) = (made(&stage, "daily").await, made(&stage, "weekly").await);
    let third = started(&stage, "daily").await;
    assert!(first != second && second != third);
    let ids = async |room_name: &str, egress_id: &str, active: bool| {
        let request = proto::ListEgressRequest {
            room_name: room_name.into(),
            egress_id: egress_id.into(),
            active,
            ..Default::default()
        };
        let items = listed(&stage, request).await;
        items.into_iter().map(|info| info.egress_id).collect::<Vec<_>>()
    };
    assert_eq!(ids("", "", false).await, [&*third, &second, &first], "the newest first");
    assert_eq!(ids("daily", "", false).await, [&*third, &first]);
    assert_eq!(ids("daily", "", true).await, [&*third]);
    assert_eq!(ids("weekly", "", true).await, [""; 0]);
    assert_eq!(ids("", "", true).await, [&*third]);
    assert_eq!(ids("", &first, false).await, [&*first]);
    assert_eq!(ids("", &first, true).await, [""; 0]);
    assert_eq!(ids("nobody's", "", false).await, [""; 0]);
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_twirps_code_and_says_why() {
    let stage = Stage::new().await;
    let id = made(&stage, "daily").await;
    let requested = file_of("weekly");
    let with = |change: &dyn Fn(&mut proto::RoomCompositeEgressRequest)| {
        let mut requested = requested.clone();
        change(&mut requested);
        requested.encode_to_vec()
    };
    let start = "StartRoomCompositeEgress";
    let missing = "request has missing or invalid field: ";
    let web = proto::WebEgressRequest { url: "https://example.org".into(), ..Default::default() };
    let participant = proto::ParticipantEgressRequest { room_name: "daily".into(), ..Default::default() };
    let tracks = proto::TrackCompositeEgressRequest { room_name: "daily".into(), ..Default::default() };
    let track = proto::TrackEgressRequest { room_name: "daily".into(), ..Default::default() };
    let stop = |id: &str| proto::StopEgressRequest { egress_id: id.into() }.encode_to_vec();
    let layout = |id: &str| proto::UpdateLayoutRequest { egress_id: id.into(), layout: "grid".into() }.encode_to_vec();
    let stream = |id: &str| proto::UpdateStreamRequest { egress_id: id.into(), ..Default::default() }.encode_to_vec();
    let list = proto::ListEgressRequest { egress_id: "EG_none".into(), ..Default::default() }.encode_to_vec();
    let table = [
        (start, file_of("nowhere").encode_to_vec(), 404, "not_found", "requested room does not exist"),
        (start, with(&|r| r.room_name.clear()), 400, "invalid_argument", &format!("{missing}room_name")),
        (start, with(&|r| r.file_outputs.clear()), 400, "invalid_argument", &format!("{missing}output")),
        (start, with(&|r| r.custom_base_url = "https://x".into()), 501, "unimplemented", "custom_base_url needs"),
        (start, file_of("wrong-key").encode_to_vec(), 500, "internal", "api_key"),
        ("StartEgress", Vec::new(), 400, "invalid_argument", &format!("{missing}source")),
        ("StartWebEgress", web.encode_to_vec(), 501, "unimplemented", "web egress needs a browser"),
        ("StartParticipantEgress", participant.encode_to_vec(), 501, "unimplemented", "participant egress"),
        ("StartTrackCompositeEgress", tracks.encode_to_vec(), 501, "unimplemented", "track composite egress"),
        ("StartTrackEgress", track.encode_to_vec(), 501, "unimplemented", "track egress"),
        ("StopEgress", stop("EG_none"), 404, "not_found", "egress does not exist"),
        ("StopEgress", stop(""), 404, "not_found", "egress does not exist"),
        ("UpdateLayout", layout("EG_none"), 404, "not_found", "egress does not exist"),
        ("UpdateStream", stream("EG_none"), 404, "not_found", "egress does not exist"),
        ("UpdateStream", stream(&id), 400, "invalid_argument", "UpdateStream called on non-streaming egress"),
        ("ListEgress", list, 404, "not_found", "egress does not exist"),
        ("StopEgress", b"\x0a\xff".to_vec(), 400, "malformed", "the protobuf request could not be decoded"),
        ("StopEgress", vec![0; 65 * 1024], 400, "invalid_argument", "body: longer than 65536 bytes"),
        ("DeleteEgress", Vec::new(), 404, "bad_route", "no handler for path \"/twirp/livekit.Egress/DeleteEgress\""),
    ];
    for (method, body, status, code, words) in table {
        let answer = post(&stage, method, "application/protobuf", Some(&recorder()), body).await;
        let (found, said) = (answer.code(), answer.json()["msg"].as_str().unwrap().to_owned());
        assert_eq!((answer.status, found.as_str()), (status, code), "{method}: {said}");
        assert!(said.contains(words), "{method}: {said}");
    }
    assert_eq!(listed(&stage, Default::default()).await.len(), 3, "what is checked before begins nothing");

    let json = async |kind: &str, body: &str| -> Answer {
        post(&stage, "ListEgress", kind, Some(&recorder()), body.as_bytes().to_vec()).await
    };
    for (kind, body, status, code) in [
        ("application/json", "{\"a\"", 400, "malformed"),
        ("application/json", "", 400, "malformed"),
        ("application/json", "{\"active\": \"perhaps\"}", 400, "malformed"),
        ("text/plain", "{}", 404, "bad_route"),
    ] {
        let answer = json(kind, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{kind} {body}");
    }
    assert_eq!(json("application/json; charset=utf-8", "{\"of_next_year\": 1}").await.status, 200);
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_post_or_of_another_service_is_a_bad_route() {
    let stage = Stage::new().await;
    let at = stage.sidecar.address();
    let client = reqwest::Client::new();
    let bearer = recorder();
    for (request, route) in [
        (client.get(format!("http://{at}/twirp/livekit.Egress/ListEgress")), "GET /twirp/livekit.Egress/ListEgress"),
        (
            client.post(format!("http://{at}/twirp/livekit.RoomService/ListRooms")),
            "POST /twirp/livekit.RoomService/ListRooms",
        ),
        (client.post(format!("http://{at}/twirp/")), "POST /twirp/"),
    ] {
        let answer = crate::answer(request.header("Authorization", &bearer)).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "bad_route"), "{route}");
        assert_eq!(answer.json()["meta"]["twirp_invalid_route"], route);
    }
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_record_is_let_in() {
    let stage = Stage::new().await;
    let id = started(&stage, "daily").await;
    let grants = |room: &str| VideoGrants { room_record: true, room: room.into(), ..Default::default() };
    let may_not = VideoGrants { room_join: true, room_admin: true, room: "daily".into(), ..Default::default() };
    let (forged, joiner) = (bearer("forged", grants("")), bearer("secret", may_not));
    let other = bearer("secret", grants("weekly"));
    let stop = proto::StopEgressRequest { egress_id: id.clone() }.encode_to_vec();
    let start = file_of("monthly").encode_to_vec();
    let kind = "application/protobuf";
    for (bearer, why) in [
        (None, "none, on this machine too"),
        (Some("Bearer x"), "nonsense"),
        (Some("Basic eDp4"), "another scheme"),
        (Some(forged.as_str()), "another secret"),
        (Some(joiner.as_str()), "no roomRecord"),
        (Some(other.as_str()), "for another room"),
    ] {
        for (method, body) in [("StopEgress", &stop), ("StartRoomCompositeEgress", &start)] {
            let answer = post(&stage, method, kind, bearer, body.clone()).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{why}");
            assert_eq!(answer.json()["msg"], "permissions denied", "{why}");
        }
    }
    let list = async |bearer: String| -> Vec<EgressInfo> {
        let answer = post(&stage, "ListEgress", kind, Some(&bearer), Vec::new()).await;
        answer.message::<proto::ListEgressResponse>().items
    };
    assert_eq!(list(other).await, [], "others' rooms are not seen");
    assert_eq!(list(bearer("secret", grants("daily"))).await.len(), 1);
    assert_eq!(list(recorder()).await[0].status(), EgressStatus::EgressActive, "nothing was stopped or started");
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_ended_is_told_in_livekits_words() {
    let stage = Stage::new().await;
    let id = started(&stage, "instant").await;
    let stop = proto::StopEgressRequest { egress_id: id.clone() };
    call(&stage, "StopEgress", &stop).await.message::<EgressInfo>();
    let info = until(&stage, &id, EgressStatus::EgressAborted).await;
    assert_eq!(info.error_code, 412);
    let info: EgressInfo = call(&stage, "StopEgress", &stop).await.message();
    assert_eq!(info.status(), EgressStatus::EgressAborted, "there is no file");
    let id = started(&stage, "daily").await;
    stage.happens("daily", Report::RoomClosed("the room was deleted".into()));
    assert_eq!(until(&stage, &id, EgressStatus::EgressComplete).await.details, "End reason: Source closed");
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_request_names_hears_of_it() {
    let yaml = "requests: {allowed_hosts: [127.0.0.1]}\n";
    let stage = Stage::configured(tempfile::tempdir().unwrap(), None, yaml).await;
    let receiver = HttpReceiver::start(|_| (200, Vec::new()));
    let with = |url: &str, signing_key: &str| {
        let hook = proto::WebhookConfig { url: url.into(), signing_key: signing_key.into(), ..Default::default() };
        proto::RoomCompositeEgressRequest { webhooks: vec![hook], ..file_of("daily") }
    };
    let hook = format!("{}/hook", receiver.url);
    for (url, key, why) in [
        (hook.as_str(), "another", "webhooks.signing_key: \"another\" is not known here; use \"key\""),
        (hook.as_str(), "", "webhooks.signing_key: "),
        ("ftp://x/", "key", "request has missing or invalid field: webhooks.url"),
        ("http://u:p@x/", "key", "request has missing or invalid field: webhooks.url"),
    ] {
        let answer = call(&stage, "StartRoomCompositeEgress", &with(url, key)).await;
        let said = answer.json()["msg"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && said.starts_with(why), "{url} {key}: {said}");
    }
    assert_eq!(listed(&stage, Default::default()).await, [], "nothing was started");

    let answer = call(&stage, "StartRoomCompositeEgress", &with(&hook, "key")).await;
    let id = answer.message::<EgressInfo>().egress_id;
    call(&stage, "StopEgress", &proto::StopEgressRequest { egress_id: id.clone() }).await;
    for wanted in ["egress_started", "egress_updated", "egress_updated", "egress_ended"] {
        let sent = receiver.next();
        let event: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!((&event["event"], &event["egressInfo"]["egressId"]), (&json!(wanted), &json!(id)), "{event}");
        let verifier = TokenVerifier::with_api_key("key", "secret");
        WebhookReceiver::new(verifier).receive(sent.text(), &sent.headers["authorization"]).unwrap();
    }
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_pages_and_filters_look_at_all_of_it() {
    use greffier::db::{Change, Db};
    use greffier::ids::RecordingId;
    use greffier::recording::{Limits, Options, Outcome, Output, Policy, Reason, Recording, Request, State};

    let folder = tempfile::tempdir().unwrap();
    {
        let db = Db::open(folder.path()).unwrap();
        let row = |n: i64| {
            // Three of the oldest are of a room of their own.
            let room = if n < 3 { "rare" } else { "often" }.to_owned();
            let request = Request { room, output: Output::ogg(), limits: Limits::default() };
            let (id, at) = (RecordingId::new(format!("EG_{n:05}")), jiff::Timestamp::from_second(n + 1).unwrap());
            let (mut row, _) =
                Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), at);
            row.state = State::Notified(Outcome::Complete(Reason::Stopped));
            row
        };
        let rows: Vec<_> = (0..2500).map(row).collect();
        db.commit(Change { recordings: &rows.iter().collect::<Vec<_>>(), ..Change::default() }).unwrap();
    }
    let stage = Stage::with(folder, None).await;
    let list = async |request: proto::ListEgressRequest| -> proto::ListEgressResponse {
        call(&stage, "ListEgress", &request).await.message()
    };
    let rare = list(proto::ListEgressRequest { room_name: "rare".into(), ..Default::default() }).await;
    assert_eq!((rare.items.len(), rare.next_page_token), (3, None));
    let (mut page_token, mut seen) = (None, Vec::new());
    loop {
        let page = list(proto::ListEgressRequest { page_token, ..Default::default() }).await;
        seen.extend(page.items.into_iter().map(|info| info.egress_id));
        page_token = page.next_page_token;
        if page_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..2500).rev().map(|n| format!("EG_{n:05}")).collect::<Vec<_>>());
    let id = started(&stage, "daily").await;
    let active = list(proto::ListEgressRequest { active: true, ..Default::default() }).await;
    assert_eq!(active.items.into_iter().map(|info| info.egress_id).collect::<Vec<_>>(), [id]);
    let token = Some(proto::TokenPagination { token: "nonsense".into() });
    let wrong = call(&stage, "ListEgress", &proto::ListEgressRequest { page_token: token, ..Default::default() }).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "invalid_argument"));
    close(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_livekits_server_sets_is_said_by_every_answer() {
    let stage = Stage::new().await;
    let started: EgressInfo = call(&stage, "StartRoomCompositeEgress", &file_of("daily")).await.message();
    // The server sets it in our participant's metadata: only the recorder learns of it.
    let layout = greffier::scene::Layout::from_name("grid-light");
    stage.happens("daily", Report::LayoutChanged(layout));
    let by_id = proto::ListEgressRequest { egress_id: started.egress_id.clone(), ..Default::default() };
    until_layout(&stage, &by_id, "grid-light").await;
    // The row says it to the next process.
    let stage = stage.restart().await;
    until_layout(&stage, &by_id, "grid-light").await;
    close(stage).await;
}

/// Until the request in its EgressInfo has this layout.
async fn until_layout(stage: &Stage, one: &proto::ListEgressRequest, layout: &str) {
    let seen = async {
        loop {
            let info = listed(stage, one.clone()).await.remove(0);
            let Some(proto::egress_info::Request::RoomComposite(request)) = &info.request else { panic!("{info:?}") };
            if request.layout == layout {
                return;
            }
            assert_eq!(request.layout, "speaker-light");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.expect("EgressInfo says it");
}
