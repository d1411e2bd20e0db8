//! Judges one recorded file: that it decodes, how long it is, and that it lacks what it says it lacks, and nothing else.
//!
//! A guest beeps once a second, so a hole is measured to a second at either end: every beep outside of the declared holes is
//! heard, and none well inside. That is what [`EDGE`] and [`BACK`] allow.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::judge::may_end_early;
use crate::plan::{Fault, Kind, Plan};
use crate::play::Story;
use crate::support::attempts::message;
use crate::support::content::{Audio, Recording, missing};
use crate::world::World;

/// The first guest's tone, in Hz.
const TONE: u32 = 500;
/// For joining and subscribing.
const BEGINNING: f64 = 1.5;
/// A beep that begins this near to the end may be cut off.
const CUT_OFF: f64 = 0.5;
/// Between what is reported and what is in the file.
const LENGTH: f64 = 0.2;
/// A beep that is cut by the edge of a hole, or by the output's latency.
const EDGE: f64 = 0.3;
/// After a hole the guest's next beep may be incomplete: the track is subscribed to first.
const BACK: f64 = 1.0;
/// The same after everybody had to join anew.
const BACK_TOGETHER: f64 = 2.5;
/// A delay that has gone is caught up with within this, in pauses.
const CATCHING_UP: f64 = 4.0;
/// How far a beep may be from where it was said.
const NEAR: f64 = 0.06;
/// A beep that is lost by single packets lacks at least so much, or it would be heard.
const OF_A_BEEP: f64 = 0.04;
/// What a decoder makes of a beep that lacks a packet or two is louder than this, and no loss.
const IN_PART: f64 = 0.01;
/// Beyond the time for which nobody was there: a fragment that was not whole, the output's latency, joining, a key frame.
const RETURN: f64 = 4.0;
/// A recorder that stood still finds in its socket what came first meanwhile: audio of about so long.
const IN_THE_SOCKET: f64 = 1.0;
/// What may be missing at the end without a word: what was on its way when it was stopped.
const TAIL: f64 = 2.0;
/// A recorder that says nothing is replaced after this.
const HANGS: f64 = 5.0;

/// A declared hole, seconds of the file.
#[derive(Clone, Debug)]
pub struct Hole {
    pub from: f64,
    pub to: f64,
    pub cause: String,
}

/// What this recording lacks by its own account.
pub fn holes(item: &Value) -> Vec<Hole> {
    let all = item["health"]["holes"].as_array().cloned().unwrap_or_default();
    let number = |hole: &Value, name: &str| hole[name].as_f64().expect("a number");
    let read = |hole: &Value| Hole {
        from: number(hole, "from"),
        to: number(hole, "to"),
        cause: hole["cause"].as_str().unwrap_or_default().to_owned(),
    };
    all.iter().map(read).collect()
}

/// The wall clock at the file's time zero, seconds since 1970; 0 when nothing was recorded.
pub fn zero_of(item: &Value) -> f64 {
    let started: Option<jiff::Timestamp> = item["started_at"].as_str().and_then(|at| at.parse().ok());
    started.map_or(0.0, |at| at.as_nanosecond() as f64 / 1e9)
}

/// What is wrong with the file, one line each.
pub fn faults_of(plan: &Plan, world: &World, story: &Story, nth: usize) -> Vec<String> {
    let judged = catch_unwind(AssertUnwindSafe(|| Film::new(plan, world, story, nth).faults()));
    judged.unwrap_or_else(|why| vec![message(&*why)])
}

struct Film<'a> {
    plan: &'a Plan,
    story: &'a Story,
    nth: usize,
    item: &'a Value,
    recording: Recording,
    bytes: usize,
    audio: Audio,
    holes: Vec<Hole>,
    /// The wall clock at the file's time zero, seconds.
    zero: f64,
    _folder: tempfile::TempDir,
}

impl<'a> Film<'a> {
    fn new(plan: &'a Plan, world: &World, story: &'a Story, nth: usize) -> Self {
        let item = &story.items[nth];
        let key = item["key"].as_str().expect("a key");
        let (_, object) = world.minio.object(key);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(key.rsplit('/').next().expect("a name"));
        std::fs::write(&path, &object).expect("the object is written");
        let recording = Recording::open(&path);
        let (audio, holes) = (recording.audio(), holes(item));
        let zero = zero_of(item);
        Self { plan, story, nth, item, recording, bytes: object.len(), audio, holes, zero, _folder: folder }
    }

    fn faults(&self) -> Vec<String> {
        let mut wrong = self.length();
        wrong.extend(self.video());
        wrong.extend(self.beeps());
        wrong.extend(self.declared());
        wrong
    }

