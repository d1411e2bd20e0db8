//! Rooms that are recorded from their beginning, because whoever created them asked for it.

use livekit_api::access_token::VideoGrants;
use serde_json::json;

use crate::support::publisher::{Kind, Publisher};
use crate::{COMPLETE, WHOLE_LIFE, World, probe};

#[test]
fn a_room_that_is_created_with_an_egress_is_recorded_until_it_ends() {
    let mut world = World::new(300);
    let _sidecar = world.sidecar();
    let room = "auto";
    let grants = VideoGrants { room_create: true, ..VideoGrants::default() };
    let mut request = world.video(room, "recordings/auto.mp4");
    // Which room is said already: the server fills it in.
    request.as_object_mut().unwrap().remove("room_name");
    let requested = json!({ "name": room, "egress": { "room": request } });
    let created = world.server.ask("CreateRoom", grants, &requested);
    assert_eq!(created["active_recording"], true, "it runs when the room is there: {created}");
    let list = world.backend.call("list", json!({ "room_name": room })).ok();
    let id = list["items"][0]["egress_id"].as_str().unwrap().to_owned();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    let _people = Publisher::start(Kind::SampleRoom, &world.server, room, 1, &[]);
    world.hooks.until(&id, "egress_updated ACTIVE");
    let grants = VideoGrants { room_create: true, ..VideoGrants::default() };
    world.server.ask("DeleteRoom", grants, &json!({ "room": room }));
    world.hooks.until(&id, "egress_ended COMPLETE");
    assert_eq!(world.hooks.names(&id), WHOLE_LIFE);
    let list = world.backend.call("list", json!({ "egress_id": id })).ok();
    let last = &list["items"][0];
    assert_eq!(last["status"].as_u64(), Some(COMPLETE), "{last}");
    assert_eq!(last["details"], "End reason: Source closed");
    assert_eq!(last["room_id"], created["sid"], "{last}");
    let (codecs, seconds) = probe(&world.minio.object("recordings/auto.mp4").1);
    assert_eq!(codecs, ["aac", "h264"]);
    assert!(seconds > 1.0, "{seconds}");
    world.check_hooks();
}
