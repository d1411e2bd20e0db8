//! Pure. Which job is next: one at a time in a lane, in order; what failed waits longer each time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::recording::{ANSWERED, Event, Job, Lane, SETTLING, Target, Task, settled};

/// Jobs that tell somebody something and are performed at once.
const TELLING: usize = 16;

/// Whoever did not answer so many times, over some seconds, is not waited for when the process is to end.
const SILENT: u32 = 4;

/// Jobs that wait or are being performed.
#[derive(Debug, Default)]
pub struct Schedule {
    lanes: BTreeMap<Lane, BTreeMap<u8, Job>>,
    /// Lanes whose first job is being performed.
    busy: BTreeSet<Lane>,
    /// How many of those tell somebody something.
    telling: usize,
    /// When LiveKit's server took in that there is an egress, until it hears that it runs.
    created: BTreeMap<Lane, Timestamp>,
}

/// What became of a job that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is done, or will never be.
    Gone(Job),
    /// It waits for its next try.
    Postponed(Job),
}

impl Schedule {
    /// Adds a job; one that is there already is only woken. Whatever clock its time was taken from, it waits no longer than it
    /// was to wait.
    pub fn add(&mut self, mut job: Job, now: Timestamp) {
        job.not_before = job.not_before.min(now + longest_wait(&job));
        if let Some(at) = self.created.get(&job.lane()).filter(|_| job.rank() == Event::Started.rank()) {
            settled_by(&mut job, *at);
        }
        let lane = self.lanes.entry(job.lane()).or_default();
        let not_before = job.not_before;
        let known = lane.entry(job.rank()).or_insert(job);
        known.not_before = known.not_before.min(not_before);
    }

    /// The jobs to perform now; each must be settled.
    pub fn due(&mut self, now: Timestamp) -> Vec<Job> {
        let mut due = Vec::new();
        for (lane, jobs) in &self.lanes {
            let Some(job) = jobs.values().next() else { continue };
            let tells = tells(job);
            if job.not_before > now || self.busy.contains(lane) || (tells && self.telling >= TELLING) {
                continue;
            }
            self.busy.insert(lane.clone());
            self.telling += usize::from(tells);
            due.push(job.clone());
        }
        due
    }

    /// When to look again, if nothing happens before.
    pub fn next_at(&self) -> Option<Timestamp> {
        let idle = self.lanes.iter().filter(|(lane, _)| !self.busy.contains(lane));
        idle.filter_map(|(_, jobs)| jobs.values().next()).map(|job| job.not_before).min()
    }

    /// What becomes of a job that was performed. `again` says that it failed and may be tried again; `jitter` is from 0 to 1.
    pub fn settle(&mut self, job: &Job, again: bool, now: Timestamp, jitter: f64) -> Option<Settled> {
        let lane = job.lane();
        self.busy.remove(&lane);
        self.telling -= usize::from(tells(job));
        let jobs = self.lanes.get_mut(&lane)?;
        let known = jobs.get_mut(&job.rank())?;
        if again
            && (now.duration_since(known.created_at) < patience(&known.task) || known.attempts < least(&known.task))
        {
            known.attempts += 1;
            known.not_before = now + pause(known, jitter);
            return Some(Settled::Postponed(known.clone()));
        }
        let gone = jobs.remove(&job.rank());
        if gone.as_ref().is_some_and(is_creation) {
            // The start is answered from now on, however long the server took: what follows settles from here.
            jobs.values_mut().filter(|job| job.rank() == Event::Started.rank()).for_each(|job| settled_by(job, now));
            self.created.insert(lane.clone(), now);
        } else {
            self.created.remove(&lane);
        }
        if jobs.is_empty() {
            self.lanes.remove(&lane);
        }
        gone.map(Settled::Gone)
    }

    /// Somebody is still to be told something, and answers as far as is known.
    pub fn is_telling(&self) -> bool {
        // Nobody hears a second thing before the first: whoever did not answer that one is silent.
        self.lanes.values().filter_map(|jobs| jobs.values().next()).any(|job| match &job.task {
            // That is of the moment.
            Task::Tell { to: Target::Room, .. } => job.attempts == 0,
            // For it, what it was not told goes on for ever.
            Task::Tell { to: Target::LiveKit, .. } => true,
            Task::Tell { .. } => job.attempts < SILENT,
            Task::Upload | Task::Remove { .. } => false,
        })
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.lanes.values().map(BTreeMap::len).sum()
    }
}

/// It waits until whoever was answered after `created` has taken that in.
fn settled_by(job: &mut Job, created: Timestamp) {
    job.not_before = job.not_before.max(settled(created));
}

