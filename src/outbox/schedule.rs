//! Pure. Which job is next: one at a time in a lane, in order, after the notice that it waits for; what failed waits longer each
//! time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::ids::RecordingId;
use crate::recording::{Event, Job, LONGEST_WAIT, QueueKey, Target, Task};

/// Jobs that tell somebody something and are performed at once.
const NOTIFYING: usize = 16;

/// Whoever did not answer so many times, over some seconds, is not waited for when the process is to end.
const SILENT: u32 = 4;

/// So long is remembered when a job went; no other has to keep a greater distance from it.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(1);

/// No receiver is left alone for longer, whatever it says.
const HELD: SignedDuration = SignedDuration::from_hours(1);

/// Jobs that wait or are being performed.
#[derive(Debug, Default)]
pub struct Schedule {
    queues: BTreeMap<QueueKey, BTreeMap<u8, Waiting>>,
    /// Lanes whose first job is being performed.
    busy: BTreeSet<QueueKey>,
    /// How many of those tell somebody something.
    notifying: usize,
    /// Jobs that were performed and of which the store does not know yet what became: nothing passes them in their lane, and those
    /// that wait for them wait on, or a crash would let them be done again after what came later.
    unwritten: BTreeSet<(QueueKey, u8)>,
    /// When those went that are here no more, by lane and rank.
    gone: BTreeMap<(QueueKey, u8), Timestamp>,
    /// When another process' jobs were taken up: what went before that may have gone just then.
    begun: Option<Timestamp>,
}

/// A job, and since when it is known here.
#[derive(Debug)]
struct Waiting {
    job: Job,
    since: Timestamp,
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
    /// Takes up the jobs that another process left. Nobody knows when a notice that is not among them went: just now, for those
    /// that have to keep a distance from it.
    pub fn take_up(&mut self, jobs: Vec<Job>, now: Timestamp) {
        self.begun = Some(now);
        jobs.into_iter().for_each(|job| self.add(job, now));
    }

    /// Adds a job; one that is there already is only woken. Whatever clock its time was taken from, it waits no longer than it
    /// was to wait.
    pub fn add(&mut self, mut job: Job, now: Timestamp) {
        job.not_before = job.not_before.min(later(now, longest_wait(&job)));
        let queue = self.queues.entry(job.queue()).or_default();
        let not_before = job.not_before;
        let known = queue.entry(job.rank()).or_insert(Waiting { job, since: now });
        known.job.not_before = known.job.not_before.min(not_before);
    }

    /// The jobs to perform now; each must be settled.
    pub fn due(&mut self, now: Timestamp) -> Vec<Job> {
        let ready = self.idle().filter(|(_, waiting)| self.ready_at(waiting) <= now);
        let ready: Vec<_> = ready.map(|(queue, waiting)| (queue.clone(), waiting.job.clone())).collect();
        let mut due = Vec::new();
        for (queue, job) in ready {
            let notifies = notifies(&job);
            if notifies && self.notifying >= NOTIFYING {
                continue;
            }
            self.busy.insert(queue);
            self.notifying += usize::from(notifies);
            due.push(job);
        }
        due
    }

    /// When to look again, if nothing happens before.
    pub fn next_at(&self) -> Option<Timestamp> {
        // While as many are notified as may be, one of them has to end first.
        let may = self.idle().filter(|(_, waiting)| self.notifying < NOTIFYING || !notifies(&waiting.job));
        may.map(|(_, waiting)| self.ready_at(waiting)).min()
    }

    /// What becomes of a job that was performed. `again` says that it failed and may be tried again; `jitter` is from 0 to 1.
    pub fn settle(&mut self, job: &Job, again: bool, now: Timestamp, jitter: f64) -> Option<Settled> {
        let queue = job.queue();
        self.busy.remove(&queue);
        self.notifying -= usize::from(notifies(job));
        let jobs = self.queues.get_mut(&queue)?;
        let known = &mut jobs.get_mut(&job.rank())?.job;
        if again
            && (now.duration_since(known.created_at) < give_up_after(&known.task)
                || known.attempts < least(&known.task))
        {
            known.attempts += 1;
            known.held = SignedDuration::ZERO;
            known.not_before = later(now, pause(known, jitter));
            return Some(Settled::Postponed(known.clone()));
        }
        let gone = jobs.remove(&job.rank());
        if jobs.is_empty() {
            self.queues.remove(&queue);
        }
        self.gone.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        self.gone.insert((queue, job.rank()), now);
        gone.map(|gone| Settled::Gone(gone.job))
    }

