//! Notices in the rooms of a real livekit-server, and the messages as they leave.

use greffier::error::Undelivered;
use greffier::livekit::Server as LiveKit;
use greffier::notify::{Links, Notifier, Settings};
use greffier::recording::{Event, Limit, Limits, Outcome, Recording, State, Target};
use greffier::secret::Secret;
use livekit_api::access_token::{TokenVerifier, VideoGrants};
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::receiver::HttpReceiver;
use crate::support::server::LiveKit as Server;
use crate::{KEY, SECRET, notifier, recording};

fn at_server(server: &Server) -> Notifier {
    let livekit = LiveKit {
        url: server.url.clone(),
        api_key: server.api_key.clone(),
        api_secret: Secret::new(server.api_secret.clone()),
        ca_file: None,
        insecure: false,
    };
    Notifier::new(Settings::default(), std::path::Path::new("unused"), livekit, Links::new("http://g"), None).unwrap()
}

/// What everybody in the room sees.
async fn metadata(server: &Server) -> Value {
    let grants = VideoGrants { room_list: true, ..VideoGrants::default() };
    let list = server.ask("ListRooms", grants, &json!({ "names": ["daily"] }));
    match list["rooms"][0]["metadata"].as_str() {
        None | Some("") => Value::Null,
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

/// Returns once the server's list shows it.
async fn set_metadata(server: &Server, text: &str) {
    let grants = VideoGrants { room_admin: true, room: "daily".into(), ..VideoGrants::default() };
    server.ask("UpdateRoomMetadata", grants, &json!({ "room": "daily", "metadata": text }));
    let wanted = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    let appears = async {
        while metadata(server).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), appears).await.expect("the metadata appears");
}

/// Four hours, in seconds.
const LONGEST: u64 = 4 * 3600;

fn limited(state: State) -> Recording {
    let limits = Limits { max_duration: Some(std::time::Duration::from_secs(LONGEST)), ..Limits::default() };
    let mut about = recording("EG_a");
    about.request.limits = limits;
    about.state = state;
    about
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_follows_the_recording_and_other_keys_stay() {
    let server = Server::start();
    let notifier = at_server(&server);
    let tell = async |event, id: &str| notifier.notify(event, &Target::Room, &recording(id)).await;
    // No such room: nobody to tell, and none is made.
    tell(Event::Accepted, "EG_a").await.unwrap();
    server.create_room("daily");
    set_metadata(&server, r#"{"access_level":"public"}"#).await;
    for (event, status) in [(Event::Accepted, "starting"), (Event::Started, "started"), (Event::Ending, "saving")] {
        tell(event, "EG_a").await.unwrap();
        let wanted = json!({ "access_level": "public", "recording_id": "EG_a",
            "recording_mode": "screen_recording", "recording_status": status });
        assert_eq!(metadata(&server).await, wanted);
    }
    tell(Event::Accepted, "EG_b").await.unwrap();
    tell(Event::Ended, "EG_a").await.unwrap();
    assert_eq!(metadata(&server).await["recording_id"], "EG_b", "an old end does not take a new recording's keys");
    tell(Event::Ended, "EG_b").await.unwrap();
    assert_eq!(metadata(&server).await, json!({ "access_level": "public" }));
    // What is not ours to change is not changed.
    set_metadata(&server, "free text").await;
    assert!(matches!(tell(Event::Started, "EG_a").await, Err(Undelivered::Never(_))));
    assert_eq!(metadata(&server).await, "free text");
    // The server takes the messages.
    set_metadata(&server, "{}").await;
    let near = limited(State::Active);
    notifier.notify(Event::LimitNear(Limit::Duration), &Target::Room, &near).await.unwrap();
    let reached = limited(State::Ending { then: Outcome::LimitReached(Limit::Duration) });
    notifier.notify(Event::Ending, &Target::Room, &reached).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_reliable_without_topic_and_the_same_at_every_try() {
    let receiver = HttpReceiver::start(|sent| {
        let room = proto::Room { name: "daily".into(), ..proto::Room::default() };
        match sent.path.as_str() {
            "/twirp/livekit.RoomService/ListRooms" => {
                (200, proto::ListRoomsResponse { rooms: vec![room] }.encode_to_vec())
            }
            "/twirp/livekit.RoomService/SendData" => (200, vec![]),
            // It closed in between.
            _ => (404, br#"{"code":"not_found","msg":"requested room does not exist"}"#.to_vec()),
        }
    });
    let notifier = notifier(Settings::default(), std::path::Path::new("unused"), &receiver.url);
    let mut near = limited(State::Active);
    near.started_at = Some(jiff::Timestamp::now());
    let reached = limited(State::Ending { then: Outcome::LimitReached(Limit::Size) });
    let mut messages = Vec::new();
    for (event, about) in
        [(Event::LimitNear(Limit::Duration), &near), (Event::Ending, &reached), (Event::Ending, &reached)]
    {
        notifier.notify(event, &Target::Room, about).await.unwrap();
        let sent = receiver.so_far();
        let sent = sent.iter().find(|sent| sent.path.ends_with("/SendData")).expect("a message");
        let token = sent.headers["authorization"].strip_prefix("Bearer ").expect("a bearer token");
        let grants = TokenVerifier::with_api_key(KEY, SECRET).verify(token).unwrap().video;
        assert!(grants.room_admin && grants.room == "daily" && !grants.room_list);
        let data = proto::SendDataRequest::decode(sent.body.as_slice()).unwrap();
        assert_eq!(
            (data.room.as_str(), data.kind(), &data.topic),
            ("daily", proto::data_packet::Kind::Reliable, &None)
        );
        assert!(data.destination_identities.is_empty() && data.nonce.len() == 16);
        messages.push((serde_json::from_slice::<Value>(&data.data).unwrap(), data.nonce));
    }
    let (near, reached) = (&messages[0].0, &messages[1].0);
    assert_eq!(near["type"], "screenRecordingLimitNear");
    // It began a moment ago.
    assert!(near["secondsLeft"].as_u64().is_some_and(|left| (LONGEST - 60..=LONGEST).contains(&left)), "{near}");
    assert_eq!(*reached, json!({ "type": "screenRecordingLimitReached" }));
    assert_eq!(messages[1], messages[2]);
}
