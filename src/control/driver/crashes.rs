//! Every moment at which the process can die: between what is decided, what is written and what is done, twice in a life. Whatever
//! happens when, the recording comes to one end, its file is stored, and everybody hears of it, in order. Pure: the disk and the
//! storage are a word each.

use std::collections::HashSet;

use jiff::Timestamp;

use super::recovery::{is_interrupted, last_word};
use crate::error::ErrorKind;
use crate::ids::RecordingId;
use crate::recorder::Left;
use crate::recording::{
    Command, Effect, Event, Failure, Job, Limits, Media, Options, Output, Owner, Policy, Recording, Report, Request,
    State, Step, Target, Task,
};

const MEDIA: Media = Media { bytes: 9, duration_ns: 18 };
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// What the spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Nothing,
    Growing,
    Sealed,
    /// In lost+found.
    Aside,
}

/// What the storage holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Nothing,
    Sent,
    Published,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorder {
    Gone,
    Joining,
    Joined,
    Recording,
    Draining,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Move {
    Start,
    Joined,
    MediaFlows,
    RoomCloses,
    Drained,
    Broke {
        file: bool,
    },
    Stop,
    /// The n-th job that is due.
    Do(usize),
    /// The next process starts, and goes on with the file if it can and may.
    Boot {
        goes_on: bool,
    },
    Delete,
}

#[derive(Clone, Debug)]
struct World {
    row: Option<Recording>,
    jobs: Vec<Job>,
    file: File,
    object: Object,
    /// Who has heard of what, and of which end, in order.
    heard: Vec<(Target, Event, Option<String>)>,
    /// Media was written.
    had_media: bool,
    began: bool,
    stopped: bool,
    deleted: bool,
    recorder: Recorder,
    /// What the process knows of it.
    live: Option<Recording>,
    alive: bool,
    /// The process may still die so often.
    deaths: u8,
    /// Things that are still done in this move before it dies.
    fuel: Option<u32>,
}

impl World {
    fn new() -> Self {
        Self {
            row: None,
            jobs: vec![],
            file: File::Nothing,
            object: Object::Nothing,
            heard: vec![],
            had_media: false,
            began: false,
            stopped: false,
            deleted: false,
            recorder: Recorder::Gone,
            live: None,
            alive: true,
            deaths: 2,
            fuel: None,
        }
    }

    /// Does it, or dies instead: what is done is done whole.
    fn act(&mut self, deed: impl FnOnce(&mut Self)) {
        if !self.alive {
            return;
        }
        if self.fuel == Some(0) {
            (self.alive, self.recorder, self.live) = (false, Recorder::Gone, None);
            self.deaths -= 1;
            return;
        }
        self.fuel = self.fuel.map(|fuel| fuel - 1);
        deed(self);
    }

    /// As the driver takes a step: the recorder first, then the store, then the rest.
    fn take(&mut self, step: Step, done: Option<&Job>) {
        let Some(mut recording) = self.known() else { return };
        if step.effects.contains(&Effect::Drain) && self.recorder != Recorder::Gone {
            self.act(|world| world.recorder = Recorder::Draining);
        }
        let effects = recording.take(step, NOW);
        self.write(recording, effects, done);
    }

    fn write(&mut self, recording: Recording, effects: Vec<Effect>, done: Option<&Job>) {
        let policy = policy();
        let jobs: Vec<_> = effects.iter().flat_map(|effect| jobs(&policy, effect, &recording)).collect();
        self.act(|world| {
            world.live = Some(recording.clone()).filter(|recording| !recording.state.is_final());
            world.row = Some(recording).filter(|_| !effects.contains(&Effect::Forget));
            world.jobs.retain(|job| done.is_none_or(|done| place(done) != place(job)));
            world.jobs.retain(|job| jobs.iter().all(|new| place(new) != place(job)));
            world.jobs.extend(jobs);
        });
        for effect in effects {
            self.act(|world| world.perform(&effect));
        }
    }

    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Record => self.recorder = Recorder::Joining,
            Effect::Seal(_) if self.file == File::Growing => self.file = File::Sealed,
            Effect::Free => self.file = File::Nothing,
            Effect::Discard if self.file != File::Nothing => self.file = File::Aside,
            Effect::Seal(_)
            | Effect::Discard
            | Effect::Drain
            | Effect::Forget
            | Effect::Upload
            | Effect::Remove { .. }
            | Effect::Notify(_) => {}
        }
    }

    /// The recording as the driver knows it.
    fn known(&self) -> Option<Recording> {
        self.live.clone().or_else(|| self.row.clone())
    }

    fn report(&mut self, report: Report, done: Option<&Job>) {
        if let Some(recording) = self.known() {
            self.take(recording.state.report(report), done);
        }
    }

    fn command(&mut self, command: Command) {
        if let Some(step) = self.known().and_then(|recording| recording.state.command(command).ok()) {
            self.take(step, None);
        }
    }

    /// The first of each queue, if it can be done now.
    fn due(&self) -> Vec<Job> {
        let first =
            |job: &&Job| self.jobs.iter().all(|other| other.queue() != job.queue() || other.rank() >= job.rank());
        // A file that grows is being sent, one that is about to be declared whole waits for that.
        let can = |job: &&Job| match &job.task {
            Task::Upload | Task::Publish => self.file != File::Growing,
            Task::Notify { .. } | Task::Remove { .. } => true,
        };
        self.jobs.iter().filter(first).filter(can).cloned().collect()
    }

    fn perform_job(&mut self, job: &Job) {
        let done = |world: &mut Self| world.act(|world| world.jobs.retain(|other| place(other) != place(job)));
        match &job.task {
            Task::Upload => {
                self.act(|world| {
                    if world.file == File::Sealed && world.object == Object::Nothing {
                        world.object = Object::Sent;
                    }
                });
                done(self);
            }
            Task::Publish => {
                self.act(|world| {
                    if world.file == File::Sealed {
                        world.object = Object::Published;
                    }
                });
                let lost = || Failure::new(ErrorKind::DataLoss, "neither in the spool nor stored");
                let stored = self.object == Object::Published;
                self.report(if stored { Report::Stored } else { Report::StoreLost(lost()) }, Some(job));
            }
            Task::Notify { event, to, about } => {
                let end = about.state.outcome().map(|outcome| format!("{outcome:?}"));
                self.act(|world| world.heard.push((to.clone(), *event, end)));
                let left = |other: &&Job| matches!(&other.task, Task::Notify { to, .. } if to.is_notification());
                if to.is_notification() && self.jobs.iter().filter(left).count() == 1 {
                    self.report(Report::Notified, Some(job));
                } else {
                    done(self);
                }
            }
            Task::Remove { object } => {
                if *object {
                    self.act(|world| world.object = Object::Nothing);
                }
                self.report(Report::Removed, Some(job));
            }
        }
    }

    /// As [`Driver::recover`](super::Driver::recover) does.
    fn boot(&mut self, goes_on: bool) {
        self.alive = true;
        let Some(recording) = self.row.clone() else { return };
        if recording.state.is_final() {
            return self.act(|world| {
                world.file = match world.file {
                    File::Growing => File::Aside,
                    File::Sealed if recording.left_nothing() => File::Aside,
                    File::Sealed | File::Nothing => File::Nothing,
                    File::Aside => File::Aside,
                };
            });
        }
        self.live = Some(recording.clone());
        if !is_interrupted(&recording.state) {
            let effects = recording.state.pending();
            return self.write(recording, effects, None);
        }
        if goes_on && recording.state == State::Active && self.file == File::Growing {
            return self.act(|world| world.recorder = Recorder::Recording);
        }
        let left = match self.file {
            File::Growing => Some(Left { media: MEDIA, finished: false }),
            File::Sealed => Some(Left { media: MEDIA, finished: true }),
            File::Nothing | File::Aside => None,
        };
        self.report(last_word(left), None);
    }

    fn make(&mut self, one: Move) {
        match one {
            Move::Start => {
                self.began = true;
                let (recording, effects) = begin();
                self.write(recording, effects, None);
            }
            Move::Joined => {
                self.recorder = Recorder::Joined;
                self.report(Report::Joined, None);
            }
            Move::MediaFlows => {
                (self.recorder, self.file, self.had_media) = (Recorder::Recording, File::Growing, true);
                self.report(Report::MediaFlowing, None);
            }
            Move::RoomCloses => self.report(Report::RoomClosed("closed".into()), None),
            Move::Drained => {
                self.recorder = Recorder::Gone;
                let media = if self.file == File::Growing { MEDIA } else { Media { bytes: 0, duration_ns: 0 } };
                self.report(Report::Drained { bytes: media.bytes, duration_ns: media.duration_ns }, None);
            }
            Move::Broke { file } => {
                self.recorder = Recorder::Gone;
                let failure = Failure::new(ErrorKind::Internal, "broke");
                let salvaged = (file && self.file == File::Growing).then_some((MEDIA.bytes, MEDIA.duration_ns));
                self.report(Report::Broke { failure, salvaged }, None);
            }
            Move::Stop => {
                self.stopped = true;
                self.command(Command::Stop);
            }
            Move::Do(n) => {
                let job = self.due().swap_remove(n);
                self.perform_job(&job);
            }
            Move::Boot { goes_on } => self.boot(goes_on),
            Move::Delete => {
                self.deleted = true;
                self.command(Command::Delete { object: true });
            }
        }
    }

    /// What can happen now.
    fn moves(&self) -> Vec<Move> {
        if !self.alive {
            return vec![Move::Boot { goes_on: true }, Move::Boot { goes_on: false }];
        }
        if !self.began {
            return vec![Move::Start];
        }
        let mut moves: Vec<_> = (0..self.due().len()).map(Move::Do).collect();
        match self.recorder {
            Recorder::Gone => {}
            Recorder::Joining => moves.extend([Move::Joined, Move::Broke { file: false }]),
            Recorder::Joined => moves.extend([Move::MediaFlows, Move::RoomCloses]),
            Recorder::Recording => moves.extend([Move::RoomCloses, Move::Broke { file: true }]),
            Recorder::Draining => {
                moves.extend([Move::Drained, Move::Broke { file: false }, Move::Broke { file: true }])
            }
        }
        let state = self.live.as_ref().map(|live| &live.state);
        if !self.stopped && state.is_some_and(State::holds_room) {
            moves.push(Move::Stop);
        }
        let ended = self.row.as_ref().is_some_and(|row| matches!(row.state, State::Ended(_) | State::Notified(_)));
        if ended && !self.deleted && self.jobs.is_empty() {
            moves.push(Move::Delete);
        }
        moves
    }

    /// Where each of them leads: whole, or cut off by the process' death before any of the things it consists of.
    fn next(&self) -> Vec<(Move, Self)> {
        let mut next = Vec::new();
        for one in self.moves() {
            for fuel in 0.. {
                let mut world = self.clone();
                world.fuel = Some(fuel).filter(|_| self.deaths > 0);
                world.make(one);
                let died = !world.alive;
                world.fuel = None;
                next.push((one, world));
                if !died {
                    break;
                }
            }
        }
        next
    }

    /// What must be true at every moment.
    fn check(&self) {
        let kept = self.file != File::Nothing || self.object == Object::Published;
        assert!(!self.had_media || kept || self.deleted, "a file is gone that was not stored");
        let mut ends = self.heard.iter().filter_map(|(_, _, end)| end.as_ref());
        assert!(ends.next().is_none_or(|first| ends.all(|end| end == first)), "two ends were told");
        for (n, (to, event, _)) in self.heard.iter().enumerate() {
            let mut before = self.heard.iter().take(n).filter(|(other, ..)| other == to);
            assert!(before.all(|(_, earlier, _)| earlier.rank() <= event.rank()), "{to:?} hears of {event:?} late");
        }
        let published = self.object == Object::Published;
        let told = self.heard.iter().any(|(_, _, end)| end.as_ref().is_some_and(|end| !end.starts_with("Failed")));
        let nothing = self.row.as_ref().is_some_and(Recording::left_nothing);
        assert!(!told || published || self.deleted || nothing, "told of a file that is not there yet");
    }

    /// What must be true when nothing more will happen.
    fn check_end(&self) {
        assert_eq!((self.recorder, &self.jobs[..]), (Recorder::Gone, &[][..]));
        assert_eq!(self.live, None, "it ended");
        let Some(row) = &self.row else { return };
        let has_file = !row.left_nothing();
        assert_eq!(has_file, self.object == Object::Published, "a file where one is said to be, and only there");
        assert!(!self.had_media || has_file || self.file == File::Aside, "what was recorded is somewhere");
        assert!(matches!(self.file, File::Nothing | File::Aside), "the spool is empty");
        for to in [webhook(), Target::Mail] {
            let hears = to.wants(Event::Ended, row);
            let heard = self.heard.iter().any(|(who, event, _)| *who == to && *event == Event::Ended);
            assert_eq!(hears, heard, "{to:?}");
        }
        assert_eq!(
            matches!(row.state, State::Notified(_)),
            has_file,
            "who is to have an email has it, and that is known"
        );
    }
}