    /// The receiver of this job, which was just postponed, wants to be left alone for so long; gives the job as it waits now.
    pub fn hold(&mut self, job: Job, wait: Duration, now: Timestamp) -> Job {
        let known = self.queues.get_mut(&job.queue()).and_then(|jobs| jobs.get_mut(&job.rank()));
        let Some(Waiting { job: known, .. }) = known else { return job };
        known.held = SignedDuration::try_from(wait).map_or(HELD, |wait| wait.min(HELD));
        known.not_before = known.not_before.max(later(now, known.held));
        known.clone()
    }

    /// What became of this job is being written.
    pub fn write(&mut self, job: &Job) {
        self.unwritten.insert((job.queue(), job.rank()));
    }

    /// It is written: only now it went, for those that have to keep a distance from it.
    pub fn written(&mut self, job: &Job, now: Timestamp) {
        let place = (job.queue(), job.rank());
        self.unwritten.remove(&place);
        if !self.is_here(&place) {
            self.gone.insert(place, now);
        }
    }

    /// The store does not know yet what became of some job.
    pub fn is_writing(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Is this notice still to be delivered?
    pub fn has(&self, recording: &RecordingId, event: Event, to: &Target) -> bool {
        self.is_here(&(QueueKey { recording: recording.clone(), name: to.name() }, event.rank()))
    }

    /// Somebody is still to be sent what makes a recording [`Notified`](crate::recording::Report::Notified).
    pub fn has_notifications(&self, recording: &RecordingId) -> bool {
        let queues = self.queues.iter().filter(|(queue, _)| queue.recording == *recording);
        queues.flat_map(|(_, jobs)| jobs.values()).any(|Waiting { job, .. }| match &job.task {
            Task::Notify { to, .. } => to.is_notification(),
            Task::Upload | Task::Publish | Task::Remove { .. } => false,
        })
    }

    fn is_here(&self, (queue, rank): &(QueueKey, u8)) -> bool {
        self.queues.get(queue).is_some_and(|jobs| jobs.contains_key(rank))
    }

    /// The first job of each lane in which none is being performed.
    fn idle(&self) -> impl Iterator<Item = (&QueueKey, &Waiting)> {
        let unwritten =
            |queue: &QueueKey| self.unwritten.range((queue.clone(), 0)..=(queue.clone(), u8::MAX)).next().is_some();
        let idle = self.queues.iter().filter(move |(queue, _)| !self.busy.contains(queue) && !unwritten(queue));
        idle.filter_map(|(queue, jobs)| Some((queue, jobs.values().next()?)))
    }

    /// From when on it may be performed, as far as is known.
    fn ready_at(&self, Waiting { job, since }: &Waiting) -> Timestamp {
        let Some(after) = &job.after else { return job.not_before };
        let place = after.place(&job.recording);
        let from = if self.is_here(&place) || self.unwritten.contains(&place) {
            later(*since, after.at_most)
        } else {
            let gone = self.gone.get(&place).copied().or(self.begun);
            gone.map_or(Timestamp::MIN, |gone| later(gone, after.settled.min(REMEMBERED)))
        };
        job.not_before.max(from)
    }

    /// Somebody is still to be notified of something, and answers as far as is known.
    pub fn is_telling(&self) -> bool {
        // Nobody hears a second thing before the first: whoever did not answer that one is silent.
        self.queues.values().filter_map(|jobs| jobs.values().next()).any(|Waiting { job, .. }| match &job.task {
            // That is of the moment.
            Task::Notify { to: Target::Room, .. } => job.attempts == 0,
            // For it, what it was not told goes on for ever.
            Task::Notify { to: Target::LiveKit, .. } => true,
            Task::Notify { .. } => job.attempts < SILENT,
            Task::Upload | Task::Publish | Task::Remove { .. } => false,
        })
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.queues.values().map(BTreeMap::len).sum()
    }
}

/// Beyond the calendar's end is its end.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn notifies(job: &Job) -> bool {
    match job.task {
        Task::Notify { .. } => true,
        Task::Upload | Task::Publish | Task::Remove { .. } => false,
    }
}

