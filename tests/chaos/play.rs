//! Plays a plan on a world: begins and ends every fault at its time, stops every recording, and waits until all has settled.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::plan::{Fault, OnSigterm, Plan, Refusal, Way};
use crate::support::wall;
use crate::watch::{Sample, Watch};
use crate::world::{World, is_running};

/// How long a recording may need to its end once nothing is wrong any more: a job that failed waits 90 s at most.
const SETTLE: Duration = Duration::from_secs(150);
/// An order that nobody took is given again after this.
const TRIES: Duration = Duration::from_millis(300);
/// How long a recording that was stopped may be shown as running by a sidecar that was started again, seconds.
const TAKES_UP: f64 = 15.0;
/// `suspend` leaves at once.
const LEAVES: Duration = Duration::from_secs(10);
/// The grace of 30 s, after recorders that have ended.
const LEAVES_IN_GRACE: Duration = Duration::from_secs(90);
/// Nobody listens there.
const NOWHERE: u16 = 1;
/// No file may be larger: all of them are at once.
const FULL: &str = "1024";

/// What really happened, in seconds of the wall clock.
#[derive(Default)]
pub struct Story {
    /// The recordings' ids, by their places in the plan.
    pub ids: Vec<String>,
    /// When every recording had begun.
    pub began: f64,
    /// When each order to stop was taken.
    pub stopped: Vec<f64>,
    /// Each fault that could be played, from when to when.
    pub happened: Vec<(Fault, f64, f64)>,
    /// When nobody was in any room.
    pub absent: Vec<(f64, f64)>,
    /// When the sidecar was not there: from, and from when on it listened again.
    pub away: Vec<(f64, f64)>,
    /// Each kill that met a running recording, and which ones.
    pub kills: Vec<(f64, Vec<usize>)>,
    /// Every process that recorded or was there to do so.
    pub workers: BTreeSet<u32>,
    /// What was seen of the recordings' progress.
    pub watch: Vec<Sample>,
    /// What was wrong on the way.
    pub problems: Vec<String>,
    /// Each recording at its end.
    pub items: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    /// It stands still.
    Held,
    Gone,
    /// It has been sent SIGTERM and lets its recordings come to their end.
    Leaving,
}

#[derive(Clone, Copy)]
enum Action {
    Begin(usize),
    End(usize),
    Stop(usize),
}

struct Player<'a> {
    plan: &'a Plan,
    world: &'a mut World,
    story: Story,
    presence: Presence,
    /// Which recordings are to be stopped as soon as somebody takes the order.
    due: Vec<usize>,
    /// When such orders were given last.
    tried: Option<Instant>,
    /// Since when somebody is missing from a room.
    left: Option<f64>,
    /// When each fault that goes on began, and which process it holds.
    going_on: Vec<Option<(f64, Option<u32>)>>,
}

/// Plays it to its end.
pub fn play(plan: &Plan, world: &mut World) -> Story {
    let story = Story::default();
    let going_on = vec![None; plan.faults.len()];
    let mut player =
        Player { plan, world, story, presence: Presence::Here, due: Vec::new(), tried: None, left: None, going_on };
    player.record();
    let watch = Watch::start(player.world.sidecar.url(), &player.story.ids);
    player.perform();
    player.settle();
    player.story.watch = watch.end();
    player.story
}

