//! Judges what a run has left: files, reports, notifications, and that nothing else is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::film;
use crate::plan::{Fault, Plan, Way};
use crate::play::Story;
use crate::world::World;

/// Freeing the spool and ending a process follow the last notification.
const FOLLOWS: Duration = Duration::from_secs(15);
/// The sidecar has nothing left to do.
const LEAVES: Duration = Duration::from_secs(45);

/// What is wrong with the recordings and with what is around them; one line each.
pub fn judge(plan: &Plan, world: &mut World, story: &Story) -> Vec<String> {
    let mut wrong = story.problems.clone();
    let emails = message_ids(world);
    for (nth, item) in story.items.iter().enumerate() {
        let mut say = |what: String| {
            wrong.push(format!("room {nth} ({:?}, {:?}): {what}", plan.rooms[nth].kind, plan.rooms[nth].way))
        };
        ends(plan, story, nth).into_iter().for_each(&mut say);
        film::faults_of(plan, world, story, nth).into_iter().for_each(&mut say);
        hooks(world, item).into_iter().for_each(&mut say);
        if plan.rooms[nth].way == Way::Rest {
            let id = item["id"].as_str().unwrap_or_default();
            let letters: BTreeSet<_> = emails.iter().filter(|it| it.contains(id)).collect();
            if letters.len() != 1 {
                say(format!("{} emails: {letters:?}", letters.len()));
            }
        } else if let Some(fault) = manifest(world, item) {
            say(fault);
        }
    }
    wrong.extend(bucket(world, story));
    wrong.extend(leavings(world, story));
    wrong
}

/// It was stopped on request, and nothing broke; but a room that nobody is in any more may end it.
fn ends(plan: &Plan, story: &Story, nth: usize) -> Vec<String> {
    let item = &story.items[nth];
    let mut wrong = Vec::new();
    if item["path"].is_null() && item["size"].is_null() {
        wrong.push(format!("there is no file: {} {}", item["status"], item["error"]));
    }
    if !item["error"].is_null() && !may_end_early(plan, story, nth) {
        wrong.push(format!("it ended with an error: {}", item["error"]));
    }
    wrong
}

/// A room is gone with its server; whoever looks for it before people are back finishes the recording.
pub fn may_end_early(plan: &Plan, story: &Story, nth: usize) -> bool {
    let killed = story.happened.iter().filter(|(fault, ..)| fault.recorder() == Some(nth));
    let killed = killed.map(|(_, from, to)| (*from, *to + 6.0));
    let lookers: Vec<_> = story.away.iter().copied().chain(killed).collect();
    let meets = |(from, to): &(f64, f64)| lookers.iter().any(|(gone, back)| gone < &(to + 5.0) && &(from - 2.0) < back);
    plan.has(|fault| fault == Fault::RestartServer) && story.absent.iter().any(meets)
}

/// Each event is one event, however often it came, and the end is the last.
fn hooks(world: &World, item: &Value) -> Vec<String> {
    let hooks = world.hooks.of(item["id"].as_str().unwrap_or_default());
    let mut events: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for hook in &hooks {
        let event: Value = serde_json::from_str(&hook.body).expect("webhooks are JSON");
        events.entry(&hook.name).or_default().insert(event["id"].as_str().unwrap_or_default().to_owned());
    }
    let mut wrong: Vec<String> = events
        .iter()
        .filter(|(_, ids)| ids.len() != 1)
        .map(|(name, ids)| format!("{} webhooks {name}: {ids:?}", ids.len()))
        .collect();
    let ends: Vec<_> = events.keys().filter(|name| name.starts_with("egress_ended")).collect();
    if ends.len() != 1 || hooks.last().is_none_or(|last| !last.name.starts_with("egress_ended")) {
        wrong.push(format!("not one end, at the end: {:?}", hooks.iter().map(|hook| &hook.name).collect::<Vec<_>>()));
    }
    wrong
}

/// `Message-ID` of every email.
fn message_ids(world: &World) -> Vec<String> {
    let line =
        |text: &str| text.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:")).map(str::to_owned);
    world.mail.so_far().iter().filter_map(|email| line(&email.text)).collect()
}