/// Twice as long after each failure, from one second to ten minutes, and up to half as long again, so that many do not come
/// back at once.
fn pause(job: &Job, jitter: f64) -> SignedDuration {
    let longest = match job.task {
        // A recording that is not stored yet keeps a disk full; what the server does not know looks as if it went on for ever.
        Task::Upload | Task::Publish | Task::Notify { to: Target::LiveKit, .. } => 60,
        Task::Notify { .. } | Task::Remove { .. } => 600,
    };
    let seconds = 1_i64.checked_shl(job.attempts.saturating_sub(1)).unwrap_or(longest).clamp(1, longest);
    SignedDuration::from_secs(seconds) + SignedDuration::from_secs_f64(0.5 * jitter * seconds as f64)
}

/// The longest that a job may have to wait for its next try.
fn longest_wait(job: &Job) -> SignedDuration {
    match job.attempts {
        0 => LONGEST_WAIT,
        _ => pause(job, 1.0).max(job.held.min(HELD)),
    }
}

/// So often a job is tried before it is given up: a clock that was set must not be what ends it.
const fn least(task: &Task) -> u32 {
    match task {
        Task::Upload | Task::Publish | Task::Remove { .. } => 0,
        Task::Notify { to: Target::Room, .. } => 0,
        Task::Notify { .. } => 20,
    }
}