    /// Bytes and seconds are what is reported, and the end is where it was stopped.
    fn length(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let (is, reported) = (self.recording.duration, self.item["duration"].as_f64().unwrap_or(f64::NAN));
        if self.item["size"].as_u64() != Some(self.bytes as u64) {
            wrong.push(format!("{} bytes are reported of {}", self.item["size"], self.bytes));
        }
        if reported.is_nan() || (is - reported).abs() > LENGTH {
            wrong.push(format!("{reported} s are reported of {is} s"));
        }
        let stopped = self.story.stopped[self.nth];
        let (stop, earliest) = (stopped - self.zero, self.earliest_end(stopped) - self.zero);
        if is > stop + 2.0 || is < earliest {
            wrong.push(format!("{is:.2} s were recorded; stopped at {stop:.2} s, expected from {earliest:.2} s on"));
        }
        let told = || !self.item["error"].is_null() || self.holes.iter().any(|hole| hole.to > stop - TAIL);
        if is < stop - TAIL && !told() {
            wrong.push(format!("it ends at {is:.2} s, was stopped at {stop:.2} s, and nobody is told"));
        }
        wrong
    }

    /// Whoever is killed, stands still or has no server when the recording is stopped records no more.
    fn earliest_end(&self, stopped: f64) -> f64 {
        let unable = self.story.happened.iter().filter(|(fault, from, to)| {
            let all = matches!(
                fault,
                Fault::KillSidecar
                    | Fault::TerminateSidecar
                    | Fault::HoldSidecar
                    | Fault::RestartServer
                    | Fault::DiskFull
            );
            (all || fault.recorder() == Some(self.nth)) && *from < stopped + 3.0 && stopped < to + 10.0
        });
        let unable = unable.map(|(_, from, _)| *from).fold(stopped, f64::min);
        let early = if may_end_early(self.plan, self.story, self.nth) {
            self.story.absent.iter().map(|(from, _)| *from).fold(f64::MAX, f64::min)
        } else {
            f64::MAX
        };
        unable.min(early) - 2.5
    }

    /// Every picture decodes (or this panics), up to the end.
    fn video(&self) -> Vec<String> {
        if self.plan.rooms[self.nth].kind != Kind::Film {
            return Vec::new();
        }
        let picture = self.recording.picture();
        let (last, end) = (picture.times().last().copied().unwrap_or(0.0), self.recording.duration);
        let mut wrong = Vec::new();
        // A file that was left as a kill left it has tracks that end where its last, declared hole begins.
        let left = self.holes.iter().filter(|hole| hole.to >= end).map(|hole| hole.from).fold(end, f64::min);
        if last.min(self.audio.duration()) < left - 0.5 {
            wrong.push(format!(
                "video ends at {last:.2} s, audio at {:.2} s, the file at {end:.2} s",
                self.audio.duration()
            ));
        }
        if !self.audio.holes.is_empty() {
            wrong.push(format!("the audio track has gaps: {:?}", self.audio.holes));
        }
        wrong
    }

    fn in_file(&self, wall: f64) -> f64 {
        wall - self.zero
    }

    /// Every beep outside of the declared holes is heard, where it was said.
    fn beeps(&self) -> Vec<String> {
        let beeps = self.audio.beeps(TONE);
        let Some(phase) = phase(&beeps) else { return vec![format!("hardly a beep is heard: {beeps:.2?}")] };
        let lost = missing(&beeps, phase, BEGINNING, self.recording.duration - CUT_OFF);
        let unexplained: Vec<f64> =
            lost.into_iter().filter(|at| !self.is_declared(*at) && !self.is_late(&beeps, *at)).collect();
        let heard = |at: f64| self.audio.rms(at, at + 0.1) > IN_PART;
        let (by_loss, without): (Vec<f64>, Vec<f64>) =
            unexplained.into_iter().partition(|at| self.packets_are_lost(*at));
        let mut wrong = Vec::new();
        if !without.is_empty() {
            wrong.push(format!("no beep at {without:.2?} s; heard at {beeps:.2?}; declared {}", self.item["health"]));
        }
        let declared = self.item["health"]["lost_audio"].as_array().into_iter().flatten();
        let declared: f64 = declared.filter_map(|entry| entry["seconds"].as_f64()).sum();
        let by_loss: Vec<f64> = by_loss.into_iter().filter(|at| !heard(*at)).collect();
        if by_loss.len() as f64 * OF_A_BEEP > declared {
            wrong.push(format!("packets were lost and no beep is heard at {by_loss:.2?} s; {declared} s are declared"));
        }
        let off = |beep: &f64| ((beep - phase) - (beep - phase).round()).abs() > NEAR;
        let moved: Vec<f64> = beeps.iter().copied().filter(off).filter(|at| !self.may_move(*at)).collect();
        if !moved.is_empty() {
            wrong.push(format!("not where they were said: {moved:.2?} of {beeps:.2?}"));
        }
        wrong
    }

    fn is_declared(&self, at: f64) -> bool {
        let absent =
            |(from, to): &(f64, f64)| (self.in_file(*from) - 0.6..self.in_file(*to) + BACK_TOGETHER).contains(&at);
        self.holes.iter().any(|hole| (hole.from - EDGE..hole.to + BACK).contains(&at))
            || self.story.absent.iter().any(absent)
    }

