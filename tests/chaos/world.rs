//! Everything a run stands on: server, Redis, store, mail server, whoever is notified, the network, and the sidecar among them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::{Kind, OnSigterm, Plan, Room, Way};
use crate::support::backend::Hooks;
use crate::support::minio::{BUCKET, KEY, Minio, SECRET};
use crate::support::network::Network;
use crate::support::proxy::Proxy;
use crate::support::publisher::{Kind as Guests, Publisher};
use crate::support::redis::{Redis, free_port};
use crate::support::scripted_store::{Op, Policy, ScriptedStore};
use crate::support::server::LiveKit;
use crate::support::sidecar::Sidecar;
use crate::support::smtp::MailServer;

/// Whose emails they are.
pub const OWNER: &str = "ada@example.org";
/// Longer than any answer takes, but that of a process that stands still.
const ANSWER: Duration = Duration::from_secs(12);

/// The parts. The sidecar is first, because it ends first.
pub struct World {
    pub sidecar: Sidecar,
    pub people: Vec<Option<Publisher>>,
    pub server: LiveKit,
    pub redis: Redis,
    pub minio: Minio,
    pub mail: MailServer,
    pub hooks: Hooks,
    pub network: Network,
    /// What leads to the store.
    pub front: Proxy,
    /// Two stores that take nothing: 503 SlowDown, and 403 AccessDenied.
    pub refusing: [ScriptedStore; 2],
}

impl World {
    /// Starts all of it; people are in every room. `beside`: others of its kind run on this machine.
    pub fn new(plan: &Plan, beside: bool) -> Self {
        // It keeps what it was told, or the server would know of no room after its restart.
        let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
        let (minio, hooks) = (Minio::start(), Hooks::start());
        let mail = MailServer::start("none", false);
        let more = format!("redis: {{ address: '{}' }}\n", redis.address());
        let server = if beside { LiveKit::beside_others_with(60, &more) } else { LiveKit::configured(60, &more) };
        let network = Network::start(server.port, server.udp, plan.seed);
        let front = Proxy::start(minio.port);
        let busy = Policy { busy: u32::MAX, ..Policy::default() };
        let all = [Op::Put, Op::Create, Op::Part, Op::Complete, Op::Abort, Op::Head, Op::Get, Op::Delete];
        let forbidden = Policy { forbidden: all.to_vec(), ..Policy::default() };
        let refusing = [busy, forbidden].map(ScriptedStore::start);
        let yaml = yaml(plan.on_sigterm, front.port, &hooks.url, mail.port);
        let sidecar = Sidecar::configured(&network.url, &server, &redis, &yaml);
        let people = plan.rooms.iter().map(|_| None).collect();
        let mut world = Self { sidecar, people, server, redis, minio, mail, hooks, network, front, refusing };
        world.gather(plan);
        world
    }

    /// People are in every room in which nobody is.
    pub fn gather(&mut self, plan: &Plan) {
        for (nth, room) in plan.rooms.iter().enumerate() {
            if self.people[nth].is_some() {
                continue;
            }
            let (count, options): (_, &[&str]) = if room.stranger { (2, &["--hostile", "1"]) } else { (1, &[]) };
            let enter = || Publisher::start(Guests::SampleRoom, &self.server, &plan.name(nth), count, options);
            // A server that has just begun may let them wait too long.
            let people = catch_unwind(AssertUnwindSafe(enter)).unwrap_or_else(|_| enter());
            self.people[nth] = Some(people);
        }
    }

    /// Whether the server has sent somebody away.
    pub fn somebody_left(&mut self) -> bool {
        let mut somebody = false;
        for people in &mut self.people {
            if people.as_mut().is_some_and(|people| !people.is_here()) {
                (*people, somebody) = (None, true);
            }
        }
        somebody
    }