fn tells(job: &Job) -> bool {
    match job.task {
        Task::Tell { .. } => true,
        Task::Upload | Task::Remove { .. } => false,
    }
}

/// By it LiveKit's server learns that there is an egress.
fn is_creation(job: &Job) -> bool {
    match &job.task {
        Task::Tell { event, to, .. } => *event == Event::Joined && *to == Target::LiveKit,
        Task::Upload | Task::Remove { .. } => false,
    }
}

/// Twice as long after each failure, from one second to ten minutes, and up to half as long again, so that many do not come
/// back at once.
fn pause(job: &Job, jitter: f64) -> SignedDuration {
    let longest = match job.task {
        // A recording that is not stored yet keeps a disk full; what the server does not know looks as if it went on for ever.
        Task::Upload | Task::Tell { to: Target::LiveKit, .. } => 60,
        Task::Tell { .. } | Task::Remove { .. } => 600,
    };
    let seconds = 1_i64.checked_shl(job.attempts.saturating_sub(1)).unwrap_or(longest).clamp(1, longest);
    SignedDuration::from_secs(seconds) + SignedDuration::from_secs_f64(0.5 * jitter * seconds as f64)
}

/// The longest that a job may have to wait for its next try.
fn longest_wait(job: &Job) -> SignedDuration {
    match job.attempts {
        0 => ANSWERED + SETTLING,
        _ => pause(job, 1.0),
    }
}

/// So often a job is tried before it is given up: a clock that was set must not be what ends it.
const fn least(task: &Task) -> u32 {
    match task {
        Task::Upload | Task::Remove { .. } => 0,
        Task::Tell { to: Target::Room, .. } => 0,
        Task::Tell { .. } => 20,
    }
}

