//! Several sidecars on one Redis share the work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use greffier::egress::rpc;
use greffier::psrpc::{Bus, PsrpcClient, Settings};
use prost::Message as _;
use serde_json::json;

use crate::support::redis::Redis;
use crate::support::sidecar::Sidecar;
use crate::{ENDING, WHOLE_LIFE, World, id_of};

/// Asks every sidecar what it is busy with.
pub async fn busy(redis: &Redis) -> Vec<BTreeSet<String>> {
    let bus = Bus::start(Settings::at(&redis.address()).unwrap());
    let client = PsrpcClient::new(&bus, "EgressInternal");
    let answers = client.call_all("ListActiveEgress", "", Bytes::new(), Duration::from_secs(2)).await.unwrap();
    let ids = |raw: Bytes| rpc::ListActiveEgressResponse::decode(raw).unwrap().egress_ids.into_iter().collect();
    answers.into_iter().map(|answer| ids(answer.unwrap())).collect()
}

#[tokio::test]
async fn two_share_the_work_and_one_that_dies_finishes_it_later() {
    let mut world = World::new(300);
    let mut sidecars = [world.sidecar(), world.sidecar()];
    let rooms: Vec<_> = (0..6).map(|n| format!("room-{n}")).collect();
    let mut starts = Vec::new();
    for room in &rooms {
        world.server.create_room(room);
        starts.push(world.transcript(room, &format!("recordings/{room}.ogg")));
    }
    // The second goes to the one that is idle; the others, all at once, to whoever is quicker.
    let crowd = starts.split_off(2);
    let mut answers: Vec<_> = starts.into_iter().map(|start| world.backend.call("start", start)).collect();
    answers.extend(world.backend.calls("start", crowd));
    let slowest = answers.iter().map(|answer| answer.ms).max();
    let ids: Vec<_> = answers.into_iter().map(|answer| id_of(&answer.ok())).collect();
    for id in &ids {
        world.hooks.until(id, "egress_updated ACTIVE");
    }
    let shares = busy(&world.redis).await;
    println!(
        "6 starts, 4 of them at once: the slowest took {slowest:?} ms; shares {:?}",
        shares.iter().map(BTreeSet::len).collect::<Vec<_>>()
    );
    assert_eq!(shares.len(), 2, "both answer");
    assert!(shares[0].is_disjoint(&shares[1]), "one was taken twice: {shares:?}");
    let all: BTreeSet<_> = shares.iter().flatten().cloned().collect();
    assert_eq!(all, ids.iter().cloned().collect());
    assert!(shares.iter().all(|share| !share.is_empty()), "one has everything: {shares:?}");

    // The first one dies.
    let of_first: BTreeSet<_> = {
        let log = sidecars[0].log();
        ids.iter().filter(|id| log.contains(id.as_str())).cloned().collect()
    };
    assert!(shares.contains(&of_first), "{of_first:?} of {shares:?}");
    for id in &of_first {
        sidecars[0].until_recorded(id, 1.0);
    }
    sidecars[0].kill_and_restart();
    for id in &of_first {
        // It goes on, and nobody hears anything of it.
        sidecars[0].until_recorded(id, 2.0);
        assert_eq!(world.hooks.names(id), WHOLE_LIFE[..2]);
        assert_eq!(world.stop(id).ok()["status"].as_u64(), Some(ENDING), "it is answered for after the restart");
        world.hooks.until(id, "egress_ended COMPLETE");
        let names = world.hooks.names(id);
        assert_eq!((names.first().unwrap().as_str(), names.last().unwrap().as_str()), (WHOLE_LIFE[0], WHOLE_LIFE[3]));
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "each once: {names:?}");
    }
    for (id, room) in ids.iter().zip(&rooms) {
        if of_first.contains(id) {
            assert_eq!(world.minio.object(&format!("recordings/{room}.ogg")).0, "audio/ogg");
            continue;
        }
        assert_eq!(world.hooks.names(id).len(), 2, "the others go on");
        assert_eq!(world.stop(id).ok()["status"].as_u64(), Some(ENDING));
    }
    for id in &ids {
        world.hooks.until(id, "egress_ended COMPLETE");
    }
    assert!(busy(&world.redis).await.iter().all(BTreeSet::is_empty));
}