/// After this long a job is given up.
fn give_up_after(task: &Task) -> SignedDuration {
    match task {
        Task::Upload | Task::Publish | Task::Remove { .. } | Task::Notify { to: Target::LiveKit, .. } => {
            SignedDuration::MAX
        }
        // What is shown in the room is of the moment, but for the end: what it leaves would be shown for ever.
        Task::Notify { to: Target::Room, event: Event::Ended, .. } => SignedDuration::from_hours(1),
        Task::Notify { to: Target::Room, .. } => SignedDuration::from_mins(1),
        Task::Notify { .. } => SignedDuration::from_hours(72),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recording::{After, Limits, Options, Output, Policy, Recording, Request};

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn report(id: &str, event: Event, to: Target) -> Job {
        let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
        let id = RecordingId::new(id);
        let options = Options::default();
        let (about, _) = Recording::begin(id.clone(), "m".into(), request, options, &Policy::default(), at(0));
        Job::new(id, Task::Notify { event, to, about: Box::new(about) }, at(0))
    }

    fn hook() -> Target {
        Target::Webhook("http://localhost/".into())
    }

    #[test]
    fn a_lane_is_in_order_and_others_do_not_wait() {
        let mut schedule = Schedule::default();
        schedule.add(report("a", Event::Started, hook()), at(0));
        schedule.add(report("a", Event::Accepted, hook()), at(0));
        schedule.add(report("a", Event::Ended, Target::Mail), at(0));
        schedule.add(report("b", Event::Accepted, hook()), at(0));
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

    /// Started, told after LiveKit's server knows the egress.
    fn started() -> Job {
        let after =
            After { event: Event::Joined, to: Target::LiveKit, settled: LONGEST_WAIT, at_most: SignedDuration::ZERO };
        Job { not_before: at(2), after: Some(after), ..report("a", Event::Started, Target::LiveKit) }
    }

    #[test]
    fn active_is_told_two_seconds_after_the_server_could_answer_the_start() {
        let mut schedule = Schedule::default();
        let created = report("a", Event::Joined, Target::LiveKit);
        schedule.add(created.clone(), at(0));
        schedule.add(started(), at(0));
        assert_eq!(schedule.due(at(0)).len(), 1);
        schedule.settle(&created, false, at(3), 0.0);
        assert_eq!(schedule.next_at(), Some(at(3) + LONGEST_WAIT));
        assert!(schedule.due(at(5)).is_empty());
        let due = schedule.due(at(3) + LONGEST_WAIT);
        assert_eq!(due.len(), 1);
        schedule.settle(&due[0], false, at(6), 0.0);
        // Also when media flows only after that.
        schedule.add(created.clone(), at(100));
        schedule.due(at(110));
        schedule.settle(&created, false, at(110), 0.0);
        schedule.add(started(), at(110));
        assert_eq!(schedule.next_at(), Some(at(110) + LONGEST_WAIT));
        assert_eq!(schedule.gone.len(), 1, "what is long gone is forgotten");
        // A process that takes it up does not know when the server learnt of the egress.
        let mut schedule = Schedule::default();
        schedule.take_up(vec![started()], at(1000));
        assert_eq!(schedule.next_at(), Some(at(1000) + LONGEST_WAIT));
    }

    #[test]
    fn a_receiver_that_says_when_is_not_asked_before_and_an_hour_is_the_most() {
        for (wait, held) in [(0, 1), (1, 1), (300, 300), (3600, 3600), (90_000, 3600), (u64::MAX, 3600)] {
            let mut schedule = Schedule::default();
            let job = report("a", Event::Accepted, hook());
            schedule.add(job.clone(), at(0));
            schedule.due(at(0));
            let Some(Settled::Postponed(job)) = schedule.settle(&job, true, at(10), 0.0) else { panic!() };
            let job = schedule.hold(job, Duration::from_secs(wait), at(10));
            assert_eq!((schedule.next_at(), job.not_before), (Some(at(10 + held)), at(10 + held)), "{wait} s");
            // The next process does not ask before that either, and the next failure is one like others.
            let mut schedule = Schedule::default();
            schedule.take_up(vec![job.clone()], at(11));
            assert_eq!(schedule.next_at(), Some(at(10 + held)));
            assert_eq!(schedule.due(at(10 + held)).len(), 1);
            let Some(Settled::Postponed(job)) = schedule.settle(&job, true, at(5000), 0.0) else { panic!() };
            assert_eq!((job.not_before, job.held), (at(5002), SignedDuration::ZERO));
        }
    }

    #[test]
    fn as_many_are_told_as_may_be_and_the_rest_is_not_looked_at_meanwhile() {
        let mut schedule = Schedule::default();
        for n in 0..=NOTIFYING {
            schedule.add(report(&n.to_string(), Event::Accepted, hook()), at(0));
        }
        let due = schedule.due(at(0));
        assert_eq!((due.len(), schedule.next_at()), (NOTIFYING, None));
        schedule.settle(&due[0], false, at(1), 0.0);
        assert_eq!((schedule.due(at(1)).len(), schedule.next_at()), (1, None));
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
        let job = Job { not_before: at(0) + hour, created_at: at(0) + hour, ..report("a", Event::Accepted, hook()) };
        schedule.add(job.clone(), at(0));
        assert_eq!(schedule.next_at(), Some(at(0) + LONGEST_WAIT));
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
        let job = report("a", Event::Ended, hook());
        schedule.add(job.clone(), at(0));
        for second in 0..4 {
            assert!(schedule.is_telling());
            schedule.due(at(second * 100));
            schedule.settle(&job, true, at(second * 100), 0.0);
        }
        assert!(!schedule.is_telling());
        for event in [Event::Accepted, Event::Ended] {
            schedule.add(Job { created_at: at(400), ..report("a", event, Target::Room) }, at(400));
        }
        assert!(schedule.is_telling());
        let room = schedule.due(at(400)).into_iter().find(|job| job.rank() == 0).unwrap();
        schedule.settle(&room, true, at(400), 0.0);
        assert!(!schedule.is_telling(), "nor is what follows");
        schedule.add(report("a", Event::Ended, Target::Mail), at(400));
        assert!(schedule.is_telling());
    }

    #[test]
    fn what_is_of_the_moment_is_given_up_and_an_upload_never() {
        let mut schedule = Schedule::default();
        let room = report("a", Event::Started, Target::Room);
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

    /// One step of a day of the schedule, `ms` after the one before.
    #[derive(Clone, Debug)]
    enum Act {
        Add(usize),
        /// This one of those that are performed ends: done, given up, or to be tried again.
        End(usize, bool),
        /// The store takes what became of one of them.
        Written,
        Pass,
        /// The process dies; the next one takes up what is in the store.
        Crash,
    }

    fn act() -> impl Strategy<Value = (i64, Act)> {
        let act = prop_oneof![
            4 => (0..LIFE.len()).prop_map(Act::Add),
            6 => (0..4_usize, any::<bool>()).prop_map(|(n, again)| Act::End(n, again)),
            6 => Just(Act::Written),
            2 => Just(Act::Pass),
            1 => Just(Act::Crash),
        ];
        (0..3000_i64, act)
    }

    /// What happens to one recording, in this order.
    const LIFE: [fn() -> Job; 6] = [
        || report("a", Event::Joined, Target::LiveKit),
        started,
        || report("a", Event::Ending, Target::LiveKit),
        || Job::new(RecordingId::new("a"), Task::Upload, at(0)),
        || {
            let (event, to, at_most) = (Event::Ending, Target::LiveKit, SignedDuration::from_secs(4));
            let after = After { event, to, settled: SignedDuration::ZERO, at_most };
            Job { after: Some(after), ..Job::new(RecordingId::new("a"), Task::Publish, at(0)) }
        },
        || report("a", Event::Ended, Target::LiveKit),
    ];

    proptest! {
        #[test]
        fn nothing_is_done_too_early_and_nothing_waits_for_ever(acts in proptest::collection::vec(act(), 1..60)) {
            let (mut schedule, mut now, mut added) = (Schedule::default(), at(0), 0);
            // What a store holds, what is being performed, when each went and since when a process knows it.
            let mut store: BTreeMap<(QueueKey, u8), Job> = BTreeMap::new();
            let mut running: Vec<Job> = Vec::new();
            let mut unwritten: Vec<Settled> = Vec::new();
            let mut went: BTreeMap<(QueueKey, u8), Timestamp> = BTreeMap::new();
            let mut since: BTreeMap<(QueueKey, u8), Timestamp> = BTreeMap::new();
            let place = |job: &Job| (job.queue(), job.rank());
            // In the end everything answers: each is tried until it is done.
            let ends = (0..60).flat_map(|_| [(70_000, Act::End(0, false)), (0, Act::Written)]);
            let rest = (0..LIFE.len()).map(|n| (0, Act::Add(n))).chain(ends);
            for (ms, act) in acts.into_iter().chain(rest) {
                now += SignedDuration::from_millis(ms);
                match act {
                    // Later things happen after earlier ones.
                    Act::Add(n) if n == added => {
                        let job = LIFE[n]();
                        store.insert(place(&job), job.clone());
                        since.insert(place(&job), now);
                        schedule.add(job, now);
                        added += 1;
                    }
                    Act::Add(_) | Act::Pass => {}
                    Act::End(n, again) => {
                        if !running.is_empty() {
                            let job = running.remove(n % running.len());
                            let settled = schedule.settle(&job, again, now, 0.5);
                            prop_assert!(settled.is_some(), "it was not there");
                            schedule.write(&job);
                            unwritten.extend(settled);
                        }
                    }
                    Act::Written if unwritten.is_empty() => {}
                    Act::Written => match unwritten.remove(0) {
                        Settled::Gone(job) => {
                            schedule.written(&job, now);
                            store.remove(&place(&job));
                            went.insert(place(&job), now);
                        }
                        Settled::Postponed(job) => {
                            schedule.written(&job, now);
                            store.insert(place(&job), job);
                        }
                    },
                    Act::Crash => {
                        running.clear();
                        unwritten.clear();
                        schedule = Schedule::default();
                        schedule.take_up(store.values().cloned().collect(), now);
                        since.extend(store.keys().map(|place| (place.clone(), now)));
                    }
                }
                for job in schedule.due(now) {
                    prop_assert!(running.iter().all(|other| other.queue() != job.queue()), "two in one lane");
                    let first = store.range((job.queue(), 0)..=(job.queue(), u8::MAX)).next().map(|(place, _)| place.clone());
                    prop_assert_eq!(first, Some(place(&job)), "out of order");
                    prop_assert!(store[&place(&job)].not_before.min(since[&place(&job)] + LONGEST_WAIT) <= now);
                    if let Some(after) = &job.after {
                        let awaited = after.place(&job.recording);
                        match went.get(&awaited) {
                            Some(gone) => prop_assert!(*gone + after.settled <= now, "too early"),
                            None => prop_assert!(since[&place(&job)] + after.at_most <= now, "it was not waited for"),
                        }
                    }
                    running.push(job);
                }
                // Whatever waits has a time or something that ends.
                let ends = !running.is_empty() || !unwritten.is_empty();
                prop_assert!(schedule.len() == 0 || ends || schedule.next_at().is_some());
            }
            prop_assert!(store.is_empty() && schedule.len() == 0, "stuck: {:?}", store.keys());
        }
    }
}
