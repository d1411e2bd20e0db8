//! A machine that is lost with its disk, in the middle of a meeting: another sidecar finishes what it recorded.

use std::time::Duration;

use serde_json::json;

use crate::support::minio::{BUCKET, KEY, SECRET};
use crate::support::publisher::{Kind, Publisher};
use crate::support::sidecar::Sidecar;
use crate::{World, id_of, probe};

/// At most so many seconds of what was recorded are lost with it: `max_unsent`, what the output holds back, and a fragment.
const LOST: f64 = 2.0 + 2.0 + 1.5;

#[test]
fn film_and_transcript_of_a_lost_machine_are_finished_by_another_that_is_killed_meanwhile() {
    let mut world = World::new(300);
    let storage = format!(
        "storage: {{ max_unsent: 2, s3: {{ endpoint: {:?}, access_key: {KEY}, secret: {SECRET:?}, bucket: {BUCKET}, \
         force_path_style: true }} }}\nrecording: {{ adopt_after: 6s }}\n",
        world.minio.url()
    );
    let start = |world: &World| Sidecar::in_place_of_egress_with(&world.server, &world.redis, &storage);
    let mut lost = start(&world);
    let rooms = ["seen", "heard"];
    let _people = rooms.map(|room| Publisher::start(Kind::SampleRoom, &world.server, room, 1, &[]));
    let film = json!({ "room_name": "seen", "file_outputs": [{ "file_type": "MP4", "filepath": "seen.mp4" }] });
    let transcript = json!({ "room_name": "heard", "audio_only": true,
                             "file_outputs": [{ "file_type": "OGG", "filepath": "heard.ogg" }] });
    let ids = [film, transcript].map(|request| id_of(&world.backend.call("start", request).ok()));
    let recorded = ids.each_ref().map(|id| {
        let item = lost.until_recorded(id, 15.0);
        item["progress"]["duration"].as_f64().unwrap()
    });
    lost.kill();
    std::fs::remove_dir_all(lost.folder().join("data")).unwrap();

    let mut other = start(&world);
    other.until_logged(|log| log.contains("its sidecar is lost; it is finished here"));
    other.kill_and_restart();
    for ((id, key), recorded) in ids.iter().zip(["seen.mp4", "heard.ogg"]).zip(recorded) {
        world.hooks.until(id, "egress_ended COMPLETE");
        let (codecs, length) = probe(&world.minio.object(key).1);
        println!("{key}: {length:.1} s of {recorded:.1} s, {codecs:?}");
        assert!(length > recorded - LOST && length < recorded + 2.0, "{length} s of {recorded} s");
        assert_eq!(world.minio.open_uploads(key), Vec::<String>::new());
        let info = world.listed(id);
        assert!(!info["details"].as_str().unwrap().is_empty(), "that its end is missing is said: {info}");
        let ended = world.hooks.names(id).into_iter().filter(|name| name.starts_with("egress_ended")).count();
        assert_eq!(ended, 1, "{:?}", world.hooks.names(id));
    }
    let began = std::time::Instant::now();
    while world.minio.listing().contains(".greffier/marks/") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", world.minio.listing());
        std::thread::sleep(Duration::from_millis(50));
    }
}