/// Which of these a sidecar has begun.
fn begun(sidecar: &Sidecar, ids: &[String]) -> BTreeSet<String> {
    let log = sidecar.log();
    ids.iter().filter(|id| log.contains(id.as_str())).cloned().collect()
}

#[tokio::test]
async fn thirty_starts_at_once_are_spread_over_three_and_outlive_one() {
    const STARTS: usize = 30;
    let mut world = World::new(300);
    let mut sidecars = [world.sidecar(), world.sidecar(), world.sidecar()];
    let rooms = ["north", "east", "west"];
    for room in rooms {
        world.server.create_room(room);
    }
    let keys: Vec<_> = (0..STARTS).map(|n| format!("recordings/{n}.ogg")).collect();
    let starts = keys.iter().zip(rooms.iter().cycle()).map(|(key, room)| world.transcript(room, key)).collect();
    let answers = world.backend.calls("start", starts);
    let mut times: Vec<_> = answers.iter().map(|answer| answer.ms).collect();
    times.sort_unstable();
    let ids: Vec<_> = answers.into_iter().map(|answer| id_of(&answer.ok())).collect();
    let keys: BTreeMap<_, _> = ids.iter().cloned().zip(keys).collect();
    assert_eq!(keys.len(), STARTS, "each is one egress");
    for id in &ids {
        world.hooks.until(id, "egress_updated ACTIVE");
    }
    let shares: Vec<_> = sidecars.iter().map(|sidecar| begun(sidecar, &ids)).collect();
    let sizes: Vec<_> = shares.iter().map(BTreeSet::len).collect();
    println!("{STARTS} starts at once: answered in {} to {} ms; shares {sizes:?}", times[0], times[STARTS - 1]);
    assert_eq!(sizes.iter().sum::<usize>(), STARTS, "one was taken twice: {shares:?}");
    assert_eq!(shares.iter().flatten().collect::<BTreeSet<_>>().len(), STARTS);
    assert_eq!(BTreeSet::from_iter(busy(&world.redis).await), shares.iter().cloned().collect());
    // Nobody knows of the others while all are undecided: ten each is the mean of what chance gives, four its outermost edge.
    assert!(sizes.iter().all(|size| *size >= 4), "badly spread: {sizes:?}");

    // One dies; the others notice nothing, and what they do is still stopped through the server.
    let [dead, alive, also_alive] = &shares[..] else { panic!("three sidecars") };
    sidecars[0].kill();
    assert_eq!(BTreeSet::from_iter(busy(&world.redis).await), [alive, also_alive].into_iter().cloned().collect());
    let first = alive.first().unwrap();
    assert_eq!(world.stop(first).ok()["status"].as_u64(), Some(ENDING));
    world.hooks.until(first, "egress_ended COMPLETE");
    let of_the_dead = dead.first().unwrap();
    assert_eq!(world.hooks.names(of_the_dead), WHOLE_LIFE[..2]);

    // It comes back, and goes on with what it had begun.
    let back = Instant::now();
    sidecars[0].start_again();
    for id in dead {
        sidecars[0].until_recorded(id, 0.5);
    }
    println!("{} interrupted recordings go on after {:.2} s", dead.len(), back.elapsed().as_secs_f64());
    let others: Vec<_> = dead.iter().chain(alive).chain(also_alive).filter(|id| *id != first).collect();
    for id in &others {
        assert_eq!(world.hooks.names(id), WHOLE_LIFE[..2], "the others go on");
    }
    let stops = others.iter().map(|id| json!({ "egress_id": id })).collect();
    for stopped in world.backend.calls("stop", stops) {
        assert_eq!(stopped.ok()["status"].as_u64(), Some(ENDING));
    }
    for id in &ids {
        world.hooks.until(id, "egress_ended COMPLETE");
    }
    assert!(busy(&world.redis).await.iter().all(BTreeSet::is_empty));
    for (id, key) in &keys {
        assert_eq!(world.hooks.names(id), WHOLE_LIFE, "each once, in order");
        let (kind, bytes) = world.minio.object(key);
        assert_eq!(kind, "audio/ogg");
        assert!(!bytes.is_empty());
    }
}