impl Player<'_> {
    fn record(&mut self) {
        self.story.ids = (0..self.plan.rooms.len()).map(|nth| self.world.record(self.plan, nth)).collect();
        for id in self.story.ids.clone() {
            let begun = Instant::now();
            while self.world.item(&id).is_none_or(|item| item["status"] != "active") {
                assert!(begun.elapsed() < Duration::from_secs(20), "{id} does not begin");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.story.stopped = vec![f64::NAN; self.plan.rooms.len()];
        self.story.began = wall();
    }

    fn perform(&mut self) {
        let faults = self.plan.faults.iter().enumerate();
        let mut actions: Vec<(f64, Action)> =
            faults.flat_map(|(nth, it)| [(it.from, Action::Begin(nth)), (it.to, Action::End(nth))]).collect();
        actions.extend(self.plan.rooms.iter().enumerate().map(|(nth, room)| (room.stop, Action::Stop(nth))));
        actions.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (at, action) in actions {
            while wall() < self.story.began + at {
                self.take_note();
                std::thread::sleep(Duration::from_millis(20));
            }
            match action {
                Action::Begin(nth) => self.begin(nth),
                Action::End(nth) => self.end(nth),
                Action::Stop(nth) => self.due.push(nth),
            }
            self.take_note();
        }
    }

    /// Whether the sidecar has left, as it was ordered to or not. Orders to stop wait for one that takes them.
    fn take_note(&mut self) {
        if matches!(self.presence, Presence::Here | Presence::Leaving) {
            self.stop_what_is_due();
        }
        self.bring_people_back();
        match self.presence {
            Presence::Leaving if self.world.sidecar.has_ended() => {
                self.is_gone(wall());
                self.start_again();
            }
            Presence::Here if self.world.sidecar.has_ended() => {
                self.story.problems.push("the sidecar ended by itself".to_owned());
                self.is_gone(wall());
                self.start_again();
            }
            Presence::Here | Presence::Leaving | Presence::Held | Presence::Gone => {}
        }
    }

    fn is_gone(&mut self, from: f64) {
        self.story.away.push((from, f64::INFINITY));
        self.presence = Presence::Gone;
    }

    fn start_again(&mut self) {
        self.world.sidecar.start_again();
        if let Some(away) = self.story.away.last_mut() {
            away.1 = wall();
        }
        self.presence = Presence::Here;
        self.note_workers();
    }

    fn note_workers(&mut self) {
        if self.presence != Presence::Gone {
            self.story.workers.extend(self.world.sidecar.workers());
        }
    }

    /// A server that is cut off from its Redis sends people away; they come back as soon as it has one.
    fn bring_people_back(&mut self) {
        if self.world.somebody_left() {
            self.left.get_or_insert(wall());
        }
        let going_on = self.plan.faults.iter().zip(&self.going_on).filter(|(_, since)| since.is_some());
        let mut faults = going_on.map(|(timed, _)| timed.fault);
        if faults.any(|fault| matches!(fault, Fault::RestartServer | Fault::RestartRedis)) {
            return;
        }
        if let Some(from) = self.left.take() {
            self.world.gather(self.plan);
            self.story.absent.push((from, wall()));
        }
    }

    fn stop_what_is_due(&mut self) {
        if self.due.is_empty() || self.tried.is_some_and(|tried| tried.elapsed() < TRIES) {
            return;
        }
        self.tried = Some(Instant::now());
        for nth in std::mem::take(&mut self.due) {
            if !self.story.stopped[nth].is_nan() {
                continue;
            }
            match self.world.stop(self.plan, nth, &self.story.ids[nth]) {
                Ok(()) => self.story.stopped[nth] = wall(),
                Err(_) => self.due.push(nth),
            }
        }
    }

    /// The recordings that were not ordered to end yet.
    fn running(&self) -> Vec<usize> {
        (0..self.plan.rooms.len()).filter(|nth| self.story.stopped[*nth].is_nan()).collect()
    }

    fn begin(&mut self, nth: usize) {
        self.note_workers();
        let (fault, from) = (self.plan.faults[nth].fault, wall());
        let gone = self.presence == Presence::Gone;
        let held = match fault {
            Fault::KillSidecar | Fault::TerminateSidecar | Fault::HoldSidecar if gone => return,
            Fault::KillSidecar => {
                self.story.kills.extend(Some((from, self.running())).filter(|(_, met)| !met.is_empty()));
                self.world.sidecar.kill();
                self.is_gone(from);
                None
            }
            Fault::TerminateSidecar => {
                self.terminate(from);
                None
            }
            // Who leaves is not held: nobody could end its recordings.
            Fault::HoldSidecar if self.presence == Presence::Leaving => return,
            Fault::HoldSidecar => {
                self.world.sidecar.signal("STOP");
                self.presence = Presence::Held;
                None
            }
            Fault::KillRecorder(room) | Fault::HoldRecorder(room) => {
                let Some(worker) = self.recorder(room) else { return };
                if matches!(fault, Fault::KillRecorder(_)) {
                    self.story.kills.extend(Some((from, vec![room])).filter(|_| self.running().contains(&room)));
                    send("KILL", worker);
                } else {
                    send("STOP", worker);
                }
                Some(worker)
            }
            Fault::RestartServer => {
                self.world.people.iter_mut().for_each(|people| drop(people.take()));
                self.world.server.kill();
                None
            }
            Fault::RestartRedis => {
                self.world.redis.kill();
                None
            }
            Fault::RestartStore => {
                self.world.minio.kill();
                None
            }
            Fault::CutMedia { up, down } => {
                self.world.network.media(!up, !down);
                None
            }
            Fault::CutSignalling => {
                self.world.network.signalling(false);
                None
            }
            Fault::Delay(ms) => {
                self.world.network.weather.udp_delay_ms.store(ms, Relaxed);
                None
            }
            Fault::Loss(thousandths) => {
                self.world.network.weather.udp_loss.store(thousandths, Relaxed);
                None
            }
            Fault::Store(refusal) => {
                self.refuse(refusal);
                None
            }
            Fault::DiskFull => {
                self.limit(FULL);
                None
            }
            Fault::Garbage(room) => {
                self.tell(room, "garbage camera 1 each 2");
                self.tell(room, "garbage mic 1 any 40");
                None
            }
            Fault::Bomb(room) => {
                self.tell(room, "size camera 1 16383x16383");
                None
            }
        };
        self.going_on[nth] = Some((from, held));
    }

    fn end(&mut self, nth: usize) {
        let Some((from, held)) = self.going_on[nth].take() else { return };
        let fault = self.plan.faults[nth].fault;
        match fault {
            Fault::KillSidecar | Fault::TerminateSidecar if self.presence == Presence::Gone => self.start_again(),
            Fault::KillSidecar | Fault::TerminateSidecar | Fault::KillRecorder(_) => {}
            Fault::HoldSidecar => {
                self.world.sidecar.signal("CONT");
                self.presence = Presence::Here;
            }
            Fault::HoldRecorder(_) => held.into_iter().for_each(|worker| send("CONT", worker)),
            Fault::RestartServer => {
                self.world.server.launch();
                self.world.gather(self.plan);
                self.story.absent.push((from, wall()));
            }
            Fault::RestartRedis => self.world.redis.launch(),
            Fault::RestartStore => self.world.minio.launch(),
            Fault::CutMedia { .. } => self.world.network.media(true, true),
            Fault::CutSignalling => self.world.network.signalling(true),
            Fault::Delay(_) => self.world.network.weather.udp_delay_ms.store(0, Relaxed),
            Fault::Loss(_) => self.world.network.weather.udp_loss.store(0, Relaxed),
            Fault::Store(Refusal::Slow) => self.world.front.delay(Duration::ZERO),
            Fault::Store(Refusal::Busy | Refusal::Forbidden | Refusal::Reset) => {
                self.world.front.lead_to(self.world.minio.port);
            }
            Fault::DiskFull => self.limit("unlimited"),
            Fault::Garbage(room) => self.tell(room, "calm 1"),
            Fault::Bomb(room) => self.tell(room, "size camera 1 true"),
        }
        self.story.happened.push((fault, from, wall()));
        self.note_workers();
    }

    fn terminate(&mut self, from: f64) {
        self.world.sidecar.signal("TERM");
        match self.plan.on_sigterm {
            OnSigterm::Drain => {
                self.presence = Presence::Leaving;
                return;
            }
            OnSigterm::Suspend => self.waits(LEAVES),
            OnSigterm::Stop => {
                self.running().into_iter().for_each(|nth| self.story.stopped[nth] = from);
                self.waits(LEAVES_IN_GRACE);
            }
        }
        self.is_gone(from);
    }

    /// Nothing more is to be done about it, and all are notified: owners, and those who are told of every change.
    fn is_over(&self, item: &Value, way: Way) -> bool {
        let failed = ["aborted", "failed_to_start", "failed_to_stop"].iter().any(|end| item["status"] == *end);
        let saved = if way == Way::Rest { "notification_succeeded" } else { "saved" };
        let names = self.world.hooks.names(item["id"].as_str().unwrap_or_default());
        (failed || item["status"] == saved) && names.iter().any(|name| name.starts_with("egress_ended"))
    }

    /// Waits until the sidecar has left by itself, at most so long.
    fn waits(&mut self, most: Duration) {
        let status = self.world.sidecar.wait(most);
        if !status.success() {
            self.story.problems.push(format!("the sidecar left at SIGTERM with {status}"));
        }
    }

    fn recorder(&self, room: usize) -> Option<u32> {
        if self.presence == Presence::Gone {
            return None;
        }
        self.world.sidecar.worker_of(&self.story.ids[room])
    }

    fn refuse(&self, refusal: Refusal) {
        let front = &self.world.front;
        match refusal {
            Refusal::Busy => front.lead_to(self.world.refusing[0].port),
            Refusal::Forbidden => front.lead_to(self.world.refusing[1].port),
            Refusal::Reset => front.lead_to(NOWHERE),
            Refusal::Slow => front.delay(Duration::from_millis(1500)),
        }
    }

    /// No file of sidecar and recorders may grow beyond so many bytes. Whoever has ended meanwhile has no limit.
    fn limit(&self, bytes: &str) {
        if self.presence == Presence::Gone {
            return;
        }
        for pid in [self.world.sidecar.pid()].into_iter().chain(self.world.sidecar.workers()) {
            let arguments = ["--pid", &pid.to_string(), &format!("--fsize={bytes}:unlimited")];
            let _ = Command::new("prlimit").args(arguments).output().expect("prlimit, of util-linux");
        }
    }

    fn tell(&mut self, room: usize, command: &str) {
        if let Some(people) = &mut self.world.people[room] {
            people.tell(command);
        }
    }

    /// Waits until every recording is at its end, with everybody notified.
    fn settle(&mut self) {
        let begun = Instant::now();
        loop {
            self.take_note();
            if self.presence == Presence::Gone {
                self.start_again();
            }
            let items: Vec<_> = self.story.ids.iter().map(|id| self.world.item(id)).collect();
            for (nth, item) in items.iter().enumerate() {
                let since = wall() - self.story.stopped[nth].max(self.story.away.last().map_or(0.0, |(_, back)| *back));
                let forgotten = item.as_ref().is_some_and(is_running) && since > TAKES_UP;
                if forgotten {
                    self.story.problems.push(format!("room {nth}: an order to stop that was taken is forgotten"));
                    self.story.stopped[nth] = f64::NAN;
                    self.due.push(nth);
                }
            }
            let all: Option<Vec<Value>> = items.iter().cloned().collect();
            let over =
                |all: &Vec<Value>| all.iter().zip(&self.plan.rooms).all(|(item, room)| self.is_over(item, room.way));
            if let Some(all) = all.filter(over) {
                self.story.items = all;
                return self.note_workers();
            }
            let so_far: Vec<_> = self.story.ids.iter().map(|id| self.world.hooks.names(id)).collect();
            let items: Vec<_> = items.iter().map(|item| item.as_ref().map(Value::to_string)).collect();
            assert!(begun.elapsed() < SETTLE, "not over within {SETTLE:?}: {items:?}, webhooks {so_far:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Whoever has ended meanwhile gets nothing.
fn send(signal: &str, pid: u32) {
    let sent = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).output();
    drop(sent.expect("kill is installed"));
}