fn webhook() -> Target {
    Target::Webhook("http://backend.example/hook".into())
}

fn policy() -> Policy {
    Policy { targets: vec![webhook(), Target::Mail], ..Policy::default() }
}

fn begin() -> (Recording, Vec<Effect>) {
    let owner = Owner { email: "ada@example.org".into(), name: None, locale: None, time_zone: None };
    let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
    let options = Options { owner: Some(owner), ..Options::default() };
    Recording::begin(RecordingId::new("EG_1"), "transcript".into(), request, options, &policy(), NOW)
}

fn jobs(policy: &Policy, effect: &Effect, recording: &Recording) -> Vec<Job> {
    match effect {
        Effect::Upload => policy.store(recording, NOW),
        Effect::Remove { object } => vec![Job::new(recording.id.clone(), Task::Remove { object: *object }, NOW)],
        Effect::Notify(event) => policy.notify(*event, recording, NOW),
        Effect::Record | Effect::Drain | Effect::Seal(_) | Effect::Free | Effect::Discard | Effect::Forget => vec![],
    }
}

/// A job's name: ordering it again changes nothing.
fn place(job: &Job) -> (String, u8) {
    (job.queue().name, job.rank())
}

#[test]
fn whenever_the_process_dies_the_recording_comes_to_one_end() {
    let mut seen = HashSet::new();
    let mut ends = 0;
    let mut open = vec![(vec![], World::new())];
    while let Some((path, world)) = open.pop() {
        if !seen.insert(format!("{world:?}")) {
            continue;
        }
        let next = world.next();
        let over = world.alive && next.iter().all(|(one, _)| matches!(one, Move::Delete));
        let checked = std::panic::catch_unwind(|| {
            world.check();
            if over {
                world.check_end();
            }
        });
        assert!(checked.is_ok(), "{path:?} leads to {world:#?}");
        ends += u32::from(over);
        for (one, world) in next {
            let mut path = path.clone();
            path.push(one);
            open.push((path, world));
        }
    }
    println!("{} moments, {ends} ends", seen.len());
    assert!(ends > 20);
}