/// After this long a job is given up.
fn patience(task: &Task) -> SignedDuration {
    match task {
        Task::Upload | Task::Remove { .. } | Task::Tell { to: Target::LiveKit, .. } => SignedDuration::MAX,
        // What is shown in the room is of the moment, but for the end: what it leaves would be shown for ever.
        Task::Tell { to: Target::Room, event: Event::Ended, .. } => SignedDuration::from_hours(1),
        Task::Tell { to: Target::Room, .. } => SignedDuration::from_mins(1),
        Task::Tell { .. } => SignedDuration::from_hours(72),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Limits, Options, Output, Policy, Recording, Request};

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn tell(id: &str, event: Event, to: Target) -> Job {
        let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
        let id = RecordingId::new(id);
        let options = Options::default();
        let (about, _) = Recording::begin(id.clone(), "m".into(), request, options, &Policy::default(), at(0));
        Job::new(id, Task::Tell { event, to, about: Box::new(about) }, at(0))
    }

    fn hook() -> Target {
        Target::Webhook("http://localhost/".into())
    }

    #[test]
    fn a_lane_is_in_order_and_others_do_not_wait() {
        let mut schedule = Schedule::default();
        schedule.add(tell("a", Event::Started, hook()), at(0));
        schedule.add(tell("a", Event::Accepted, hook()), at(0));
        schedule.add(tell("a", Event::Ended, Target::Mail), at(0));
        schedule.add(tell("b", Event::Accepted, hook()), at(0));
        let first = schedule.due(at(0));
        assert_eq!(first.iter().filter(|job| job.rank() == Event::Accepted.rank()).count(), 2);
        assert_eq!(first.len(), 3);
        assert!(schedule.due(at(0)).is_empty(), "all lanes are busy");
        // The first of lane a fails: nothing overtakes it.
        let failed = first.iter().find(|job| job.recording.as_str() == "a" && job.rank() == 0).unwrap();
        let Some(Settled::Postponed(job)) = schedule.settle(failed, true, at(0), 0.0) else { panic!() };
        assert_eq!((job.attempts, job.not_before), (1, at(1)));
        assert!(schedule.due(at(0)).is_empty());
        assert_eq!(schedule.next_at(), Some(at(1)));
        let again = schedule.due(at(1));
        assert_eq!(again.iter().map(Job::rank).collect::<Vec<_>>(), [0]);
        assert!(matches!(schedule.settle(&again[0], false, at(1), 0.0), Some(Settled::Gone(_))));
        assert_eq!(schedule.due(at(1))[0].rank(), Event::Started.rank());
    }

    #[test]
    fn active_is_told_two_seconds_after_the_server_could_answer_the_start() {
        let mut schedule = Schedule::default();
        let created = tell("a", Event::Joined, Target::LiveKit);
        let started = Job { not_before: at(2), ..tell("a", Event::Started, Target::LiveKit) };
        schedule.add(created.clone(), at(0));
        schedule.add(started, at(0));
        assert_eq!(schedule.due(at(0)).len(), 1);
        schedule.settle(&created, false, at(3), 0.0);
        assert_eq!(schedule.next_at(), Some(at(5) + ANSWERED));
        assert!(schedule.due(at(5)).is_empty());
        let due = schedule.due(at(5) + ANSWERED);
        assert_eq!(due.len(), 1);
        schedule.settle(&due[0], false, at(6), 0.0);
        assert!(schedule.created.is_empty());
        // Also when media flows only after that.
        schedule.add(created.clone(), at(0));
        schedule.due(at(10));
        schedule.settle(&created, false, at(10), 0.0);
        schedule.add(tell("a", Event::Started, Target::LiveKit), at(10));
        assert_eq!(schedule.next_at(), Some(at(12) + ANSWERED));
    }

    #[test]
    fn adding_it_again_wakes_it() {
        let mut schedule = Schedule::default();
        let upload = Job::new(RecordingId::new("a"), Task::Upload, at(0));
        schedule.add(upload.clone(), at(0));
        schedule.due(at(0));
        schedule.settle(&upload, true, at(0), 1.0);
        assert!(schedule.due(at(1)).is_empty());
        schedule.add(Job::new(RecordingId::new("a"), Task::Upload, at(1)), at(0));
        assert_eq!((schedule.len(), schedule.due(at(1)).len()), (1, 1));
    }

    #[test]
    fn a_clock_that_was_set_holds_nothing_up_and_gives_nothing_up() {
        let hour = SignedDuration::from_hours(1);
        let mut schedule = Schedule::default();
        // Ordered by a clock that was an hour ahead.
        let job = Job { not_before: at(0) + hour, created_at: at(0) + hour, ..tell("a", Event::Accepted, hook()) };
        schedule.add(job.clone(), at(0));
        assert_eq!(schedule.next_at(), Some(at(2) + ANSWERED));
        assert_eq!(schedule.due(at(3)).len(), 1);
        let Some(Settled::Postponed(job)) = schedule.settle(&job, true, at(3), 1.0) else { panic!() };
        assert_eq!(job.not_before, at(4) + SignedDuration::from_millis(500));
        // Taken up by a process whose clock is an hour behind.
        let mut schedule = Schedule::default();
        schedule.add(job.clone(), at(3) - hour);
        assert_eq!(schedule.next_at(), Some(at(4) - hour + SignedDuration::from_millis(500)));
        // By one whose clock is a year ahead: the first failure is not the last.
        let year = SignedDuration::from_hours(365 * 24);
        let mut schedule = Schedule::default();
        schedule.add(job.clone(), at(4) + year);
        assert_eq!(schedule.due(at(4) + year).len(), 1);
        assert!(matches!(schedule.settle(&job, true, at(4) + year, 0.0), Some(Settled::Postponed(_))));
        assert!(schedule.is_telling());
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let mut schedule = Schedule::default();
        schedule.add(Job::new(RecordingId::new("a"), Task::Upload, at(0)), at(0));
        assert!(!schedule.is_telling(), "an upload is no message");
        let job = tell("a", Event::Ended, hook());
        schedule.add(job.clone(), at(0));
        for second in 0..4 {
            assert!(schedule.is_telling());
            schedule.due(at(second * 100));
            schedule.settle(&job, true, at(second * 100), 0.0);
        }
        assert!(!schedule.is_telling());
        for event in [Event::Accepted, Event::Ended] {
            schedule.add(Job { created_at: at(400), ..tell("a", event, Target::Room) }, at(400));
        }
        assert!(schedule.is_telling());
        let room = schedule.due(at(400)).into_iter().find(|job| job.rank() == 0).unwrap();
        schedule.settle(&room, true, at(400), 0.0);
        assert!(!schedule.is_telling(), "nor is what follows");
        schedule.add(tell("a", Event::Ended, Target::Mail), at(400));
        assert!(schedule.is_telling());
    }

    #[test]
    fn what_is_of_the_moment_is_given_up_and_an_upload_never() {
        let mut schedule = Schedule::default();
        let room = tell("a", Event::Started, Target::Room);
        schedule.add(room.clone(), at(0));
        schedule.due(at(0));
        assert!(matches!(schedule.settle(&room, true, at(61), 0.0), Some(Settled::Gone(_))));
        let mut upload = Job::new(RecordingId::new("a"), Task::Upload, at(0));
        upload.attempts = 4_000_000_000;
        schedule.add(upload.clone(), at(0));
        schedule.due(at(0));
        let settled = schedule.settle(&upload, true, at(1_000_000_000), 1.0);
        let Some(Settled::Postponed(job)) = settled else { panic!("{settled:?}") };
        assert_eq!(job.not_before, at(1_000_000_090));
    }
}