    /// The spans of this kind of fault, with what follows, in seconds of the file.
    fn spans(&self, after: f64, is: impl Fn(Fault) -> Option<f64>) -> Vec<(f64, f64, f64)> {
        let of = self
            .story
            .happened
            .iter()
            .filter_map(|(fault, from, to)| Some((self.in_file(*from), self.in_file(*to) + after, is(*fault)?)));
        of.collect()
    }

    /// It came as much later as every packet did.
    fn is_late(&self, beeps: &[f64], at: f64) -> bool {
        let delays = self.spans(CATCHING_UP, |fault| fault.delay());
        let comes = |by: f64| beeps.iter().any(|beep| (at - 0.15..at + by + 0.25).contains(beep));
        delays.iter().any(|(from, to, by)| (from - 0.5..*to).contains(&at) && comes(*by))
    }

    fn packets_are_lost(&self, at: f64) -> bool {
        let losses = self.spans(2.5, |fault| loses_packets(fault).then_some(0.0));
        losses.iter().any(|(from, to, _)| (from - 0.5..*to).contains(&at))
    }

    /// Delay and loss move what arrives.
    fn may_move(&self, at: f64) -> bool {
        let moving = self.spans(CATCHING_UP, |fault| fault.delay().or(loses_packets(fault).then_some(0.0)));
        moving.iter().any(|(from, to, _)| (from - 0.5..*to).contains(&at)) || self.is_declared(at)
    }

    /// Nothing is heard in the midst of a hole, somebody caused it, and it is no longer than that.
    fn declared(&self) -> Vec<String> {
        let beeps = self.audio.beeps(TONE);
        let mut wrong = Vec::new();
        for hole in &self.holes {
            let Hole { from, to, cause } = hole;
            let begin = if cause == "frozen" { from + IN_THE_SOCKET } else { from + EDGE };
            let inside = |at: &&f64| (begin..to - EDGE).contains(*at);
            // Of a disk that takes nothing video alone may be missing.
            if cause != "output"
                && let Some(at) = beeps.iter().find(inside)
            {
                wrong.push(format!("a beep at {at:.2} s, in the declared hole of {from} to {to} s ({cause})"));
            }
            match self.outage(hole) {
                None => wrong.push(format!("nobody caused the hole of {from} to {to} s ({cause})")),
                Some(outage) if cause == "interrupted" && to - from > outage => {
                    wrong.push(format!("the hole of {from} to {to} s is longer than {outage:.1} s"));
                }
                Some(_) => {}
            }
        }
        wrong
    }

    /// How long a hole may be by what happened then, with the time for coming back; `None`: nothing happened.
    fn outage(&self, hole: &Hole) -> Option<f64> {
        let meets = |from: f64, to: f64| from < hole.to + 1.0 && hole.from - 2.0 < to;
        let mut outages = Vec::new();
        for (fault, from, to) in &self.story.happened {
            let (from, to) = (self.in_file(*from), self.in_file(*to));
            let (after, own) = match fault {
                // How long it was away comes below.
                Fault::KillSidecar | Fault::TerminateSidecar => (RETURN, RETURN),
                Fault::KillRecorder(nth) if *nth == self.nth => (RETURN, RETURN),
                Fault::HoldRecorder(nth) if *nth == self.nth => (HANGS + RETURN, (to - from).min(HANGS) + 1.0 + RETURN),
                // A recorder that has nobody to speak to, and one that finds neither server nor room nor path.
                Fault::HoldSidecar
                | Fault::RestartServer
                | Fault::CutMedia { .. }
                | Fault::CutSignalling
                | Fault::Loss(_) => (10.0, f64::INFINITY),
                Fault::DiskFull | Fault::Delay(_) | Fault::Bomb(_) | Fault::Garbage(_) => (5.0, f64::INFINITY),
                Fault::KillRecorder(_) | Fault::HoldRecorder(_) => continue,
                Fault::RestartRedis | Fault::RestartStore | Fault::Store(_) => continue,
            };
            if meets(from, to + after) {
                outages.push(own);
            }
        }
        for (from, back) in &self.story.away {
            if meets(self.in_file(*from), self.in_file(*back) + RETURN) {
                outages.push(back - from);
            }
        }
        (!outages.is_empty()).then(|| outages.iter().sum())
    }
}

fn loses_packets(fault: Fault) -> bool {
    matches!(fault, Fault::Loss(_) | Fault::CutMedia { .. })
}

/// The part of a second at which most beeps stand.
fn phase(beeps: &[f64]) -> Option<f64> {
    let near = |a: f64, b: f64| ((a - b) - (a - b).round()).abs() < 0.03;
    let company = |beep: &f64| beeps.iter().filter(|other| near(**other, *beep)).count();
    let most = beeps.iter().max_by_key(|beep| company(beep)).filter(|beep| company(beep) >= 3)?;
    Some(most.rem_euclid(1.0))
}