/// It lies beside the file, names it, and says of its health what the sidecar says.
fn manifest(world: &World, item: &Value) -> Option<String> {
    let (id, key) = (item["id"].as_str()?, item["key"].as_str()?);
    let beside = format!("{}/{id}.json", key.rsplit_once('/')?.0);
    if !keys(world).contains(&beside) {
        return Some("there is no manifest".to_owned());
    }
    let manifest: Value = serde_json::from_slice(&world.minio.object(&beside).1).expect("a manifest is JSON");
    let clean = manifest["health"].is_null() && item["health"]["intact"] == true;
    // What became of jobs is known after it was written.
    let same = ["holes", "lost_audio", "tracks"].iter().all(|part| manifest["health"][part] == item["health"][part]);
    if manifest["egress_id"] != id || manifest["files"][0]["filename"] != key || !(clean || same) {
        return Some(format!("the manifest {manifest} of {item}"));
    }
    None
}

/// The keys of all objects.
pub fn keys(world: &World) -> BTreeSet<String> {
    let listing = world.minio.listing();
    listing.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
}

/// Films and manifests, and nothing else: no mark, no part of an upload.
fn bucket(world: &World, story: &Story) -> Vec<String> {
    let mut wrong = Vec::new();
    let of = |field: &str| -> BTreeSet<&str> { story.items.iter().filter_map(|item| item[field].as_str()).collect() };
    let (films, ids) = (of("key"), of("id"));
    let is_manifest = |key: &str| {
        key.strip_suffix(".json").and_then(|key| key.rsplit_once('/')).is_some_and(|(_, id)| ids.contains(id))
    };
    let more: Vec<_> =
        keys(world).into_iter().filter(|key| !films.contains(key.as_str()) && !is_manifest(key)).collect();
    if !more.is_empty() {
        wrong.push(format!("the bucket holds more: {more:?}"));
    }
    for key in films {
        let open = world.minio.open_uploads(key);
        if !open.is_empty() {
            wrong.push(format!("{} uploads of {key} are open", open.len()));
        }
    }
    wrong
}

/// Nothing is left in the spool, no recorder is at work; and once the sidecar has left, none is there.
fn leavings(world: &mut World, story: &Story) -> Vec<String> {
    let mut wrong = Vec::new();
    let spool = world.sidecar.folder().join("data/spool");
    if !within(FOLLOWS, || files_below(&spool).is_empty()) {
        wrong.push(format!("the spool holds {:?}", files_below(&spool)));
    }
    if !within(FOLLOWS, || world.sidecar.workers().len() <= 1) {
        wrong.push(format!("{} recorders are there, and nothing to record", world.sidecar.workers().len()));
    }
    let open = open_below(world.sidecar.pid(), &spool);
    if !open.is_empty() {
        wrong.push(format!("the sidecar has these open: {open:?}"));
    }
    let all: BTreeSet<u32> = story.workers.iter().copied().chain(world.sidecar.workers()).collect();
    world.sidecar.signal("TERM");
    if !within(LEAVES, || world.sidecar.has_ended()) {
        return [wrong, vec!["the sidecar does not leave at SIGTERM".to_owned()]].concat();
    }
    let here = || -> Vec<u32> { all.iter().copied().filter(|pid| is_worker(*pid)).collect() };
    if !within(FOLLOWS, || here().is_empty()) {
        wrong.push(format!("recorders outlive the sidecar: {:?}", here()));
    }
    wrong
}

fn within(most: Duration, mut is: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is() {
            return true;
        }
        if begun.elapsed() > most {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let all = entries.flatten().flat_map(|entry| {
        let path = entry.path();
        if path.is_dir() { files_below(&path) } else { vec![path.display().to_string()] }
    });
    all.collect()
}

fn open_below(pid: u32, folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    links.filter(|to| to.starts_with(folder) && !to.is_dir()).map(|to| to.display().to_string()).collect()
}

/// A number may have been given to another process meanwhile.
fn is_worker(pid: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split('\0').any(|word| word == "worker")
}