    /// Starts the recording of this room; its id.
    pub fn record(&self, plan: &Plan, nth: usize) -> String {
        let (room, name) = (&plan.rooms[nth], plan.name(nth));
        let answer = match room.way {
            Way::Rest => {
                let mode = if room.kind == Kind::Film { "screen_recording" } else { "transcript" };
                let body = json!({ "mode": mode, "options": { "owner": { "email": OWNER } } });
                self.post(&format!("/api/v1.0/rooms/{name}/start-recording/"), &body)
            }
            Way::Twirp => self.server.egress(self.sidecar.url(), "StartRoomCompositeEgress", &composite(room, &name)),
            Way::Server => self.server.egress(&self.server.http(), "StartRoomCompositeEgress", &composite(room, &name)),
        };
        let answer = answer.unwrap_or_else(|error| panic!("{name} is not recorded: {error}"));
        let id = answer["id"].as_str().or(answer["egress_id"].as_str());
        id.unwrap_or_else(|| panic!("no id in {answer}")).to_owned()
    }

    /// Orders this recording to end. Whoever should take the order may be away.
    pub fn stop(&self, plan: &Plan, nth: usize, id: &str) -> Result<(), ureq::Error> {
        let body = json!({ "egress_id": id });
        let answer = match plan.rooms[nth].way {
            Way::Rest => self.post(&format!("/api/v1.0/rooms/{}/stop-recording/", plan.name(nth)), &json!({})),
            Way::Twirp => self.server.egress(self.sidecar.url(), "StopEgress", &body),
            Way::Server => self.server.egress(&self.server.http(), "StopEgress", &body),
        };
        // It may have ended by itself.
        let ended = || self.item(id).is_some_and(|item| !is_running(&item));
        answer.map(drop).or_else(|error| if ended() { Ok(()) } else { Err(error) })
    }

    /// The recording as the sidecar shows it; `None` while it does not answer.
    pub fn item(&self, id: &str) -> Option<Value> {
        item(self.sidecar.url(), id)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, ureq::Error> {
        let agent = agent(ANSWER);
        agent.post(format!("{}{path}", self.sidecar.url())).send_json(body)?.body_mut().read_json()
    }
}

/// The recording of this id as the sidecar at this address shows it; `None` while it does not answer.
pub fn item(url: &str, id: &str) -> Option<Value> {
    let answer = agent(Duration::from_secs(2)).get(format!("{url}/api/v1.0/recordings/{id}/")).call();
    answer.and_then(|mut answer| answer.body_mut().read_json()).ok()
}

/// It has not come to its end, nor is it on its way there.
pub fn is_running(item: &Value) -> bool {
    ["initiated", "active"].iter().any(|status| item["status"] == *status)
}

fn agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(timeout)).build().into()
}

/// LiveKit's request for it.
fn composite(room: &Room, name: &str) -> Value {
    let (kind, ending) = if room.kind == Kind::Ogg { ("OGG", "ogg") } else { ("MP4", "mp4") };
    let file = json!({ "file_type": kind, "filepath": format!("recordings/{name}.{ending}") });
    let mut request = json!({ "room_name": name, "file_outputs": [file] });
    // The judge of beeps hears 48 kHz, which is what Opus has.
    request["advanced"] = json!({ "width": 640, "height": 360, "framerate": 30, "audio_frequency": 48000 });
    request["audio_only"] = (room.kind != Kind::Film).into();
    request
}

/// The options that are not every sidecar's. Parts leave soon, and a small picture leaves the cores to the faults.
fn yaml(on_sigterm: OnSigterm, store: u16, hooks: &str, mail: u16) -> String {
    format!(
        "listen: 127.0.0.1:{port}\non_sigterm: {on_sigterm}\n\
         storage: {{ timeout: 10, max_unsent: 3, s3: {{ endpoint: 'http://127.0.0.1:{store}', access_key: {KEY}, \
         secret: {SECRET:?}, bucket: {BUCKET}, force_path_style: true }} }}\n\
         recording: {{ encoding: {{ enabled: true, width: 640, height: 360, framerate: 30, video_bitrate_kbps: 1000 }} }}\n\
         webhooks: {{ urls: ['{hooks}'] }}\n\
         mail: {{ transport: smtp, from: 'Meet <meet@example.org>', smtp: {{ host: 127.0.0.1, port: {mail}, encryption: none }} }}\n",
        port = free_port(),
        on_sigterm = on_sigterm.name(),
    )
}
